import pytest
from sqlalchemy import select

from tracker.database.kinds import PhaseKind, RunStatus
from tracker.database.tables import Experiment, PhaseResult, Run
from tracker.errors import InvalidError, NotFoundError, TakenError
from tracker.registry.params import read_params
from tracker.registry.phases import begin_phase, end_phase
from tracker.registry.runs import (
    create_run,
    find_run,
    finish_run,
    get_run,
    rename_run,
    set_note,
    set_progress,
)
from tracker.registry.tags import tags_of_runs


@pytest.fixture
def writing(database):
    with database.write() as session:
        yield session


class TestCreateRun:
    def test_stores_what_was_said(self, writing, pipeline_id):
        made = create_run(
            writing,
            name="mlp",
            experiment="digits",
            pipeline_id=pipeline_id,
            params={"model": {"hidden": 64}},
            tags=["wide"],
            seed=7,
        )
        run = get_run(writing, made.id)

        assert (run.uuid, run.name, run.seed, run.pipeline_id) == (made.uuid, "mlp", 7, pipeline_id)
        assert run.status is RunStatus.QUEUED
        assert (run.started, run.ended) == (None, None)
        assert read_params(writing, [made.id]) == {made.id: {"model.hidden": 64}}
        assert tags_of_runs(writing, [made.id]) == {made.id: ["wide"]}

    def test_a_taken_name_is_numbered_within_its_experiment(self, writing):
        names = [create_run(writing, name="mlp", experiment="digits").name for _ in range(4)]
        elsewhere = create_run(writing, name="mlp", experiment="diabetes").name

        assert names == ["mlp", "mlp-2", "mlp-3", "mlp-4"]
        assert elsewhere == "mlp"

    def test_the_experiment_is_made_once(self, writing):
        for _ in range(2):
            create_run(writing, name="mlp", experiment="digits")

        assert writing.scalars(select(Experiment.name)).all() == ["digits"]

    def test_two_runs_never_share_a_uuid(self, writing):
        uuids = {create_run(writing, name="mlp", experiment="digits").uuid for _ in range(10)}

        assert len(uuids) == 10

    def test_a_name_that_cannot_be_typed_is_refused(self, writing):
        with pytest.raises(InvalidError, match="run"):
            create_run(writing, name="", experiment="digits")
        with pytest.raises(InvalidError, match="experiment"):
            create_run(writing, name="mlp", experiment="-x")


class TestFindRun:
    @pytest.fixture
    def runs(self, writing):
        rows = {
            "abcd0000": ("mlp", "digits"),
            "abcd1111": ("mlp", "diabetes"),
            "beef0000": ("cnn", "digits"),
            "0123aaaa": ("abcd0000", "digits"),
            "4567aaaa": ("a/b", "x/y"),
        }
        for uuid, (name, experiment) in rows.items():
            made = create_run(writing, name=name, experiment=experiment)
            get_run(writing, made.id).uuid = uuid.ljust(32, "0")
        writing.flush()

    @pytest.mark.parametrize(
        ("name", "experiment", "uuid"),
        [
            ("cnn", None, "beef0000"),
            ("beef", None, "beef0000"),
            ("BEEF0", None, "beef0000"),
            ("beef".ljust(32, "0"), None, "beef0000"),
            ("mlp", "diabetes", "abcd1111"),
            ("diabetes/mlp", None, "abcd1111"),
            ("abcd", "diabetes", "abcd1111"),
            ("x/y/a/b", None, "4567aaaa"),
            # A name goes before a uuid.
            ("abcd0000", None, "0123aaaa"),
        ],
    )
    @pytest.mark.usefixtures("runs")
    def test_finds_by_name_and_by_the_beginning_of_a_uuid(self, writing, name, experiment, uuid):
        assert find_run(writing, name, experiment).uuid.startswith(uuid)

    @pytest.mark.usefixtures("runs")
    def test_says_which_runs_a_name_could_be(self, writing):
        with pytest.raises(InvalidError) as refused:
            find_run(writing, "mlp")

        assert str(refused.value) == (
            "'mlp' could be more than one run: digits/mlp (abcd0000), diabetes/mlp (abcd1111). "
            "Say which."
        )
        with pytest.raises(InvalidError, match="could be more than one"):
            find_run(writing, "abcd")

    @pytest.mark.usefixtures("runs")
    @pytest.mark.parametrize("name", ["clnn", "cnn/digits", "bee", "digits/clnn", ""])
    def test_an_unknown_name_is_not_found(self, writing, name):
        with pytest.raises(NotFoundError):
            find_run(writing, name)

    @pytest.mark.usefixtures("runs")
    def test_suggests_the_nearest_name(self, writing):
        with pytest.raises(NotFoundError) as refused:
            find_run(writing, "cnnn")

        assert str(refused.value) == "There is no run named 'cnnn'. Did you mean 'cnn'?"

    @pytest.mark.usefixtures("runs")
    def test_a_run_of_another_experiment_is_not_found(self, writing):
        with pytest.raises(NotFoundError):
            find_run(writing, "cnn", "diabetes")
        with pytest.raises(NotFoundError):
            find_run(writing, "beef", "diabetes")


