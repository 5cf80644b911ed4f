"""What is done where a name is taken: refused, renamed, skipped, replaced."""

import pytest
from sqlalchemy import select

from tests.tracker.transfer import contents
from tracker.database.tables import Pipeline, Run
from tracker.errors import StateError, TakenError
from tracker.registry.checkpoints import checkpoints_of, set_pinned
from tracker.registry.health import Severity
from tracker.registry.pipelines import find_pipeline
from tracker.registry.processes import this_process
from tracker.registry.runs import find_run
from tracker.registry.sessions import begin_session
from tracker.registry.sweeps.catalog import find_sweep
from tracker.registry.sweeps.queue import take
from tracker.registry.sweeps.trials import list_trials
from tracker.registry.sweeps.workers import begin_worker, end_worker
from tracker.registry.tags import add_tags
from tracker.transfer import Fate


@pytest.fixture
def other(new_lab):
    """A lab of its own whose pipelines, runs and sweep are called as those `here`."""
    lab = new_lab("other")
    with lab.database.write() as session:
        pipeline = contents.store_pipeline(session, "mlp")
        made = [contents.store_run(session, lab.files, number, pipeline) for number in range(2)]
        contents.store_sweep(session, "grid", pipeline.experiment_id, made)
    return lab


def assert_in_order(lab):
    assert [found for found in lab.doctor() if found.severity is not Severity.NOTE] == []


def trials_of(lab, name):
    with lab.database.read() as session:
        trials = list_trials(session, find_sweep(session, name).id)
    return [(trial.number, trial.config, trial.status, trial.run) for trial in trials]


def fates(done, kind):
    return [
        (change.name, change.fate, change.here) for change in done.changes if change.kind == kind
    ]


class TestRefused:
    def test_the_taken_name_is_told_and_nothing_changes(self, other, bundle):
        before = contents.rows(other), sorted(other.files.everything())
        with pytest.raises(TakenError, match=r"another pipeline is called 'mlp' \(and \d+ more\)"):
            other.import_bundle(bundle)

        assert (contents.rows(other), sorted(other.files.everything())) == before

    def test_a_run_says_in_which_experiment(self, there, here, tmp_path):
        there.run("mlp", experiment="loose").finish()
        here.export_bundle(tmp_path / "b", "loose/mlp")
        with pytest.raises(TakenError, match="run in the experiment 'loose' is called 'mlp'"):
            there.import_bundle(tmp_path / "b")

    def test_what_is_in_the_trash_is_told(self, there, bundle):
        there.import_bundle(bundle)
        there.delete("loose/mlp")
        with pytest.raises(TakenError, match="is in the trash"):
            there.import_bundle(bundle)
        assert len(there.runs()) == 2

        there.import_bundle(bundle, taken="skip")
        assert len(there.runs()) == 2
        there.import_bundle(bundle, taken="replace")
        assert len(there.runs()) == 3
        assert_in_order(there)


class TestRenamed:
    def test_what_comes_gets_another_name(self, other, here, bundle):
        done = other.import_bundle(bundle, taken="rename")

        assert fates(done, "pipeline") == [
            ("mlp", Fate.RENAMED, "mlp-2"),
            ("cnn", Fate.NEW, "cnn"),
        ]
        assert fates(done, "sweep") == [("grid", Fate.RENAMED, "grid-2")]
        assert sorted(other.pipelines(archived=None)["name"]) == ["cnn", "mlp", "mlp-2"]
        names = sorted(other.runs("experiment == 'digits'")["name"])
        assert names == ["mlp", "mlp-2", "mlp-2-2", "mlp-3"]
        assert other.pipeline("mlp-2").run in ("mlp-3", "mlp-2-2")
        assert set(here.runs()["uuid"]) < set(other.runs()["uuid"])
        assert_in_order(other)

    def test_the_same_again_changes_nothing(self, other, bundle):
        other.import_bundle(bundle, taken="rename")
        before = contents.rows(other)
        done = other.import_bundle(bundle, taken="rename")

        assert {change.fate for change in done.changes} == {Fate.PRESENT}
        assert contents.rows(other) == before

    def test_no_new_name_is_one_that_comes_too(self, new_lab, here, tmp_path):
        with here.database.write() as session:
            find_run(session, "loose/mlp").name = "a"
            find_run(session, "digits/mlp").name = "x"
        here.run("a-2", experiment="loose").finish()
        here.export_bundle(tmp_path / "b", runs="experiment == 'loose'")
        there = new_lab("there")
        there.run("a", experiment="loose").finish()
        there.import_bundle(tmp_path / "b", taken="rename")

        assert sorted(there.runs()["name"]) == ["a", "a-2", "a-3"]

    def test_a_run_that_went_on_cannot_be_renamed(self, there, bundle):
        there.import_bundle(bundle)
        with there.resume_run("loose/mlp") as run:
            run.log(loss=0.1, step=50)
        with pytest.raises(TakenError, match="has gone on differently"):
            there.import_bundle(bundle, taken="rename")


