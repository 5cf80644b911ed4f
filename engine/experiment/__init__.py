"""The experiment: a plan of phases, run, recorded, saved and resumed."""

from engine.experiment.checkpoints import SavedCheckpoint
from engine.experiment.experiment import Experiment
from engine.experiment.position import Cursor

__all__ = ["Cursor", "Experiment", "SavedCheckpoint"]
