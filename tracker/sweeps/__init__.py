"""Sweeps: grids of configurations, tried by workers, and tables of what came out.

Importing this package is cheap; its names bring what they need with them on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracker.sweeps.config import Config
    from tracker.sweeps.grid import ConfigIter
    from tracker.sweeps.log import ExperimentLog, MergeRules, RunInfo
    from tracker.sweeps.sweep import Sweep
    from tracker.sweeps.trial import Trial

__all__ = ["Config", "ConfigIter", "ExperimentLog", "MergeRules", "RunInfo", "Sweep", "Trial"]

_HOMES = {
    "Config": "config",
    "ConfigIter": "grid",
    "ExperimentLog": "log",
    "MergeRules": "log",
    "RunInfo": "log",
    "Sweep": "sweep",
    "Trial": "trial",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