class TestSkipped:
    def test_a_pipeline_is_left_out_with_its_runs(self, other, bundle):
        before = set(other.runs()["uuid"])
        done = other.import_bundle(bundle, taken="skip")

        assert fates(done, "pipeline") == [("mlp", Fate.SKIPPED, ""), ("cnn", Fate.NEW, "cnn")]
        assert done.count("run", Fate.SKIPPED) == 2
        assert len(set(other.runs()["uuid"]) - before) == 1
        assert len(list(other.files.everything())) == len(before) * 6 + 7
        assert_in_order(other)


class TestReplaced:
    def test_what_had_the_name_goes_to_the_trash(self, other, here, bundle):
        other.import_bundle(bundle, taken="replace")

        assert set(other.runs()["uuid"]) == set(here.runs()["uuid"])
        assert [sweep.name for sweep in other.sweeps()] == ["grid"]
        assert trials_of(other, "grid") == trials_of(here, "grid")
        assert [sweep.name for sweep in other.sweeps(deleted=True)] == ["grid"]
        assert_in_order(other)

    def test_a_sweep_comes_back_with_its_trials_and_the_runs_stay(self, there, here, bundle):
        with there.database.write() as session:
            made = [contents.store_run(session, there.files, number, None) for number in range(2)]
            experiment = session.get_one(Run, made[0]).experiment_id
            contents.store_sweep(session, "grid", experiment, made)
            for number, run_id in enumerate(made):
                session.get_one(Run, run_id).name = f"mine-{number}"
        before = trials_of(there, "grid")
        there.import_bundle(bundle, taken="replace")

        assert trials_of(there, "grid") == trials_of(here, "grid")
        assert len(there.runs("name in ('mine-0', 'mine-1')")) == 2
        there.restore_sweeps("grid", as_="old")
        assert trials_of(there, "old") == before
        again = there.import_bundle(bundle)
        assert {change.fate for change in again.changes} == {Fate.PRESENT}
        assert_in_order(there)

    @pytest.mark.parametrize("idle", [True, False])
    def test_a_sweep_with_a_living_worker_is_not_replaced(self, other, bundle, idle):
        with other.database.write() as session:
            sweep_id = find_sweep(session, "grid").id
            worker = begin_worker(session, sweep_id, this_process())
            if not idle:
                assert take(session, sweep_id, worker.id) is not None
        before = contents.rows(other)

        for dry_run in (True, False):
            with pytest.raises(StateError, match="Cannot replace: grid is at work"):
                other.import_bundle(bundle, taken="replace", dry_run=dry_run)
        assert contents.rows(other) == before
        other.import_bundle(bundle, taken="rename")
        with other.database.write() as session:
            end_worker(session, worker.id, "done")

    def test_it_can_be_taken_back(self, other, bundle):
        before = set(other.runs("experiment == 'digits'")["uuid"])
        other.import_bundle(bundle, taken="replace")
        other.restore("mlp", as_="old", force=True)

        assert set(other.runs("pipeline == 'old'")["uuid"]) == before
        assert_in_order(other)

    def test_a_running_one_is_not_replaced(self, there, here, tmp_path):
        here.export_bundle(tmp_path / "b", "loose/mlp")
        with there.run("mlp", experiment="loose"):
            with pytest.raises(StateError, match="'mlp' is running"):
                there.import_bundle(tmp_path / "b", taken="replace")
            assert list(there.runs()["status"]) == ["running"]

    def test_what_went_on_here_stays_in_the_trash(self, there, bundle):
        there.import_bundle(bundle)
        with there.resume_run("loose/mlp") as run:
            run.log(loss=0.1, step=50)
        there.import_bundle(bundle, taken="replace")

        assert there.histories("experiment == 'loose'")["step"].max() == 2**40
        there.purge(everything=True, pinned=True)
        assert_in_order(there)
        assert len(there.runs()) == 3


