"""The engine: feature sets, model graphs, phases and experiments.

The names load when they are used; importing the package does nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.context import ExperimentContext, RegistrationPolicy
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
    from engine.samplers import SimpleSampler
    from engine.scalers import Scaler

__all__ = [
    "DataFormat",
    "ExperimentContext",
    "FeatureSet",
    "FeatureSetColumnReference",
    "FeatureSetReference",
    "FeatureSetSplitReference",
    "FeatureSetView",
    "RegistrationPolicy",
    "SampleSchema",
    "Scaler",
    "SimpleSampler",
    "SplitOverlapWarning",
]

_ROOMS = {
    "engine.context": ("ExperimentContext", "RegistrationPolicy"),
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
    "engine.samplers": ("SimpleSampler",),
    "engine.scalers": ("Scaler",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_ROOM_OF[name]), name)
    # From now on it is found without coming here.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
