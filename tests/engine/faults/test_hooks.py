"""An exception in any hook: the caller, the callbacks and the record see that very one."""

import pytest

from engine.callbacks import Callback, ExperimentCallback
from tests.engine.faults.mixed import (
    EXPERIMENT_HOOKS,
    KINDS,
    PHASE_HOOKS,
    Watched,
    breaking,
)

ERRORS = (ValueError, KeyboardInterrupt, SystemExit)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hook", PHASE_HOOKS)
@pytest.mark.parametrize("raised", ERRORS)
def test_in_a_hook_of_a_phases_callback(kind, hook, raised):
    error = raised("in a hook")
    broken = breaking(Callback, hook, error)
    watched = Watched(kind, [broken])

    with pytest.raises(raised, match="in a hook") as caught:
        watched.experiment.run()

    assert caught.value is error
    assert watched.witness.seen == [error]
    status = "stopped" if raised is KeyboardInterrupt else "failed"
    watched.assert_recorded(error, finished=["first"], status=status, phase=kind)
    assert broken.calls == 1

    broken.armed = False
    watched.assert_usable()


@pytest.mark.parametrize("kind", KINDS)
def test_in_on_exception_itself_the_first_error_stays(kind):
    error = ValueError("the first")
    first = breaking(Callback, "on_batch_end", error)
    second = breaking(Callback, "on_exception", KeyError("over it"))
    watched = Watched(kind, [first, second])

    with pytest.raises(ValueError, match="the first") as caught:
        watched.experiment.run()

    assert caught.value is error
    assert "KeyError('over it')" in "\n".join(error.__notes__)
    assert watched.witness.seen == [error]
    watched.assert_recorded(error, finished=["first"], phase=kind)

    first.armed = False
    watched.assert_usable()


@pytest.mark.parametrize("hook", EXPERIMENT_HOOKS)
@pytest.mark.parametrize("raised", ERRORS)
def test_in_a_hook_of_an_experiments_callback(hook, raised):
    error = raised("around")
    watched = Watched("train")
    only = "train" if "phase" in hook else None
    broken = breaking(ExperimentCallback, hook, error, only=only)
    watched.experiment.add_callback(broken)

    with pytest.raises(raised, match="around") as caught:
        watched.experiment.run()

    assert caught.value is error
    # No phase is under way at these: its own callbacks have nothing to see.
    assert watched.witness.seen == []
    finished = {
        "on_experiment_start": [],
        "on_group_start": ["first"],
        "on_phase_start": ["first"],
        "on_phase_end": ["first", "outer/inner/train"],
        "on_group_end": ["first", "outer/inner/train"],
        "on_experiment_end": ["first", "outer/inner/train", "last"],
    }[hook]
    status = "stopped" if raised is KeyboardInterrupt else "failed"
    watched.assert_recorded(error, finished=finished, status=status, phase=only)
    assert broken.calls == 1

    broken.armed = False
    watched.assert_usable()


def test_in_on_exception_of_an_experiments_callback_the_first_error_stays():
    error = ValueError("the first")
    broken = breaking(Callback, "on_batch_end", error)
    watched = Watched("train", [broken])
    second = breaking(ExperimentCallback, "on_exception", KeyError("over it"))
    watched.experiment.add_callback(second)

    with pytest.raises(ValueError, match="the first") as caught:
        watched.experiment.run()

    assert caught.value is error
    assert "KeyError('over it')" in "\n".join(error.__notes__)
    watched.assert_recorded(error, finished=["first"], phase="train")
