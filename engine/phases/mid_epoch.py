"""What the rest of an epoch depends on, so that only the same training goes on within one."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine.errors import CheckpointError, PackagedCodeError

if TYPE_CHECKING:
    from engine.phases.train import TrainPhase
    from engine.samplers import BaseSampler

# A sampler's seed is taken from the checkpoint; the other changes nothing that is drawn.
_FREE = ("seed", "show_progress")
_NOTHING = "nothing"


def epoch_settings(phase: "TrainPhase") -> dict[str, str]:
    """How steps are made and what is drawn for them, by name, as text that files keep exactly."""
    descent, scheduler = phase.descent, phase.scheduler
    settings: dict[str, Any] = {
        "batch_schedule": phase.batch_schedule.value,
        "active_nodes": phase.active_nodes,
        "scheduler": None if scheduler is None else scheduler.name,
        "accumulate": descent.accumulate,
        "clip_norm": descent.clip_norm,
        "clip_value": descent.clip_value,
        "precision": descent.precision,
    }
    for loss in phase.losses:
        about = [loss.loss.name, loss.node_id, loss.weight, loss.loss.reduction]
        settings[f"loss {loss.label!r}"] = about
    texts = {name: json.dumps(value) for name, value in settings.items()}
    for binding in phase.input_sources:
        if binding.sampler is not None:
            of = f"of the sampler for {binding.node_id!r} from {binding.upstream_ref.node_label!r}"
            for name, text in _sampler_settings(binding.sampler).items():
                texts[f"{name} {of}"] = text
    return texts


def check_epoch_settings(phase: "TrainPhase", state: Mapping[str, Any]) -> None:
    """Refuse to go on within an epoch that began otherwise.

    Between two epochs everything may be changed. Files of earlier versions say nothing of it.
    """
    saved = state.get("settings")
    if saved is None or not state["begun"]:
        return
    own = epoch_settings(phase)
    differing = [
        f"{name}: {saved.get(name, _NOTHING)} in the checkpoint, {own.get(name, _NOTHING)} here"
        for name in {**saved, **own}
        if saved.get(name) != own.get(name)
    ]
    if differing:
        raise CheckpointError(
            f"The checkpoint stands within epoch {state['epoch']} of the phase {phase.label!r}, "
            f"which is another now ({'; '.join(differing)}). Resume with the phase that it was "
            "saved with; only from a checkpoint between two epochs may it be changed."
        )


def _sampler_settings(sampler: "BaseSampler") -> dict[str, str]:
    """All plain values of its configuration; a function without a name cannot be compared."""
    texts = {"class": json.dumps(type(sampler).__name__), "batch_size": str(sampler.batch_size)}
    try:
        config = sampler.get_config()
    except PackagedCodeError:
        return texts
    for name, value in config.items():
        if name not in _FREE:
            try:
                texts[name] = json.dumps(value, sort_keys=True)
            except TypeError:
                continue
    return texts
