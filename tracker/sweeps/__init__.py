"""Sweeps: grids of configurations, and tables of what came out.

Importing this package is cheap; its names bring what they need with them on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracker.sweeps.config import Config
    from tracker.sweeps.grid import ConfigIter
    from tracker.sweeps.log import ExperimentLog, MergeRules, RunInfo

__all__ = ["Config", "ConfigIter", "ExperimentLog", "MergeRules", "RunInfo"]

_HOMES = {
    "Config": "config",
    "ConfigIter": "grid",
    "ExperimentLog": "log",
    "MergeRules": "log",
    "RunInfo": "log",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
