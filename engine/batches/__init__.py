"""What one step sees: batches, and the columns they are indices into."""

from engine.batches.batch import Batch
from engine.batches.columns import ColumnStore
from engine.batches.execution import ExecutionContext, LossCollection, LossRecord
from engine.batches.order import DEFAULT_ROLE, BatchOrder
from engine.batches.roles import RoleData
from engine.batches.view import BatchView, BatchViews, SampledView
from engine.features.samples import SampleData, SampleShapes

__all__ = [
    "DEFAULT_ROLE",
    "Batch",
    "BatchOrder",
    "BatchView",
    "BatchViews",
    "ColumnStore",
    "ExecutionContext",
    "LossCollection",
    "LossRecord",
    "RoleData",
    "SampleData",
    "SampleShapes",
    "SampledView",
]