class TestRename:
    def test_to_a_free_name_or_its_own(self, writing, run_id):
        rename_run(writing, run_id, "first")
        rename_run(writing, run_id, "better")

        assert get_run(writing, run_id).name == "better"

    def test_to_a_taken_name_is_refused(self, writing, run_id):
        create_run(writing, name="second", experiment="digits")
        create_run(writing, name="third", experiment="elsewhere")

        with pytest.raises(TakenError, match="'second'"):
            rename_run(writing, run_id, "second")
        rename_run(writing, run_id, "third")


def test_progress_is_what_was_said_last(writing, run_id):
    set_progress(writing, run_id, phase="train", epoch=3, batch=17)
    set_progress(writing, run_id, phase="test")
    run = get_run(writing, run_id)

    assert (run.phase, run.epoch, run.batch) == ("test", None, None)


def test_an_empty_note_is_none(writing, run_id):
    set_note(writing, run_id, "look again")
    assert get_run(writing, run_id).note == "look again"

    set_note(writing, run_id, "")
    assert get_run(writing, run_id).note is None


class TestFinishRun:
    def test_ends_the_run_and_its_running_phases(self, writing, run_id):
        done = begin_phase(writing, run_id, label="a", kind=PhaseKind.TRAIN, position=0)
        end_phase(writing, done, RunStatus.FINISHED)
        begin_phase(writing, run_id, label="b", kind=PhaseKind.TRAIN, position=1)
        other = create_run(writing, name="second", experiment="digits")
        theirs = begin_phase(writing, other.id, label="c", kind=PhaseKind.TRAIN, position=0)

        finish_run(writing, run_id, RunStatus.FAILED, reason="ValueError: x", traceback="...")

        run = get_run(writing, run_id)
        assert (run.status, run.reason, run.traceback) == ("failed", "ValueError: x", "...")
        assert run.ended is not None
        phases = writing.execute(select(PhaseResult.label, PhaseResult.status)).all()
        assert phases == [("a", "finished"), ("b", "failed"), ("c", "running")]
        assert get_run(writing, other.id).status == "queued"
        assert writing.get(PhaseResult, theirs).ended is None

    @pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.QUEUED])
    def test_a_status_that_is_no_end_is_refused(self, writing, run_id, status):
        with pytest.raises(InvalidError, match="does not end as"):
            finish_run(writing, run_id, status)


def test_a_run_that_is_gone_is_not_found(writing):
    with pytest.raises(NotFoundError, match="#7"):
        get_run(writing, 7)


def test_rows_stay_readable_after_their_transaction(database, run_id):
    with database.write() as session:
        run = find_run(session, "first")
    with database.read() as session:
        again = session.get(Run, run_id)

    assert (run.name, again.name) == ("first", "first")
