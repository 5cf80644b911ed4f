"""Feature sets: samples in columns, views and splits of them, and references to them."""

from engine.features.collection import SampleCollection
from engine.features.feature_set import FeatureSet, SplitOverlapWarning
from engine.features.formats import DataFormat
from engine.features.making import write_arrow
from engine.features.records import ScalerRecord
from engine.features.references import (
    FeatureSetColumnReference,
    FeatureSetReference,
    FeatureSetSplitReference,
)
from engine.features.schema import SampleSchema
from engine.features.view import FeatureSetView

__all__ = [
    "DataFormat",
    "FeatureSet",
    "FeatureSetColumnReference",
    "FeatureSetReference",
    "FeatureSetSplitReference",
    "FeatureSetView",
    "SampleCollection",
    "SampleSchema",
    "ScalerRecord",
    "SplitOverlapWarning",
    "write_arrow",
]
