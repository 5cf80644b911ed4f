import re

import pytest

from tests.tracker.registry.keeping.made import names, on_disk, rows
from tracker.errors import InvalidError, NotFoundError, StateError, TakenError
from tracker.registry.completing import deleted_names, pipeline_names, run_names
from tracker.registry.datasets import runs_that_saw
from tracker.registry.pipelines import current_run, find_pipeline
from tracker.registry.processes import this_process
from tracker.registry.runs import find_run
from tracker.registry.sessions import begin_session


class TestDelete:
    def test_a_pipeline_takes_its_runs_along_and_keeps_its_files(self, lab, made):
        made.pipeline("mlp", runs=2)
        made.run("free")
        files = on_disk(lab)

        change = lab.delete("mlp")

        assert change[:3] == (["mlp"], ["digits/mlp", "digits/mlp-2"], 6)
        assert change.bytes == 2 * (1024 + 2048 + 100)
        assert names(lab) == [[], ["free"]]
        assert names(lab, deleted=True) == [["mlp"], ["mlp", "mlp-2"]]
        assert on_disk(lab) == files

    def test_what_is_deleted_is_nowhere_to_be_seen(self, lab, made):
        (run,) = made.pipeline("mlp")
        lab.delete("mlp")

        with pytest.raises(NotFoundError, match="no pipeline named 'mlp'"):
            lab.pipeline("mlp")
        with lab.database.read() as session:
            for name in ("mlp", "digits/mlp", run.uuid, run.uuid[:6]):
                with pytest.raises(NotFoundError):
                    find_run(session, name)
            assert pipeline_names(session, "") == run_names(session, "") == []
            assert deleted_names(session, "m") == ["mlp"]
            assert runs_that_saw(session, "f") == []
        assert len(lab.histories()) == 0
        assert names(lab, filter="status == 'finished'") == [[], []]
        with pytest.raises(NotFoundError):
            lab.train(["mlp"])

    def test_its_names_and_its_configuration_are_free_at_once(self, lab, made):
        made.pipeline("mlp")
        lab.delete("mlp")
        (again,) = made.pipeline("mlp")

        assert again.name == "mlp"
        assert names(lab) == [["mlp"], ["mlp"]]

    def test_a_current_run_that_is_deleted_is_no_current_run(self, lab, made):
        made.pipeline("mlp")
        lab.delete("digits/mlp")

        with lab.database.read() as session:
            assert current_run(session, find_pipeline(session, "mlp")) is None
        assert lab.pipelines(columns=["name", "status"]).values.tolist() == [["mlp", None]]
        assert lab.pipelines().columns.tolist() == [
            *("name", "experiment", "status", "epoch", "duration", "created")
        ]
        lab.restore("mlp")
        assert lab.pipelines(columns=["status"])["status"].tolist() == ["finished"]

    def test_in_the_trash_a_pipeline_still_shows_what_its_run_reached(self, lab, made):
        made.pipeline("mlp")
        lab.delete("mlp")

        shown = lab.pipelines(deleted=True, columns=["status", "best(val_loss)"])
        assert shown.values.tolist() == [["finished", 0.5]]

    @pytest.mark.parametrize("command", ["delete", "archive"])
    def test_nothing_happens_if_one_of_many_is_running(self, lab, made, command):
        done, going = made.run("done"), made.run("going")
        with lab.database.write() as session:
            begin_session(session, going.id, this_process())
        before = rows(lab)

        with pytest.raises(
            StateError, match=f"Cannot {command}: digits/going is running.*Nothing was changed"
        ):
            getattr(lab, command)([done.name, going.name])
        assert rows(lab) == before

    def test_a_run_whose_process_vanished_is_not_running(self, lab, made, live_process):
        run = made.run("killed")
        with lab.database.write() as session:
            begin_session(session, run.id, live_process.identity)
        live_process.kill()

        assert lab.delete("killed").runs == ["digits/killed"]

    def test_by_filters(self, lab, made):
        made.pipeline("mlp")
        made.pipeline("cnn")
        made.run("good", losses=[0.1])
        made.run("bad", losses=[9.0])

        change = lab.delete(pipelines="name == 'mlp'", runs="best(val_loss) > 1")

        assert change[:2] == (["mlp"], ["digits/mlp", "digits/bad"])
        assert names(lab) == [["cnn"], ["cnn", "good"]]

    def test_a_filter_describes_what_lists_show(self, lab, made):
        made.run("old")
        made.run("new")
        lab.archive("old")

        assert lab.delete(runs="lr == 0.1", dry_run=True).runs == ["digits/new"]
        assert lab.delete(runs="lr == 0.1", archived=True).runs == ["digits/old"]

    def test_a_dry_run_says_what_would_happen_and_changes_nothing(self, lab, made):
        made.pipeline("mlp")
        before = rows(lab)

        shown = lab.delete("mlp", dry_run=True)

        assert rows(lab) == before
        assert lab.delete("mlp", shown=shown) == shown

    def test_what_was_shown_is_what_happens_or_nothing(self, lab, made):
        made.run("one")
        shown = lab.delete(runs="lr == 0.1", dry_run=True)
        made.run("two")

        with pytest.raises(StateError, match="changed since this was shown"):
            lab.delete(runs="lr == 0.1", shown=shown)
        assert names(lab) == [[], ["one", "two"]]

    def test_nothing_said_is_refused(self, lab, made):
        for method in (lab.delete, lab.archive, lab.unarchive, lab.restore):
            with pytest.raises(InvalidError, match="Say which are meant"):
                method()

    def test_a_name_that_is_not_there_refuses_all(self, lab, made):
        made.run("run")

        with pytest.raises(NotFoundError, match="Did you mean 'run'"):
            lab.delete(["run", "rum"])
        assert names(lab) == [[], ["run"]]