class TestSame:
    def test_names_tags_and_notes_are_the_lab_s_own(self, there, bundle):
        there.import_bundle(bundle)
        with there.database.write() as session:
            find_pipeline(session, "mlp").name = "mine"
            run = find_run(session, "loose/mlp")
            run.name, run.note = "mine", "my note"
            add_tags(session, ["mine"], run_id=run.id)
        before = contents.rows(there)
        done = there.import_bundle(bundle)

        assert {change.fate for change in done.changes} == {Fate.PRESENT}
        assert {change.here for change in done.changes} >= {"mine"}
        assert contents.rows(there) == before

    def test_checkpoints_that_were_removed_do_not_come_back(self, there, bundle):
        there.import_bundle(bundle)
        with there.database.write() as session:
            run = find_run(session, "loose/mlp")
            for row in checkpoints_of(session, run.id):
                set_pinned(session, row.id, pinned=False)
                row.removed = row.created
        done = there.import_bundle(bundle)
        assert {change.fate for change in done.changes} == {Fate.PRESENT}

    def test_checkpoints_that_were_never_here_are_told(self, there, here, bundle, tmp_path):
        here.export_bundle(tmp_path / "b", everything=True, checkpoints=False)
        there.import_bundle(tmp_path / "b")
        with pytest.raises(TakenError, match="lacks checkpoints or artifacts"):
            there.import_bundle(bundle)
        there.import_bundle(bundle, taken="replace")
        assert contents.rows(here)["series"] == [
            row for row in contents.rows(there)["series"] if dict(row)["run_id"] in runs_of(here)
        ]
        there.import_bundle(tmp_path / "b")

    def test_a_running_run_of_that_uuid_has_gone_on(self, there, bundle):
        there.import_bundle(bundle)
        with there.database.write() as session:
            begin_session(session, find_run(session, "loose/mlp").id, this_process())
        with pytest.raises(TakenError, match="has gone on differently"):
            there.import_bundle(bundle)


def runs_of(lab):
    return {(uuid,) for uuid in lab.runs()["uuid"]}


class TestReplacedFromTheTrash:
    def test_what_has_got_its_name_meanwhile_gives_way(self, there, here, bundle):
        there.import_bundle(bundle)
        there.delete("loose/mlp")
        there.run("mlp", experiment="loose").finish()
        there.import_bundle(bundle, taken="replace")

        assert set(there.runs()["uuid"]) == set(here.runs()["uuid"])
        assert len(there.runs(deleted=True)) == 2
        assert_in_order(there)

    def test_another_run_of_the_name_stays_the_one_it_was(self, there, bundle):
        with there.run("mlp", experiment="loose") as run:
            uuid = run.uuid
        there.import_bundle(bundle, taken="replace")

        assert list(there.runs(deleted=True, columns=["uuid"])["uuid"]) == [uuid]

    def test_a_pipeline_and_its_runs_stay_together_in_the_trash(self, there, bundle):
        there.import_bundle(bundle)
        there.delete("mlp")
        there.import_bundle(bundle, taken="replace")

        with there.database.read() as session:
            old = session.scalars(select(Pipeline).where(Pipeline.deleted.is_not(None))).one()
            moments = session.scalars(select(Run.deleted).where(Run.pipeline_id == old.id)).all()
        assert moments == [old.deleted, old.deleted]
        assert_in_order(there)
