"""The engine: feature sets, model graphs, phases and experiments.

The names load when they are used, and so do the rooms: `engine.samplers` needs no import of its
own. Importing the package does nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.batches import Batch, BatchView, ExecutionContext
    from engine.callbacks import (
        Callback,
        Checkpointing,
        EarlyStopping,
        EvalLossMetric,
        Evaluation,
        ExperimentCallback,
    )
    from engine.context import ExperimentContext, RegistrationPolicy
    from engine.cross_validation import CrossValidation, CVBinding, CVResults
    from engine.experiment import Experiment
    from engine.features import (
        DataFormat,
        FeatureSet,
        FeatureSetColumnReference,
        FeatureSetReference,
        FeatureSetSplitReference,
        FeatureSetView,
        SampleSchema,
        SplitOverlapWarning,
    )
    from engine.graph import ConcatNode, MergeNode, ModelGraph, ModelNode
    from engine.losses import AppliedLoss, Loss
    from engine.models import Backend, BaseModel, SequentialCNN, SequentialMLP, TorchBaseModel
    from engine.optimizers import Optimizer, Scheduler
    from engine.phases import (
        BatchSchedulingPolicy,
        EvalPhase,
        FitPhase,
        InputBinding,
        PhaseGroup,
        Reporter,
        TrainPhase,
    )
    from engine.results import (
        EvalResults,
        FitResults,
        PhaseGroupResults,
        ResultRecording,
        TrainResults,
    )
    from engine.samplers import (
        NSampler,
        PairedSampler,
        SimilarityCondition,
        SimpleSampler,
        TripletSampler,
    )
    from engine.scalers import Scaler
    from engine.splitters import ConditionSplitter, RandomSplitter

__all__ = [
    "AppliedLoss",
    "Backend",
    "BaseModel",
    "Batch",
    "BatchSchedulingPolicy",
    "BatchView",
    "CVBinding",
    "CVResults",
    "Callback",
    "Checkpointing",
    "ConcatNode",
    "ConditionSplitter",
    "CrossValidation",
    "DataFormat",
    "EarlyStopping",
    "EvalLossMetric",
    "EvalPhase",
    "EvalResults",
    "Evaluation",
    "ExecutionContext",
    "Experiment",
    "ExperimentCallback",
    "ExperimentContext",
    "FeatureSet",
    "FeatureSetColumnReference",
    "FeatureSetReference",
    "FeatureSetSplitReference",
    "FeatureSetView",
    "FitPhase",
    "FitResults",
    "InputBinding",
    "Loss",
    "MergeNode",
    "ModelGraph",
    "ModelNode",
    "NSampler",
    "Optimizer",
    "PairedSampler",
    "PhaseGroup",
    "PhaseGroupResults",
    "RandomSplitter",
    "RegistrationPolicy",
    "Reporter",
    "ResultRecording",
    "SampleSchema",
    "Scaler",
    "Scheduler",
    "SequentialCNN",
    "SequentialMLP",
    "SimilarityCondition",
    "SimpleSampler",
    "SplitOverlapWarning",
    "TorchBaseModel",
    "TrainPhase",
    "TrainResults",
    "TripletSampler",
]

_ROOMS = {
    "engine.batches": (
        "Batch",
        "BatchView",
        "ExecutionContext",
    ),
    "engine.callbacks": (
        "Callback",
        "Checkpointing",
        "EarlyStopping",
        "EvalLossMetric",
        "Evaluation",
        "ExperimentCallback",
    ),
    "engine.context": (
        "ExperimentContext",
        "RegistrationPolicy",
    ),
    "engine.cross_validation": (
        "CVBinding",
        "CVResults",
        "CrossValidation",
    ),
    "engine.experiment": ("Experiment",),
    "engine.features": (
        "DataFormat",
        "FeatureSet",
        "FeatureSetColumnReference",
        "FeatureSetReference",
        "FeatureSetSplitReference",
        "FeatureSetView",
        "SampleSchema",
        "SplitOverlapWarning",
    ),
    "engine.graph": (
        "ConcatNode",
        "MergeNode",
        "ModelGraph",
        "ModelNode",
    ),
    "engine.losses": (
        "AppliedLoss",
        "Loss",
    ),
    "engine.models": (
        "Backend",
        "BaseModel",
        "SequentialCNN",
        "SequentialMLP",
        "TorchBaseModel",
    ),
    "engine.optimizers": (
        "Optimizer",
        "Scheduler",
    ),
    "engine.phases": (
        "BatchSchedulingPolicy",
        "EvalPhase",
        "FitPhase",
        "InputBinding",
        "PhaseGroup",
        "Reporter",
        "TrainPhase",
    ),
    "engine.results": (
        "EvalResults",
        "FitResults",
        "PhaseGroupResults",
        "ResultRecording",
        "TrainResults",
    ),
    "engine.samplers": (
        "NSampler",
        "PairedSampler",
        "SimilarityCondition",
        "SimpleSampler",
        "TripletSampler",
    ),
    "engine.scalers": ("Scaler",),
    "engine.splitters": (
        "ConditionSplitter",
        "RandomSplitter",
    ),
    "engine.utils": (),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if f"engine.{name}" in _ROOMS:
        return import_module(f"engine.{name}")
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_ROOM_OF[name]), name)
    # From now on it is found without coming here.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
