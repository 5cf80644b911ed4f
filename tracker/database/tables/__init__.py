"""The tables of a lab. What is done with them lives in `tracker.registry`.

A table is made when it is first asked for: making them all takes longer than a list does.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracker.database.tables.base import Base
    from tracker.database.tables.files import Artifact, Checkpoint, Leftover
    from tracker.database.tables.histories import Metric, MetricGoal, PhaseResult, Series
    from tracker.database.tables.pipelines import Experiment, Pipeline
    from tracker.database.tables.runs import Param, Run, RunSession, Tag
    from tracker.database.tables.surroundings import Dataset, Environment, RunDataset
    from tracker.database.tables.sweeps import Sweep, Trial, Worker

__all__ = [
    "Artifact",
    "Base",
    "Checkpoint",
    "Dataset",
    "Environment",
    "Experiment",
    "Leftover",
    "Metric",
    "MetricGoal",
    "Param",
    "PhaseResult",
    "Pipeline",
    "Run",
    "RunDataset",
    "RunSession",
    "Series",
    "Sweep",
    "Tag",
    "Trial",
    "Worker",
    "make_all",
]

_PLACES = {
    "files": ("Artifact", "Checkpoint", "Leftover"),
    "histories": ("Metric", "MetricGoal", "PhaseResult", "Series"),
    "pipelines": ("Experiment", "Pipeline"),
    "runs": ("Param", "Run", "RunSession", "Tag"),
    "surroundings": ("Dataset", "Environment", "RunDataset"),
    "sweeps": ("Sweep", "Trial", "Worker"),
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names}


def make_all() -> None:
    """Makes every table: whoever writes rows needs those that they refer to."""
    for module in _PLACES:
        import_module(f"{__name__}.{module}")


def __getattr__(name: str) -> Any:
    if name == "Base":
        # Whoever asks wants to know of all.
        make_all()
        return import_module(f"{__name__}.base").Base
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
