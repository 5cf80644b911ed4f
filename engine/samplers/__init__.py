"""Samplers: sources in, the batches of any epoch out."""

from engine.samplers.base import STREAM_DEFAULT, BaseSampler
from engine.samplers.ordering import Samples
from engine.samplers.similarity import SimilarityCondition
from engine.samplers.simple import SimpleSampler

__all__ = ["STREAM_DEFAULT", "BaseSampler", "Samples", "SimilarityCondition", "SimpleSampler"]
