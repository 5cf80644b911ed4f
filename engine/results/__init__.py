"""What phases and experiments leave behind, and the questions it answers."""

from engine.results.callback_results import (
    CallbackResult,
    EarlyStoppingResult,
    EvaluationCallbackResult,
    MetricResult,
    PayloadResult,
)
from engine.results.eval_results import EvalResults
from engine.results.fit_results import FitResults
from engine.results.fold_results import FoldResults
from engine.results.group_results import PhaseGroupResults
from engine.results.metric_store import MetricEntry, MetricStore
from engine.results.phase_results import PhaseResults
from engine.results.recording import ResultRecording
from engine.results.runs import ExperimentRun, PhaseExecutionMeta, PhaseGroupExecutionMeta
from engine.results.train_results import TrainResults

__all__ = [
    "CallbackResult",
    "EarlyStoppingResult",
    "EvalResults",
    "EvaluationCallbackResult",
    "ExperimentRun",
    "FitResults",
    "FoldResults",
    "MetricEntry",
    "MetricResult",
    "MetricStore",
    "PayloadResult",
    "PhaseExecutionMeta",
    "PhaseGroupExecutionMeta",
    "PhaseGroupResults",
    "PhaseResults",
    "ResultRecording",
    "TrainResults",
]