class TestRestore:
    def test_brings_back_everything_as_it_was(self, lab, made):
        made.pipeline("mlp", runs=2)
        before = rows(lab)
        lab.delete("mlp")

        change = lab.restore("mlp")

        assert change[:2] == (["mlp"], ["digits/mlp", "digits/mlp-2"])
        assert rows(lab) == before

    def test_what_was_deleted_before_its_pipeline_stays_in_the_trash(self, lab, made):
        made.pipeline("mlp", runs=2)
        lab.delete("digits/mlp-2")
        lab.delete("mlp")
        lab.restore("mlp")

        assert names(lab) == [["mlp"], ["mlp"]]
        assert names(lab, deleted=True) == [[], ["mlp-2"]]

    def test_a_taken_name_is_refused_with_what_to_do(self, lab, made):
        made.pipeline("mlp", config_hash="a")
        made.run("free")
        lab.delete(["mlp", "free"])
        made.pipeline("mlp", config_hash="b")
        made.run("free")
        before = rows(lab)

        for name, kind in (("mlp", "pipeline"), ("free", "run")):
            message = f"a {kind} named '{name}' already.*labkeeper restore {name} --as NAME"
            with pytest.raises(TakenError, match=message):
                lab.restore(name)
        assert rows(lab) == before

        lab.restore("mlp", as_="mlp-old")
        assert lab.restore("free", as_="free-old").runs == ["digits/free-old"]
        # The pipeline's run comes back with a name of its own.
        assert names(lab) == [["mlp", "mlp-old"], ["free", "free-old", "mlp", "mlp-2"]]

    def test_a_name_is_given_to_one_alone_and_must_be_one(self, lab, made):
        made.run("a")
        made.run("b")
        lab.delete(["a", "b"])

        with pytest.raises(InvalidError, match="Only one can be called 'c'"):
            lab.restore(["a", "b"], as_="c")
        with pytest.raises(InvalidError, match="cannot be the name of a run"):
            lab.restore("a", as_="")
        assert names(lab) == [[], []]

    def test_the_same_configuration_again_is_refused_unless_forced(self, lab, made):
        made.pipeline("mlp", config_hash="same")
        lab.delete("mlp")
        made.pipeline("twin", config_hash="same")

        with pytest.raises(TakenError, match="same as pipeline 'twin'"):
            lab.restore("mlp")
        lab.restore("mlp", force=True)
        assert names(lab)[0] == ["mlp", "twin"]

    def test_of_several_with_one_name_the_last_deleted_is_meant(self, lab, made):
        uuids = []
        for _ in range(2):
            uuids.append(made.run("run").uuid)
            lab.delete("run")

        lab.restore("run")
        assert lab.runs(columns=["uuid"])["uuid"].tolist() == [uuids[1]]
        lab.restore(uuids[0][:8], as_="first")
        assert names(lab) == [[], ["first", "run"]]

    def test_a_run_of_a_deleted_pipeline_is_refused(self, lab, made):
        (run,) = made.pipeline("mlp")
        lab.delete("mlp")

        with pytest.raises(StateError, match="labkeeper restore mlp"):
            lab.restore(run.uuid)

    def test_a_run_of_several_experiments_must_be_told_apart(self, lab, made):
        made.run("run", experiment="digits")
        made.run("run", experiment="letters")
        lab.delete(["digits/run", "letters/run"])

        with pytest.raises(InvalidError, match=re.escape("digits/run, letters/run. Say which")):
            lab.restore("run")
        assert lab.restore("letters/run").runs == ["letters/run"]

    def test_what_is_not_in_the_trash_is_not_found(self, lab, made):
        made.run("run")
        made.run("gone")
        lab.delete("gone")

        with pytest.raises(NotFoundError, match=r"deleted pipeline or run named 'gnoe'.*'gone'"):
            lab.restore("gnoe")
        with pytest.raises(NotFoundError):
            lab.restore("run")


class TestArchive:
    def test_takes_runs_along_and_brings_them_back(self, lab, made):
        made.pipeline("mlp", runs=2)
        made.run("free")
        before = rows(lab)

        assert lab.archive(["mlp", "free"])[:2] == (
            ["mlp"],
            ["digits/mlp", "digits/mlp-2", "digits/free"],
        )
        assert names(lab) == [[], []]
        assert names(lab, archived=True) == [["mlp"], ["free", "mlp", "mlp-2"]]
        assert lab.unarchive(pipelines="name == 'mlp'", runs="name == 'free'")[0] == ["mlp"]
        assert rows(lab) == before

    def test_what_was_archived_before_its_pipeline_stays_so(self, lab, made):
        made.pipeline("mlp", runs=2)
        lab.archive("digits/mlp-2")

        assert lab.archive("mlp")[:2] == (["mlp"], ["digits/mlp"])
        assert lab.unarchive("mlp")[:2] == (["mlp"], ["digits/mlp"])
        assert names(lab) == [["mlp"], ["mlp"]]
        assert lab.unarchive("digits/mlp-2")[:2] == ([], ["digits/mlp-2"])

    def test_archived_twice_is_no_change(self, lab, made):
        made.run("run")
        lab.archive("run")

        assert lab.archive("run")[:2] == ([], [])
        lab.unarchive("run")
        assert lab.unarchive("run")[:2] == ([], [])

    def test_its_name_stays_taken(self, lab, made):
        made.run("run")
        lab.archive("run")

        assert made.run("run").name == "run-2"

    def test_archived_it_can_be_deleted_and_comes_back_archived(self, lab, made):
        made.run("run")
        lab.archive("run")
        lab.delete("run")

        assert names(lab, deleted=True) == [[], ["run"]]
        lab.restore("run")
        assert names(lab, archived=True) == [[], ["run"]]
