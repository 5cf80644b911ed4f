import inspect
import math
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest

import tracker
from tracker.database.faults import driver
from tracker.database.types import now
from tracker.errors import (
    FilterError,
    InvalidError,
    LabUnusableError,
    NewerLabError,
    NoLabError,
    NotFoundError,
)
from tracker.lab import Lab
from tracker.registry.pipelines import register_pipeline


@pytest.fixture
def lab(lab_root):
    with Lab.open(lab_root) as lab:
        yield lab


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    monkeypatch.delenv("LABKEEPER_LAB", raising=False)


class TestInit:
    def test_makes_a_lab_and_the_directories_above_it(self, tmp_path):
        with Lab.init(tmp_path / "a" / "b") as lab, lab.run() as run:
            run.log(loss=1)

        assert lab.root == tmp_path / "a" / "b"
        assert (lab.root / ".labkeeper" / "lab.db").is_file()
        assert (lab.root / ".labkeeper" / "files").is_dir()

    def test_opens_the_lab_that_is_there(self, lab, lab_root):
        lab.run("first").finish()

        with Lab.init(lab_root) as again:
            assert again.runs()["name"].tolist() == ["first"]

    def test_a_lab_is_no_part_of_the_repository_around_it(self, tmp_path):
        subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)

        Lab.init(tmp_path).close()

        status = ["git", "-C", str(tmp_path), "status", "--porcelain"]
        assert subprocess.check_output(status, text=True) == ""

    def test_what_the_user_says_to_git_stays(self, lab_root):
        ignored = lab_root / ".labkeeper" / ".gitignore"
        ignored.write_text("files/\n")

        Lab.init(lab_root).close()

        assert ignored.read_text() == "files/\n"

    @pytest.mark.parametrize("place", ["file", "file/below"])
    def test_a_file_in_the_way_is_told_and_stays(self, tmp_path, place):
        (tmp_path / "file").write_text("mine")

        with pytest.raises(LabUnusableError, match="file is in the way"):
            Lab.init(tmp_path / place)
        assert (tmp_path / "file").read_text() == "mine"

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_directory_that_cannot_be_written_is_told(self, tmp_path):
        tmp_path.chmod(0o500)
        try:
            with pytest.raises(LabUnusableError, match="permission is denied"):
                Lab.init(tmp_path / "new")
        finally:
            tmp_path.chmod(0o700)

    def test_what_fails_leaves_nothing_behind(self, tmp_path, monkeypatch):
        def full(_path):
            raise LabUnusableError("The disk is full.")

        monkeypatch.setattr("tracker.lab.lab.prepare", full)
        with pytest.raises(LabUnusableError):
            Lab.init(tmp_path / "a" / "b")

        assert list(tmp_path.iterdir()) == []


