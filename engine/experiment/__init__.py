"""The experiment: a plan of phases, run, recorded, saved and resumed."""

from engine.experiment.checkpoints import SavedCheckpoint
from engine.experiment.experiment import Experiment
from engine.experiment.position import Cursor
from engine.experiment.prospect import PlanEntry

__all__ = ["Cursor", "Experiment", "PlanEntry", "SavedCheckpoint"]
