"""The metrics that a supervised pipeline knows by name, and those that the user brings."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracker.pipelines.components import Component, locate

if TYPE_CHECKING:
    from engine.callbacks.metrics import EvaluationMetric

# Name -> where it is, and the arguments it has unless the configuration says otherwise.
SCORES: dict[str, tuple[str, dict[str, Any]]] = {
    "accuracy": ("engine.callbacks.metrics:Accuracy", {}),
    "f1": ("engine.callbacks.metrics:F1Score", {}),
    "mse": ("engine.callbacks.metrics:MeanSquaredError", {"unscale": True}),
    "rmse": ("engine.callbacks.metrics:RootMeanSquaredError", {"unscale": True}),
    "mae": ("engine.callbacks.metrics:MeanAbsoluteError", {"unscale": True}),
    "r2": ("engine.callbacks.metrics:R2Score", {"unscale": True}),
    "balanced_accuracy": ("sklearn.metrics:balanced_accuracy_score", {}),
    "precision": ("sklearn.metrics:precision_score", {"average": "macro", "zero_division": 0}),
    "recall": ("sklearn.metrics:recall_score", {"average": "macro", "zero_division": 0}),
    "median_ae": ("sklearn.metrics:median_absolute_error", {"unscale": True}),
    "explained_variance": ("sklearn.metrics:explained_variance_score", {"unscale": True}),
}


def scores(
    metrics: dict[str, Any], prefix: str, directory: Path, *, scaled_target: bool
) -> "list[EvaluationMetric]":
    """One evaluation metric for each that is configured, named with the prefix: `val_accuracy`.

    Where the target was scaled, those of values are in its units as they came.
    """
    return [
        _score(name, metric, f"{prefix}_{name}", directory, scaled_target=scaled_target)
        for name, metric in metrics.items()
    ]


def _score(
    name: str, metric: dict[str, Any], full_name: str, directory: Path, *, scaled_target: bool
) -> "EvaluationMetric":
    from engine.callbacks.metrics import (  # noqa: PLC0415 - brings torch
        EvaluationMetric,
        ScoreMetric,
    )

    loc, defaults = SCORES.get(name, ("", {}))
    args = {**defaults, **(metric.get("args") or {})}
    if metric.get("loc"):
        component = Component.parse(metric)
        loc, args = component.loc, dict(component.args)
        args.setdefault("unscale", scaled_target)
    if "unscale" in args and not scaled_target:
        args["unscale"] = False
    target: Any = locate(loc, directory)
    if isinstance(target, type) and issubclass(target, EvaluationMetric):
        return target(name=full_name, **args)
    return ScoreMetric(target, name=full_name, **args)
