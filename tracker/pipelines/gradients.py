"""Keeping the gradients themselves, on request."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save_file

from engine.phases.reporting import Path as Place
from engine.phases.reporting import Reporter
from tracker.recording.run import RunHandle

if TYPE_CHECKING:
    from engine.experiment import Experiment
    from tracker.pipelines.recipes.base import Plan


def keep_gradients(plan: "Plan", handle: RunHandle) -> None:
    """Have them kept in this run, if the plan says so."""
    if plan.gradients_every is not None:
        kept = KeptGradients(handle, plan.experiment, plan.gradients_every)
        plan.experiment.add_reporter(kept)


class KeptGradients(Reporter):
    """Keeps, after every so many epochs, the gradients of the epoch's last step as an artifact.

    It is called `gradients/epoch-N.safetensors`, with N from 0, and holds a tensor for each
    parameter that has a gradient, by `node.parameter`.
    """

    def __init__(self, handle: RunHandle, experiment: "Experiment", every: int) -> None:
        self._handle = handle
        self._experiment = experiment
        self._every = every

    def epoch_ended(self, *, path: Place, epoch: int, step: int) -> None:  # noqa: ARG002 - the contract
        if (epoch + 1) % self._every:
            return
        gradients = self._gradients()
        if not gradients:
            return
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "gradients.safetensors")
            save_file(gradients, file)
            self._handle.log_artifact(file, f"gradients/epoch-{epoch}.safetensors")

    def _gradients(self) -> dict[str, Any]:
        graph = self._experiment.model_graph
        nodes = () if graph is None else graph.model_nodes
        return {
            f"{node.label}.{name}": parameter.grad.detach().to_dense().cpu().contiguous()
            for node in nodes
            if node.is_torch
            for name, parameter in node.module.named_parameters()
            if parameter.grad is not None
        }
