"""Samplers: sources in, the batches of any epoch out."""

from engine.samplers.base import STREAM_DEFAULT, BaseSampler
from engine.samplers.n_sampler import NSampler
from engine.samplers.ordering import Samples
from engine.samplers.paired import PairedSampler
from engine.samplers.similarity import SimilarityCondition
from engine.samplers.simple import SimpleSampler
from engine.samplers.triplet import TripletSampler

__all__ = [
    "STREAM_DEFAULT",
    "BaseSampler",
    "NSampler",
    "PairedSampler",
    "Samples",
    "SimilarityCondition",
    "SimpleSampler",
    "TripletSampler",
]