class TestOpen:
    def test_finds_the_nearest_upward(self, lab_root, monkeypatch):
        deep = lab_root / "a" / "b"
        deep.mkdir(parents=True)
        monkeypatch.chdir(deep)

        assert Lab.open().root == lab_root

    def test_the_variable_counts_before_what_is_near(self, lab_root, tmp_path, monkeypatch):
        other = shutil.copytree(lab_root, tmp_path / "other")
        monkeypatch.chdir(lab_root)
        monkeypatch.setenv("LABKEEPER_LAB", str(other))

        assert Lab.open().root == other
        assert Lab.open(lab_root).root == lab_root

    def test_says_where_it_has_looked(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

        with pytest.raises(NoLabError, match=f"no lab in {tmp_path} or above it"):
            Lab.open()
        with pytest.raises(NoLabError, match="`labkeeper init` makes one"):
            Lab.open(tmp_path)
        monkeypatch.setenv("LABKEEPER_LAB", "elsewhere")
        with pytest.raises(NoLabError, match=r"elsewhere \(\$LABKEEPER_LAB names it\)"):
            Lab.open()

    def test_a_newer_lab_is_refused(self, lab_root):
        connection = driver().connect(lab_root / ".labkeeper" / "lab.db", isolation_level=None)
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.close()

        with pytest.raises(NewerLabError, match="newer version"):
            Lab.open(lab_root)

    def test_a_lab_can_be_moved_and_copied_whole(self, lab, lab_root, tmp_path):
        (tmp_path / "a.txt").write_text("x")
        with lab.run("first") as run:
            run.log_artifact(tmp_path / "a.txt")
        lab.close()
        moved = lab_root.rename(tmp_path / "moved")

        with Lab.open(moved) as again, again.run("first") as run:
            assert run.name == "first-2"
            run.log_artifact(tmp_path / "a.txt")
            assert len(list(again.files.everything())) == 2

    def test_a_lab_shows_where_it_is(self, lab, lab_root):
        assert repr(lab) == f"<Lab {lab_root}>"
        lab.run("first").finish()
        assert "first" in lab._repr_html_()


class TestRuns:
    @pytest.fixture
    def filled(self, lab):
        for number, rate in enumerate((0.1, 0.2, 0.3)):
            with lab.run(f"r{number}", experiment="e", params={"lr": rate}) as run:
                run.log_history({"val_loss": [1.0, rate], "step": [0, 1]})
        with lab.run("bad", experiment="e", params={"lr": math.nan}) as run:
            run.log(val_loss=math.nan)
        return lab

    def test_one_row_a_run_the_newest_first_with_all_there_is(self, filled):
        runs = filled.runs()

        assert runs["name"].tolist() == ["bad", "r2", "r1", "r0"]
        assert runs["params.lr"].tolist()[1:] == [0.3, 0.2, 0.1]
        assert runs["best(val_loss)"].tolist()[1:] == [0.3, 0.2, 0.1]
        assert math.isnan(runs["metrics.val_loss"].iloc[0])
        assert str(runs["created"].dtype).startswith("datetime64")

    def test_filter_sort_limit_and_columns(self, filled):
        runs = filled.runs(
            "last(val_loss) < 0.25", sort="lr", limit=1, columns=["name", "lr", "last(val_loss)"]
        )

        assert runs.to_dict("list") == {"name": ["r0"], "lr": [0.1], "last(val_loss)": [0.1]}

    def test_every_column_can_be_asked_for_by_its_name(self, filled):
        runs = filled.runs()

        again = filled.runs(columns=list(runs.columns))
        pd.testing.assert_frame_equal(again, runs, check_dtype=False)

    def test_no_run_is_an_empty_table(self, lab):
        assert len(lab.runs()) == 0
        assert lab.runs(columns=["name"]).columns.tolist() == ["name"]

    def test_a_filter_that_makes_no_sense_is_told(self, filled):
        with pytest.raises(FilterError):
            filled.runs("lr <")

    def test_a_goal_decides_what_is_best(self, filled):
        assert filled.goal("val_loss") == "min"
        filled.goal("val_loss", "max")

        assert filled.goal("val_loss") == "max"
        assert filled.runs()["best(val_loss)"].tolist()[1:] == [1.0, 1.0, 1.0]
        assert filled.goal("strange") is None
        with pytest.raises(InvalidError, match="not 'up'"):
            filled.goal("val_loss", "up")


class TestPipelines:
    def test_a_row_each_and_the_archived_only_when_asked_for(self, lab):
        with lab.database.write() as session:
            for name in ("mlp", "old"):
                made = register_pipeline(
                    session, name=name, experiment="e", recipe="r", config={}, config_hash=name
                )
            made.archived = now()

        assert lab.pipelines(columns=["name"]).to_dict("list") == {"name": ["mlp"]}
        assert set(lab.pipelines(archived=None)["name"]) == {"mlp", "old"}
        assert len(lab.pipelines("name == 'none'")) == 0


class TestHistories:
    def test_a_row_a_point(self, lab):
        with lab.run("a") as run:
            run.log(loss=1.5, step=3, epoch=1)
            run.log(loss=math.inf, step=4)
        with lab.run("b") as run:
            run.log(loss=math.nan, step=0)
            run.log(acc=0.5, epoch=2)

        table = lab.histories()

        assert table.columns.tolist() == ["run", "metric", "step", "epoch", "value", "time"]
        assert table["run"].tolist() == ["a", "a", "b", "b"]
        assert table["metric"].tolist() == ["loss", "loss", "acc", "loss"]
        assert table["step"].tolist() == [3, 4, 0, 0]
        assert table["epoch"].tolist() == [1, pd.NA, 2, pd.NA]
        assert table["value"].tolist()[:3] == [1.5, math.inf, 0.5]
        assert math.isnan(table["value"].iloc[3])
        assert table["step"].dtype == "int64"
        assert str(table["time"].dtype) == "datetime64[ms, UTC]"

    def test_the_filter_and_the_metrics_choose(self, lab):
        for name in ("a", "b"):
            with lab.run(name) as run:
                run.log(loss=1, acc=2)

        table = lab.histories("name == 'b'", metrics=["acc"])

        assert table[["run", "metric", "value"]].to_dict("list") == {
            "run": ["b"],
            "metric": ["acc"],
            "value": [2.0],
        }

    def test_runs_of_one_name_are_told_apart(self, lab):
        for experiment in ("one", "other"):
            with lab.run("same", experiment=experiment) as run:
                run.log(loss=1)

        assert lab.histories()["run"].tolist() == ["one/same", "other/same"]
        assert lab.histories("experiment == 'one'")["run"].tolist() == ["same"]

    def test_an_unknown_metric_suggests_the_nearest(self, lab):
        with lab.run() as run:
            run.log(val_loss=1)

        with pytest.raises(NotFoundError, match="Did you mean 'val_loss'"):
            lab.histories(metrics=["val_los"])

    def test_a_metric_may_still_come_while_a_run_is_at_work(self, lab):
        lab.run("earlier").finish()
        with lab.run("other") as run:
            run.log(val_loss=1)

        assert len(lab.histories("name == 'nobody'", metrics=["val_loss"])) == 0
        with lab.run("now") as run:
            table = lab.histories("name == 'now'", metrics=["val_loss"])
            assert (len(table), table.columns[1]) == (0, "metric")
            with pytest.warns(UserWarning, match="'val_los' yet. Did you mean 'val_loss'"):
                assert len(lab.histories("name == 'now'", metrics=["val_los"])) == 0
            run.log(val_loss=0.5)
            assert lab.histories("name == 'now'", metrics=["val_loss"])["value"].tolist() == [0.5]
            with pytest.raises(NotFoundError):
                lab.histories("name == 'earlier'", metrics=["val_loss"])

    def test_nothing_logged_is_an_empty_table(self, lab):
        lab.run().finish()

        table = lab.histories()
        assert len(table) == 0
        assert table.columns.tolist() == ["run", "metric", "step", "epoch", "value", "time"]

    def test_a_history_goes_round(self, lab):
        with lab.run("a") as run:
            run.log_history({"loss": [1.0, math.nan, -math.inf], "step": [0, 5, 7]})
        points = lab.histories()

        with lab.run("b") as run:
            run.log_history(points[["step", "epoch", "value", "time"]])
        again = lab.histories("name == 'b'")

        same = ["step", "epoch", "value", "time"]
        pd.testing.assert_frame_equal(again[same], points[same])


class TestImport:
    HEAVY = frozenset({"torch", "pandas", "numpy", "sqlalchemy", "alembic", "matplotlib", "engine"})

    def modules(self, program):
        text = f"import sys; {program}; print(*sys.modules)"
        return set(subprocess.check_output([sys.executable, "-c", text], text=True).split())

    def test_importing_the_package_brings_nothing_heavy(self):
        assert self.HEAVY.isdisjoint(self.modules("import tracker"))

    def test_opening_a_lab_brings_neither_torch_nor_pandas(self, lab_root):
        program = f"from tracker import Lab; Lab.open({str(lab_root)!r})"

        assert {"torch", "pandas", "numpy", "matplotlib"}.isdisjoint(self.modules(program))

    def test_recording_a_run_brings_neither_torch_nor_pandas(self, lab_root):
        program = (
            f"from tracker import Lab\nwith Lab.open({str(lab_root)!r}).run() as run:\n"
            "    run.log(loss=1)\nimport sys"
        )
        text = f"import sys\n{program}\nprint(*sys.modules)"
        modules = subprocess.check_output([sys.executable, "-c", text], text=True).split()

        assert {"torch", "pandas", "matplotlib", "engine"}.isdisjoint(modules)

    def test_the_package_offers_the_lab_and_what_it_is_told_by(self):
        assert tracker.__all__ == ["CheckpointPolicy", "Lab"]
        assert tracker.Lab is Lab
        assert tracker.CheckpointPolicy().keep_last == 1
        with pytest.raises(AttributeError, match="no attribute 'Labb'"):
            _ = tracker.Labb

    def test_the_example_in_its_docstring_runs(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        code = inspect.cleandoc(tracker.__doc__).split("\n\n", 1)[1]

        exec(textwrap.dedent(code), {})  # noqa: S102 - our own text

        assert len(Lab.open(Path("lab")).runs()) == 1
