import json
import os
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner

from tracker.cli.main import labkeeper as command
from tracker.database.upgrade import SCHEMA
from tracker.registry.details import describe


def run(*arguments, env=None):
    return CliRunner().invoke(command, list(arguments), env=env, catch_exceptions=False)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty directory, which is the present one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LABKEEPER_LAB", raising=False)
    return tmp_path


class TestInit:
    def test_makes_a_lab_here(self, here):
        result = run("init")

        assert (result.exit_code, result.stdout) == (0, f"The lab is in {here}.\n")
        assert (here / ".labkeeper" / "lab.db").is_file()

    def test_makes_a_lab_where_it_is_told(self, here):
        run("init", "one")
        run("--lab", str(here / "two"), "init")

        assert (here / "one" / ".labkeeper" / "lab.db").is_file()
        assert (here / "two" / ".labkeeper" / "lab.db").is_file()

    def test_leaves_a_lab_as_it_is(self, here):
        run("init")
        run("goal", "odd", "max")
        run("init")

        assert "odd" in run("goal").stdout

    def test_a_file_in_the_way_is_refused_in_one_line(self, here):
        (here / "one").touch()
        result = run("init", "one")

        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.count("\n") == 1
        assert str(here / "one") in result.stderr


class TestWhichLab:
    def test_the_nearest_upward_is_meant(self, here, monkeypatch):
        run("init")
        (here / "deep" / "er").mkdir(parents=True)
        monkeypatch.chdir(here / "deep" / "er")

        assert run("runs").exit_code == 0

    def test_the_environment_names_one_and_the_option_counts_more(self, here):
        for name in ("one", "two"):
            run("init", name)
            run("--lab", name, "goal", f"metric-{name}", "max")

        by_environment = run("goal", env={"LABKEEPER_LAB": str(here / "one")})
        by_option = run("--lab", "two", "goal", env={"LABKEEPER_LAB": str(here / "one")})

        assert "metric-one" in by_environment.stdout
        assert "metric-two" in by_option.stdout

    @pytest.mark.parametrize("arguments", [["runs"], ["--lab", "nowhere", "runs"]])
    def test_no_lab_says_how_to_make_one(self, here, arguments):
        result = run(*arguments)

        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.count("\n") == 1
        assert "labkeeper init" in result.stderr


class TestGoal:
    def test_lists_what_is_known_of_the_metrics_and_why(self, labkeeper, three_runs):
        labkeeper("goal", "dice", "max")
        with three_runs.run("odd") as logged:
            logged.log(odd=1.0, step=0)

        assert labkeeper("goal").stdout.splitlines() == [
            "metric        goal  known_by",
            "dice          max   set",
            "odd           -     -",
            "val_accuracy  max   name",
            "val_loss      min   name",
        ]

    def test_what_is_said_counts_for_the_best(self, labkeeper, three_runs):
        labkeeper("goal", "val_loss", "max")

        columns = ["--columns", "best(val_loss)", "--csv", "--limit", "1"]
        assert labkeeper("runs", *columns).stdout.splitlines()[1] == repr(1 / 3)

    def test_a_metric_alone_is_a_usage_error(self, labkeeper):
        assert labkeeper("goal", "dice").exit_code == 2

    def test_one_that_nobody_logged_is_set_and_said(self, labkeeper, three_runs):
        result = labkeeper("goal", "val_los", "max")

        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == (
            "No run has logged a metric 'val_los' yet. Did you mean 'val_loss'?\n"
        )
        assert labkeeper("goal", "val_loss", "max").stderr == ""
        assert three_runs.goal("val_los") == "max"

    def test_removed_the_name_decides_again(self, labkeeper, three_runs):
        labkeeper("goal", "val_loss", "max")
        labkeeper("goal", "val_loss", "--remove")

        assert three_runs.goal("val_loss") == "min"
        again = labkeeper("goal", "val_loss", "--remove")
        assert (again.exit_code, again.stderr) == (
            1,
            "Error: There is no goal of a metric named 'val_loss'.\n",
        )

    @pytest.mark.parametrize("words", [["--remove"], ["dice", "max", "--remove"]])
    def test_what_is_removed_is_one_metrics_goal(self, labkeeper, words):
        assert labkeeper("goal", *words).exit_code == 2

    def test_a_name_that_cannot_be_a_metrics_is_refused(self, labkeeper):
        assert labkeeper("goal", " ", "max").exit_code == 1

    def test_another_direction_is_a_usage_error(self, labkeeper):
        assert labkeeper("goal", "dice", "up").exit_code == 2


