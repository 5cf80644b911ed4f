"""Callbacks that come along, and the metrics and checkpoints that they work with."""

from engine.callbacks.checkpointing import Checkpointing
from engine.callbacks.early_stopping import EarlyStopping
from engine.callbacks.evaluation import Evaluation
from engine.callbacks.experiment_callback import ExperimentCallback
from engine.callbacks.metrics import (
    Accuracy,
    EvalLossMetric,
    EvaluationMetric,
    F1Score,
    MeanAbsoluteError,
    MeanSquaredError,
    MetricCallback,
    R2Score,
    RootMeanSquaredError,
    ScoreMetric,
)
from engine.phases.hooks import Callback
from engine.results.callback_results import (
    CallbackResult,
    EarlyStoppingResult,
    EvaluationCallbackResult,
    MetricResult,
    PayloadResult,
)

__all__ = [
    "Accuracy",
    "Callback",
    "CallbackResult",
    "Checkpointing",
    "EarlyStopping",
    "EarlyStoppingResult",
    "EvalLossMetric",
    "Evaluation",
    "EvaluationCallbackResult",
    "EvaluationMetric",
    "ExperimentCallback",
    "F1Score",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "MetricCallback",
    "MetricResult",
    "PayloadResult",
    "R2Score",
    "RootMeanSquaredError",
    "ScoreMetric",
]
