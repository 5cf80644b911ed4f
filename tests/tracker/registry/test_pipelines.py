import pytest
from sqlalchemy import select

from tracker.database.kinds import RunStatus
from tracker.database.tables import Experiment, Pipeline
from tracker.errors import InvalidError, NotFoundError, StateError, TakenError
from tracker.registry.pipelines import (
    current_run,
    find_pipeline,
    find_twins,
    refuse_archived,
    register_pipeline,
    rename_pipeline,
    runs_of_pipeline,
    set_archived,
    set_current_run,
    set_note,
)
from tracker.registry.processes import this_process
from tracker.registry.runs import create_run, get_run
from tracker.registry.sessions import begin_session, end_session
from tracker.registry.tags import tags_of_pipelines


@pytest.fixture
def writing(database):
    with database.write() as session:
        yield session


def register(session, name="mlp", **details):
    given = {
        "experiment": "digits",
        "recipe": "supervised",
        "config": {"epochs": 3},
        "config_hash": "a",
        **details,
    }
    return register_pipeline(session, name=name, **given)


@pytest.fixture
def mlp(writing):
    return register(writing)


class TestRegister:
    def test_stores_what_was_said(self, writing):
        made = register(writing, config={"b": [1, None], "a": {"x": 0.5}}, tags=["wide"])
        writing.expire_all()
        row = find_pipeline(writing, "mlp")

        assert row.id == made.id
        assert (row.recipe, row.config_hash) == ("supervised", "a")
        assert row.config == {"b": [1, None], "a": {"x": 0.5}}
        assert writing.get(Experiment, row.experiment_id).name == "digits"
        assert (row.archived, row.current_run_id, row.note) == (None, None, None)
        assert tags_of_pipelines(writing, [row.id]) == {row.id: ["wide"]}

    @pytest.mark.usefixtures("mlp")
    def test_a_twin_is_refused_and_named(self, writing):
        with pytest.raises(TakenError) as refused:
            register(writing, "other")

        assert str(refused.value) == (
            "'other' would be the same as pipeline 'mlp': same configuration, same code. "
            "Use that one, or --force a twin."
        )
        assert writing.scalars(select(Pipeline.name)).all() == ["mlp"]

    def test_an_archived_twin_counts(self, writing, mlp):
        set_archived(writing, mlp, archived=True)

        with pytest.raises(TakenError, match="'mlp', which is archived"):
            register(writing, "other")

    @pytest.mark.usefixtures("mlp")
    def test_a_twin_can_be_forced(self, writing):
        register(writing, "other", force=True)

        assert [twin.name for twin in find_twins(writing, "a")] == ["mlp", "other"]
        assert find_twins(writing, "b") == []

    def test_a_taken_name_is_refused_even_by_force(self, writing, mlp):
        with pytest.raises(TakenError, match="named 'mlp' already; choose"):
            register(writing, config_hash="b", force=True)
        set_archived(writing, mlp, archived=True)
        with pytest.raises(TakenError, match=r"already \(archived\)"):
            register(writing, config_hash="b")

    def test_a_name_that_cannot_be_typed_is_refused(self, writing):
        with pytest.raises(InvalidError, match="pipeline"):
            register(writing, "-x")


@pytest.mark.usefixtures("mlp")
def test_an_unknown_name_suggests_the_nearest(writing):
    with pytest.raises(NotFoundError, match=r"no pipeline named 'mpl'\. Did you mean 'mlp'"):
        find_pipeline(writing, "mpl")


class TestCurrentRun:
    def test_is_what_was_set(self, writing, mlp):
        assert current_run(writing, mlp) is None
        run = create_run(writing, name="mlp", experiment="digits", pipeline_id=mlp.id)

        set_current_run(writing, mlp, run.id)
        assert current_run(writing, mlp).id == run.id
        assert [row.id for row in runs_of_pipeline(writing, mlp.id)] == [run.id]

        set_current_run(writing, mlp, None)
        assert current_run(writing, mlp) is None

    def test_cannot_be_another_pipelines(self, writing, mlp):
        run = create_run(writing, name="loose", experiment="digits")

        with pytest.raises(StateError, match="does not belong"):
            set_current_run(writing, mlp, run.id)

    def test_that_is_gone_is_none_even_if_its_id_is_used_again(self, writing, mlp):
        run = create_run(writing, name="mlp", experiment="digits", pipeline_id=mlp.id)
        set_current_run(writing, mlp, run.id)
        writing.delete(get_run(writing, run.id))
        writing.flush()
        assert current_run(writing, mlp) is None

        writing.expunge_all()
        loose = create_run(writing, name="loose", experiment="digits")
        assert loose.id == run.id
        assert current_run(writing, find_pipeline(writing, "mlp")) is None


class TestRename:
    def test_to_a_free_name_or_its_own(self, writing, mlp):
        rename_pipeline(writing, mlp, "mlp")
        rename_pipeline(writing, mlp, "better")

        assert find_pipeline(writing, "better").id == mlp.id

    def test_to_a_taken_name_is_refused(self, writing, mlp):
        register(writing, "cnn", config_hash="b")

        with pytest.raises(TakenError, match="'cnn'"):
            rename_pipeline(writing, mlp, "cnn")


class TestArchive:
    def test_and_back(self, writing, mlp):
        set_archived(writing, mlp, archived=True)
        first = mlp.archived
        set_archived(writing, mlp, archived=True)
        assert mlp.archived == first is not None
        with pytest.raises(StateError, match="labkeeper unarchive mlp"):
            refuse_archived(mlp)

        set_archived(writing, mlp, archived=False)
        assert mlp.archived is None
        refuse_archived(mlp)

    def test_of_a_running_one_is_refused(self, writing, mlp, live_process):
        run = create_run(writing, name="mlp", experiment="digits", pipeline_id=mlp.id)
        begin_session(writing, run.id, live_process.identity)

        with pytest.raises(StateError, match="is running; `labkeeper stop mlp` first"):
            set_archived(writing, mlp, archived=True)

        live_process.kill()
        set_archived(writing, mlp, archived=True)
        assert get_run(writing, run.id).status is RunStatus.LOST

    def test_of_one_that_has_finished_is_not(self, writing, mlp):
        run = create_run(writing, name="mlp", experiment="digits", pipeline_id=mlp.id)
        begun = begin_session(writing, run.id, this_process())
        end_session(writing, begun.id, RunStatus.FINISHED)
        set_archived(writing, mlp, archived=True)

        assert mlp.archived is not None


def test_an_empty_note_is_none(writing, mlp):
    set_note(mlp, "look again")
    assert mlp.note == "look again"
    set_note(mlp, "")
    assert mlp.note is None