class TestNotes:
    def test_tags_come_and_go(self, labkeeper, three_runs):
        labkeeper("tag", "mlp", "paper", "best")
        labkeeper("tag", "mlp", "base", "best", "--remove")

        (row,) = json.loads(
            labkeeper("runs", "'paper' in tags", "--columns", "tags", "--json").stdout
        )
        assert row == {"tags": ["paper"]}

    def test_notes_come_and_go(self, labkeeper, three_runs):
        def note():
            with three_runs.database.read() as session:
                return describe(session, "mlp")["run"]["note"]

        labkeeper("note", "mlp", "the baseline")
        assert note() == "the baseline"
        labkeeper("note", "mlp", "")
        assert note() is None

    @pytest.mark.parametrize("words", [["tag", "mpl", "x"], ["note", "mpl", "x"]])
    def test_an_unknown_name_is_refused(self, labkeeper, three_runs, words):
        result = labkeeper(*words)

        assert result.exit_code == 1
        assert "Did you mean 'mlp'" in result.stderr

    def test_a_tag_that_reads_as_an_option_is_refused(self, labkeeper, three_runs):
        assert labkeeper("tag", "mlp", "--", "-x").exit_code == 1


class TestDatabase:
    def test_check_says_the_schema(self, labkeeper, lab_root):
        facts = json.loads(labkeeper("db", "check", "--json").stdout)

        assert facts["path"] == str(lab_root / ".labkeeper" / "lab.db")
        assert (facts["schema"], facts["state"]) == (SCHEMA, "current")
        assert re.search(rf"^schema +{SCHEMA}$", labkeeper("db", "check").stdout, re.MULTILINE)

    def test_check_says_whether_the_file_is_sound(self, labkeeper, lab_root):
        path = lab_root / ".labkeeper" / "lab.db"
        sound = json.loads(labkeeper("db", "check", "--json").stdout)
        assert (sound["bytes"], sound["integrity"]) == (path.stat().st_size, "ok")

        with path.open("r+b") as file:
            file.seek(20 * 4096)
            file.write(b"\xff" * 10 * 4096)
        result = labkeeper("db", "check")
        assert result.exit_code == 1
        assert result.stderr == f"Error: {path} is damaged; restore a backup.\n"

    @pytest.mark.parametrize(("schema", "state"), [("0000", "old"), ("9999", "newer")])
    def test_check_changes_nothing(self, labkeeper, database, schema, state):
        with database.write() as session:
            session.connection().exec_driver_sql(
                "UPDATE alembic_version SET version_num = ?", (schema,)
            )

        for _ in range(2):
            assert json.loads(labkeeper("db", "check", "--json").stdout)["state"] == state

    def test_upgrade_of_a_current_one_does_nothing(self, labkeeper, lab_root):
        assert labkeeper("db", "upgrade").stdout == "It is current.\n"
        assert [path.name for path in (lab_root / ".labkeeper").glob("*upgrade*")] == []

    def test_a_newer_one_is_refused_in_one_line(self, labkeeper, database):
        with database.write() as session:
            session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

        for words in (["runs"], ["list"], ["show", "x"], ["db", "upgrade"]):
            result = labkeeper(*words)
            assert (result.exit_code, result.stdout) == (1, "")
            assert result.stderr.count("\n") == 1
            assert "newer version of Labkeeper" in result.stderr


