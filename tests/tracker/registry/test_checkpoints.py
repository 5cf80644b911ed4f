import pytest

from tracker.database.kinds import CheckpointKind, PhaseKind
from tracker.database.tables import Checkpoint, Pipeline, Run
from tracker.errors import InvalidError, NotFoundError, StateError
from tracker.files import StoredFile
from tracker.registry.checkpoints import (
    abandon_beyond,
    candidates,
    checkpoints_of,
    find_checkpoint,
    pin,
    register_checkpoint,
    retire,
    set_pinned,
    unpin,
)
from tracker.registry.phases import begin_phase
from tracker.registry.runs import create_run

STATE, BEST, MODEL = CheckpointKind.STATE, CheckpointKind.BEST, CheckpointKind.MODEL


@pytest.fixture
def writing(database):
    with database.write() as session:
        yield session


def register(session, run_id, name, kind=STATE, **details):
    file = StoredFile(f"files/{run_id}/{name}", 10, f"hash of {name}")
    return register_checkpoint(session, run_id, file, name=name, kind=kind, **details)


def names(rows):
    return [row.name for row in rows]


class TestRegister:
    def test_keeps_what_was_said(self, writing, run_id):
        phase = begin_phase(writing, run_id, label="train", kind=PhaseKind.TRAIN, position=0)
        best = register(writing, run_id, "best", BEST, step=3)
        state = register(
            writing, run_id, "e1", step=4, epoch=1, batch=0, phase_result_id=phase,
            metric="val_loss", value=0.5, best_id=best, pinned=True,
        )  # fmt: skip
        row = writing.get(Checkpoint, state)

        assert (row.path, row.bytes, row.sha256) == (f"files/{run_id}/e1", 10, "hash of e1")
        assert (row.step, row.epoch, row.batch, row.phase_result_id) == (4, 1, 0, phase)
        assert (row.metric, row.value, row.best_id, row.pinned) == ("val_loss", 0.5, best, True)
        assert row.newest_phase_id == phase

    def test_of_the_same_file_twice_is_one_row(self, writing, run_id):
        assert register(writing, run_id, "a") == register(writing, run_id, "a")

    def test_over_another_content_is_refused(self, writing, run_id):
        register(writing, run_id, "a")
        file = StoredFile(f"files/{run_id}/a", 10, "another hash")

        with pytest.raises(InvalidError, match="never overwritten"):
            register_checkpoint(writing, run_id, file, name="a", kind=STATE)

    def test_of_a_path_that_was_removed_is_a_new_row(self, writing, run_id):
        register(writing, run_id, "stays")
        first = register(writing, run_id, "a")
        retire(writing, run_id, [first])

        assert register(writing, run_id, "a") != first


class TestCandidates:
    def test_are_states_newest_first(self, writing, run_id):
        register(writing, run_id, "e0", step=1)
        register(writing, run_id, "best", BEST, step=1)
        # Went back and wrote a state at an earlier step: the newest counts, not the furthest.
        register(writing, run_id, "e1", step=9)
        register(writing, run_id, "e2", step=5)
        register(writing, run_id, "weights", MODEL)
        other = create_run(writing, name="second", experiment="digits")
        register(writing, other.id, "theirs")

        assert names(candidates(writing, run_id)) == ["e2", "e1", "e0"]
        assert names(checkpoints_of(writing, run_id, BEST)) == ["best"]

    def test_leave_out_what_is_removed(self, writing, run_id):
        old = register(writing, run_id, "old")
        register(writing, run_id, "new")
        retire(writing, run_id, [old])

        assert names(candidates(writing, run_id)) == ["new"]


class TestFind:
    @pytest.fixture(autouse=True)
    def several(self, writing, run_id):
        register(writing, run_id, "e0", step=1, epoch=0)
        register(writing, run_id, "best-0", BEST, step=1, epoch=0)
        register(writing, run_id, "e1", step=2, epoch=1)
        register(writing, run_id, "best-1", BEST, step=2, epoch=1)

    @pytest.mark.parametrize(
        ("which", "name"),
        [("best", "best-1"), ("last", "e1"), (0, "e0"), (1, "e1"), ("best-0", "best-0")],
    )
    def test_by_name_by_epoch_best_and_last(self, writing, run_id, which, name):
        assert find_checkpoint(writing, run_id, which).name == name

    def test_an_unknown_one_suggests_the_nearest(self, writing, run_id):
        with pytest.raises(NotFoundError, match="Did you mean 'last'"):
            find_checkpoint(writing, run_id, "lasst")
        with pytest.raises(NotFoundError, match="epoch 7"):
            find_checkpoint(writing, run_id, 7)

    def test_of_a_run_without_any_suggests_nothing(self, writing):
        other = create_run(writing, name="second", experiment="digits")

        with pytest.raises(NotFoundError, match=r"named 'last'\.$"):
            find_checkpoint(writing, other.id, "last")


