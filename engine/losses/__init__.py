"""Losses: what is minimised or looked at, and where in the graph."""

from engine.losses.applied import AppliedLoss
from engine.losses.loss import Loss

__all__ = ["AppliedLoss", "Loss"]
