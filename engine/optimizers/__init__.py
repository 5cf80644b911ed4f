"""What moves the weights, and how fast: optimizers and learning rate schedules."""

from engine.optimizers.optimizer import Optimizer
from engine.optimizers.scheduler import Scheduler, checked_scheduler

__all__ = ["Optimizer", "Scheduler", "checked_scheduler"]
