"""Of the best weights of a fold that is ahead of its turn, only the newest are held."""

from engine.cross_validation.relay import Event
from engine.cross_validation.standing import FoldProgress
from engine.phases.snapshot import Snapshot
from engine.results import PhaseGroupResults


def ended(epoch, **snapshots):
    facts = {"epoch": epoch, **({"snapshots": snapshots} if snapshots else {})}
    return Event("epoch_ended", (0, 0), epoch, facts, 0)


def held(progress):
    return [event.facts.get("snapshots") for event in progress.waiting]


def test_only_the_newest_of_each_callback():
    one, two, three = (Snapshot({}, epoch, 0.0) for epoch in range(3))
    progress = FoldProgress(None)

    progress.take([ended(0, a=one, b=one), ended(1), ended(2, a=two)], 0)
    progress.take([ended(3, a=three)], 3)

    assert held(progress) == [{"a": None, "b": one}, None, {"a": None}, {"a": three}]


def test_a_checkpoint_has_them_too():
    kept = Snapshot({"net": {"weight": 1.5}}, 2, 0.25)
    progress = FoldProgress(None)
    progress.take([ended(0, a=Snapshot({}, 0, 1.0)), ended(2, a=kept)], 0)
    told = PhaseGroupResults("CV")

    again = FoldProgress.from_state(None, progress.get_state(told), told)

    (first, second) = held(again)
    assert first == {"a": None}
    assert second["a"].get_state() == kept.get_state()