class TestFindBestState:
    """Where no file of best weights was written, `best` is the state with the best value."""

    @pytest.fixture
    def states(self, writing, run_id):
        def store(metric, *values):
            for epoch, value in enumerate(values):
                register(
                    writing,
                    run_id,
                    f"e{epoch}",
                    step=epoch,
                    epoch=epoch,
                    metric=metric,
                    value=value,
                )

        return store

    @pytest.mark.parametrize(("metric", "best"), [("val_loss", "e1"), ("val_r2", "e2")])
    def test_by_what_the_name_of_the_metric_says(self, writing, run_id, states, metric, best):
        states(metric, 0.5, 0.25, 0.75, None)

        assert find_checkpoint(writing, run_id, "best").name == best
        assert pin(writing, run_id, "best").name == best
        assert names(unpin(writing, run_id, ["best"])) == [best]

    def test_by_the_mode_that_the_configuration_says(self, writing, run_id, pipeline_id, states):
        states("score", 0.5, 0.25, 0.75, 0.5)
        assert find_checkpoint(writing, run_id, "best").name == "e1"

        writing.get(Run, run_id).pipeline_id = pipeline_id
        writing.get(Pipeline, pipeline_id).config = {"strategy": {"mode": "max"}}
        assert find_checkpoint(writing, run_id, "best").name == "e2"

    def test_without_any_value_it_is_the_newest(self, writing, run_id, states):
        states(None, None, None)

        assert find_checkpoint(writing, run_id, "best").name == "e1"

    def test_a_name_that_is_not_there_is_not_suggested_itself(self, writing, run_id):
        register(writing, run_id, "weights", MODEL)

        with pytest.raises(NotFoundError, match=r"named 'best'\.$"):
            find_checkpoint(writing, run_id, "best")


class TestRetire:
    def test_marks_first_and_names_the_files_to_delete(self, writing, run_id):
        old = register(writing, run_id, "old")
        register(writing, run_id, "new")

        assert retire(writing, run_id, [old]) == [f"files/{run_id}/old"]
        assert writing.get(Checkpoint, old).removed is not None
        assert retire(writing, run_id, [old]) == []

    def test_never_takes_the_last_state(self, writing, run_id):
        ids = [register(writing, run_id, name) for name in ("a", "b")]

        with pytest.raises(StateError, match="b, a is the last state"):
            retire(writing, run_id, ids)
        assert names(candidates(writing, run_id)) == ["b", "a"]

    def test_an_abandoned_state_is_none_to_go_on_from(self, writing, run_id):
        state = register(writing, run_id, "e0", step=1)
        register(writing, run_id, "e1", step=2, pinned=True)
        abandon_beyond(writing, run_id, 1)

        with pytest.raises(StateError, match="e0 is the last state"):
            retire(writing, run_id, [state])

    def test_takes_best_weights_where_there_is_no_state_at_all(self, writing, run_id):
        best = register(writing, run_id, "best", BEST)

        assert retire(writing, run_id, [best]) == [f"files/{run_id}/best"]

    def test_leaves_pinned_ones(self, writing, run_id):
        old = register(writing, run_id, "old")
        register(writing, run_id, "new")
        set_pinned(writing, old, pinned=True)
        writing.expire_all()

        assert retire(writing, run_id, [old]) == []

        set_pinned(writing, old, pinned=False)
        writing.expire_all()
        assert retire(writing, run_id, [old]) == [f"files/{run_id}/old"]

    def test_leaves_best_weights_that_a_state_goes_on_from(self, writing, run_id):
        best = register(writing, run_id, "best", BEST)
        state = register(writing, run_id, "state", best_id=best)

        assert retire(writing, run_id, [best]) == []

        register(writing, run_id, "newer")
        assert retire(writing, run_id, [best, state]) == [
            f"files/{run_id}/state",
            f"files/{run_id}/best",
        ]

    def test_leaves_what_a_file_needs_that_stays_for_anothers_sake(self, writing, run_id):
        best = register(writing, run_id, "best", BEST)
        whole = register(writing, run_id, "whole", best_id=best)
        register(writing, run_id, "brief", best_id=whole)

        assert retire(writing, run_id, [best, whole]) == []

    def test_leaves_the_files_of_other_runs(self, writing, run_id):
        other = create_run(writing, name="second", experiment="digits")
        theirs = register(writing, other.id, "theirs")
        register(writing, other.id, "newer")

        assert retire(writing, run_id, [theirs]) == []


class TestAbandon:
    def test_removes_what_lies_beyond(self, writing, run_id):
        register(writing, run_id, "e0", step=1)
        best = register(writing, run_id, "best", BEST, step=2)
        register(writing, run_id, "e1", step=2, best_id=best)

        assert abandon_beyond(writing, run_id, 1) == [f"files/{run_id}/e1", f"files/{run_id}/best"]
        assert names(checkpoints_of(writing, run_id)) == ["e0"]

    def test_keeps_the_file_of_a_pinned_one_but_goes_on_from_it_no_more(self, writing, run_id):
        register(writing, run_id, "e0", step=1)
        best = register(writing, run_id, "best", BEST, step=2)
        register(writing, run_id, "e1", step=2, best_id=best, pinned=True)

        assert abandon_beyond(writing, run_id, 1) == []
        assert names(checkpoints_of(writing, run_id)) == ["e1", "best", "e0"]
        assert names(candidates(writing, run_id)) == ["e0"]
        assert find_checkpoint(writing, run_id, "last").name == "e0"

    def test_what_came_after_the_checkpoint_goes_though_it_is_of_the_same_step(
        self, writing, run_id
    ):
        trained = register(writing, run_id, "e1", step=2)
        register(writing, run_id, "evaluated", step=2, best_id=trained)

        found = writing.get(Checkpoint, trained)
        assert abandon_beyond(writing, run_id, 2) == []
        assert abandon_beyond(writing, run_id, 2, newer_than=found) == [f"files/{run_id}/evaluated"]
        assert names(candidates(writing, run_id)) == ["e1"]

    def test_minus_one_abandons_even_what_has_no_step(self, writing, run_id):
        register(writing, run_id, "weights", MODEL)

        assert abandon_beyond(writing, run_id, 0) == []
        assert abandon_beyond(writing, run_id, -1) == [f"files/{run_id}/weights"]
