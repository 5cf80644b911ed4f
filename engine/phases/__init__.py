"""Phases: what an experiment does, one after the other."""

from engine.phases.base import ExperimentPhase
from engine.phases.binding import InputBinding
from engine.phases.eval import EvalPhase
from engine.phases.fit import FitPhase
from engine.phases.group import PhaseGroup
from engine.phases.hooks import Callback
from engine.phases.reporting import Reporter
from engine.phases.schedule import BatchSchedulingPolicy
from engine.phases.train import TrainPhase

__all__ = [
    "BatchSchedulingPolicy",
    "Callback",
    "EvalPhase",
    "ExperimentPhase",
    "FitPhase",
    "InputBinding",
    "PhaseGroup",
    "Reporter",
    "TrainPhase",
]
