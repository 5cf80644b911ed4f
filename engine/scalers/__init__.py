"""Scalers: scikit-learn's by name, and those that it lacks."""

from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from engine.scalers.elementwise import Absolute, Negate
from engine.scalers.per_sample import PerSampleMinMaxScaler, PerSampleZeroStart
from engine.scalers.scaler import Scaler
from engine.scalers.segmented import SegmentedScaler

# It is made of Scalers itself, so it can only join the known ones here.
Scaler.supported_scalers["SegmentedScaler"] = SegmentedScaler
supported_scalers = Scaler.supported_scalers

__all__ = [
    "Absolute",
    "MaxAbsScaler",
    "MinMaxScaler",
    "Negate",
    "Normalizer",
    "PerSampleMinMaxScaler",
    "PerSampleZeroStart",
    "PowerTransformer",
    "QuantileTransformer",
    "RobustScaler",
    "Scaler",
    "SegmentedScaler",
    "StandardScaler",
    "supported_scalers",
]
