"""Splitters: samples in, row positions by split out."""

from engine.splitters.base import BaseSplitter
from engine.splitters.condition import ConditionSplitter
from engine.splitters.random import RandomSplitter

__all__ = ["BaseSplitter", "ConditionSplitter", "RandomSplitter"]
