"""The tables of a lab. What is done with them lives in `tracker.registry`."""

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
]