class TestHealth:
    @pytest.fixture
    def artifact(self, three_runs, tmp_path):
        """Where the lab keeps a file of a run."""
        (tmp_path / "notes.txt").write_text("what I saw")
        with three_runs.run("noted") as logged:
            logged.log_artifact(tmp_path / "notes.txt")
        (path,) = (three_runs.root / ".labkeeper").rglob("notes*.txt")
        return path

    def test_a_lab_in_order_says_so(self, labkeeper, artifact):
        result = labkeeper("doctor")

        assert (result.exit_code, result.stderr) == (0, "The lab is in order.\n")
        assert "SQLite" in result.stdout

    def test_a_missing_file_is_named_and_ends_with_1(self, labkeeper, artifact):
        artifact.unlink()
        result = labkeeper("doctor", "--json")

        assert result.exit_code == 1
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1
        faults = [row for row in json.loads(result.stdout) if row["severity"] == "error"]
        assert any(artifact.name in fault["message"] for fault in faults)

    def test_what_is_put_right_is_no_fault_any_more(self, labkeeper, lab_root, artifact):
        stray = lab_root / ".labkeeper" / "files" / "runs" / "nobody" / "stray.ckpt"
        stray.parent.mkdir(parents=True)
        stray.write_bytes(b"x")
        os.utime(stray, (0, 0))

        assert labkeeper("doctor").exit_code == 1
        assert stray.exists()
        repaired = labkeeper("doctor", "--repair")
        assert (repaired.exit_code, repaired.stderr) == (
            0,
            "The lab is in order. 1 fault put right.\n",
        )
        assert not stray.exists()
        assert labkeeper("doctor").exit_code == 0

    def test_a_backup_is_a_lab(self, labkeeper, artifact, tmp_path):
        result = labkeeper("backup", str(tmp_path / "copy"))

        assert result.stdout == f"Copied the lab with 1 file to {tmp_path / 'copy'}.\n"
        for words in (["runs", "--json"], ["show", "noted", "--json"], ["doctor", "--json"]):
            assert run("--lab", str(tmp_path / "copy"), *words).stdout == labkeeper(*words).stdout

    def test_a_backup_replaces_nothing(self, labkeeper, artifact, tmp_path):
        (tmp_path / "backups").mkdir()
        (tmp_path / "file").touch()
        result = labkeeper("backup", str(tmp_path / "backups"))

        (made,) = (tmp_path / "backups").iterdir()
        assert str(made) in result.stdout
        assert labkeeper("backup", str(tmp_path / "file")).exit_code == 1

    def test_a_backup_that_is_not_whole_says_what_is_missing(self, labkeeper, artifact, tmp_path):
        artifact.write_text("something else")
        result = labkeeper("backup", str(tmp_path / "copy"))

        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1
        assert artifact.name in result.stderr


def test_python_m_tracker_is_the_same_command(here):
    program = [sys.executable, "-m", "tracker"]
    subprocess.run([*program, "init"], cwd=here, check=True, capture_output=True)
    helped = subprocess.run(
        [*program, "--help"], cwd=here, check=True, capture_output=True, text=True
    )

    assert (here / ".labkeeper").is_dir()
    assert helped.stdout.startswith("Usage: labkeeper [OPTIONS]")


def test_a_backup_is_restored_where_the_lab_is(three_runs, labkeeper, tmp_path):
    copy = tmp_path / "copy"
    assert labkeeper("backup", str(copy)).exit_code == 0
    three_runs.delete(["mlp", "mlp-2", "mlp-3"])
    three_runs.close()

    result = labkeeper("backup", "--restore", str(copy))

    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert first == f"Restored the lab with 0 files to {three_runs.root}."
    assert second.startswith(f"What was there is in {three_runs.root}/.labkeeper-before-")
    listed = labkeeper("runs", "--csv", "--columns", "name").stdout.split()
    assert listed == ["name", "mlp-3", "mlp-2", "mlp"]


def test_what_is_no_backup_is_not_restored(labkeeper, tmp_path):
    result = labkeeper("backup", "--restore", str(tmp_path / "nothing"))

    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: There is no lab in {tmp_path / 'nothing'}.")
