import pytest
from sqlalchemy import select

from tracker.database.kinds import PhaseKind, RunStatus
from tracker.database.tables import Metric, PhaseResult
from tracker.errors import InvalidError, NotFoundError
from tracker.registry.phases import (
    begin_phase,
    end_phase,
    newest_phase,
    phases_of,
    set_phase_progress,
    undo_phases_beyond,
)
from tracker.registry.runs import create_run


@pytest.fixture
def writing(database):
    with database.write() as session:
        yield session


def begin(session, run_id, label, **details):
    return begin_phase(
        session, run_id, **{"label": label, "kind": PhaseKind.TRAIN, "position": 0, **details}
    )


def test_a_phase_begins_moves_on_and_ends(writing, run_id):
    phase_id = begin(writing, run_id, "train", position=2)
    (phase,) = phases_of(writing, run_id)
    assert (phase.id, phase.position, phase.status, phase.ended) == (phase_id, 2, "running", None)

    set_phase_progress(writing, phase_id, epochs=3, batches=99)
    end_phase(
        writing, phase_id, RunStatus.FINISHED, epochs=4, summary={"loss": 0.1}, results_path="a"
    )

    writing.flush()
    writing.refresh(phase)
    assert (phase.status, phase.epochs, phase.batches) == (RunStatus.FINISHED, 4, 99)
    assert (phase.summary, phase.results_path) == ({"loss": 0.1}, "a")
    assert phase.ended is not None


def test_phases_come_in_the_order_in_which_they_began(writing, run_id):
    group = begin(writing, run_id, "all", kind=PhaseKind.GROUP)
    for position, label in enumerate(["train", "test"]):
        begin(writing, run_id, label, position=position, parent_id=group)
    other = create_run(writing, name="second", experiment="digits")
    begin(writing, other.id, "theirs")

    assert [phase.label for phase in phases_of(writing, run_id)] == ["all", "train", "test"]
    assert newest_phase(writing, run_id) == phases_of(writing, run_id)[-1].id


class TestResumed:
    def test_is_the_row_that_stands_there_already(self, writing, run_id):
        group = begin(writing, run_id, "all", kind=PhaseKind.GROUP)
        train = begin(writing, run_id, "train", parent_id=group)
        end_phase(writing, train, RunStatus.LOST, summary={})

        again = begin(writing, run_id, "train", parent_id=group, resumed=True)

        phase = writing.get(PhaseResult, train, populate_existing=True)
        assert again == train
        assert (phase.status, phase.ended, phase.summary) == (RunStatus.RUNNING, None, None)

    @pytest.mark.parametrize(
        "place", [{"position": 1}, {"label": "other"}, {"parent_id": None}, {"resumed": False}]
    )
    def test_elsewhere_it_is_a_new_one(self, writing, run_id, place):
        group = begin(writing, run_id, "all", position=7, kind=PhaseKind.GROUP)
        train = begin(writing, run_id, "train", parent_id=group)
        again = begin(
            writing, run_id, **{"label": "train", "parent_id": group, "resumed": True, **place}
        )

        assert again not in (group, train)

    def test_another_run_has_its_own(self, writing, run_id):
        theirs = begin(writing, run_id, "train")
        other = create_run(writing, name="second", experiment="digits")

        assert begin(writing, other.id, "train", resumed=True) != theirs


class TestUndoBeyond:
    def test_drops_phases_that_only_have_points_beyond(self, writing, run_id, add_points):
        before, across, beyond, silent = (begin(writing, run_id, label) for label in "abcd")
        add_points(writing, run_id, "loss", {1: 0.5, 2: 0.4}, phase=before)
        add_points(writing, run_id, "loss", {3: 0.3, 4: 0.2}, phase=across)
        add_points(writing, run_id, "accuracy", {5: 0.9}, phase=across)
        add_points(writing, run_id, "loss", {4: 0.1}, phase=beyond)

        assert undo_phases_beyond(writing, run_id, 3) == 1

        assert [phase.id for phase in phases_of(writing, run_id)] == [before, across, silent]
        assert sorted(writing.scalars(select(Metric.step))) == [1, 2, 3, 4, 5]

    def test_minus_one_drops_all_of_this_run(self, writing, run_id, add_points):
        begin(writing, run_id, "train")
        other = create_run(writing, name="second", experiment="digits")
        begin(writing, other.id, "train")

        assert undo_phases_beyond(writing, run_id, -1) == 1
        assert phases_of(writing, run_id) == []
        assert len(phases_of(writing, other.id)) == 1


def test_an_end_that_is_none_is_refused(writing, run_id):
    phase_id = begin(writing, run_id, "train")

    with pytest.raises(InvalidError, match="does not end as 'running'"):
        end_phase(writing, phase_id, RunStatus.RUNNING)


def test_a_phase_that_is_gone_is_not_found(writing):
    with pytest.raises(NotFoundError, match="#7"):
        end_phase(writing, 7, RunStatus.FINISHED)
