"""What a phase that has ended leaves on itself, taken over where another process goes on."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.phases.base import ExperimentPhase


def take_left(
    experiment: Any, phase: "ExperimentPhase", left: Mapping[str, Any], folds: Sequence[str]
) -> None:
    """Have callbacks, and a training's Checkpointing, be as `PhaseRun.left` said."""
    if left["label"] != phase.label:
        return
    if "stop" in left:
        (phase.request_stop if left["stop"] else phase.withdraw_stop)()
    for callback in phase.callbacks:
        if callback.state_key in left["callbacks"]:
            callback.set_state(left["callbacks"][callback.state_key])
    checkpointing, progress = getattr(phase, "checkpointing", None), left.get("checkpointing")
    if checkpointing is not None and progress is not None:
        on_disk = checkpointing.mode == "disk"
        folder = experiment.training_folder(phase, folds) if on_disk else None
        experiment.take_up_checkpointing(checkpointing, folder, progress, folds)
