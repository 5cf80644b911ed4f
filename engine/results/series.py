"""What results answer with: values by epoch, batch and more."""

from typing import Any, ClassVar

from engine.axes import AxisSeries
from engine.batches import Batch, ExecutionContext, LossRecord
from engine.batches.execution import added
from engine.results.callback_results import CallbackResult
from engine.results.metric_store import MetricEntry


class ExecutionDataSeries(AxisSeries[ExecutionContext]):
    """Execution contexts by (epoch, batch)."""

    reducers: ClassVar[tuple[str, ...]] = ("first", "last")


class BatchDataSeries(AxisSeries[Batch]):
    """A node's batches by (epoch, batch)."""

    reducers: ClassVar[tuple[str, ...]] = ("first", "last", "concat")

    def to_format(self, fmt: Any) -> "BatchDataSeries":
        """The same batches in numpy or torch."""
        return self._like(self.axes, {key: batch.as_format(fmt) for key, batch in self.items()})


class TensorDataSeries(AxisSeries[Any]):
    """One domain of a node's batches by (epoch, batch)."""

    reducers: ClassVar[tuple[str, ...]] = ("first", "last", "concat")


class CallbackDataSeries(AxisSeries[CallbackResult]):
    """What callbacks returned, by (kind, label, epoch, batch, edge)."""

    reducers: ClassVar[tuple[str, ...]] = ("first", "last")


class MetricDataSeries(AxisSeries[MetricEntry]):
    """Values of metrics by (name, epoch, batch); batch None is the whole epoch."""

    reducers: ClassVar[tuple[str, ...]] = ("first", "last", "mean", "sum")

    def _cells(self) -> dict[str, list[Any]]:
        return {"value": [float(entry) for entry in self.values()]}


class LossDataSeries(AxisSeries[LossRecord]):
    """A node's losses by (epoch, batch, label). Reducing takes every batch alike, however large."""

    reducers: ClassVar[tuple[str, ...]] = ("first", "last", "mean", "sum")

    @property
    def trainable(self) -> Any:
        """The sum of what was trained by; None if nothing was."""
        return added([record.trainable for record in self.values()])

    @property
    def auxiliary(self) -> Any:
        """The sum of what was only looked at; None if nothing was."""
        return added([record.auxiliary for record in self.values()])

    def to_float(self) -> "LossDataSeries":
        """The same in plain numbers."""
        return self._like(self.axes, {key: record.to_float() for key, record in self.items()})

    def _cells(self) -> dict[str, list[Any]]:
        records = [record.to_float() for record in self.values()]
        return {
            "trainable": [record.trainable for record in records],
            "auxiliary": [record.auxiliary for record in records],
        }

    def _reduce(self, reducer: str, values: list[Any]) -> Any:
        if reducer == "sum":
            return LossRecord.merge(*values)
        if reducer == "mean":
            return LossRecord.mean(*values)
        return super()._reduce(reducer, values)
