"""How large the gradients are."""

from typing import Any

import torch

from engine.callbacks import Callback, MetricResult

NAME = "gradient_norm"


class GradientNorm(Callback):
    """Logs after each epoch the norm of the gradients of its last step, over all parameters."""

    @property
    def metric_names(self) -> tuple[str, ...]:
        return (NAME,)

    def on_epoch_end(self, *, experiment: Any, **_facts: Any) -> MetricResult:
        nodes = experiment.model_graph.model_nodes
        parameters = [one for node in nodes if node.is_torch for one in node.module.parameters()]
        gradients = [one.grad for one in parameters if one.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients) if gradients else 0.0
        return MetricResult(callback_label=NAME, metric_name=NAME, metric_value=float(norm))
