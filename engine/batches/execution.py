"""One step of a phase: what goes in, what comes out, and the losses."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from engine.axes import AxisSeries

if TYPE_CHECKING:
    from engine.batches.batch import Batch
    from engine.batches.view import BatchView
    from engine.features.references import FeatureSetReference


class LossRecord:
    """The value of one applied loss in one step: as trained by, as only looked at, or both.

    Values may be tensors; they stay where they are until `to_float` asks.
    """

    __slots__ = ("auxiliary", "label", "node_id", "trainable")

    def __init__(
        self,
        label: str,
        node_id: str | None = None,
        trainable: Any = None,
        auxiliary: Any = None,
    ) -> None:
        self.label = label
        self.node_id = node_id
        self.trainable = trainable
        self.auxiliary = auxiliary

    @property
    def total(self) -> Any:
        return added([self.trainable, self.auxiliary])

    def to_float(self) -> "LossRecord":
        """The same in plain numbers; waits for the device."""
        return LossRecord(self.label, self.node_id, _plain(self.trainable), _plain(self.auxiliary))

    def as_dict(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "node_id": self.node_id,
            "trainable": self.trainable,
            "auxiliary": self.auxiliary,
        }

    @classmethod
    def merge(cls, *records: "LossRecord") -> "LossRecord":
        """One record with the sums."""
        first = records[0]
        return cls(
            first.label if all(record.label == first.label for record in records) else "merged",
            first.node_id if all(record.node_id == first.node_id for record in records) else None,
            added([record.trainable for record in records]),
            added([record.auxiliary for record in records]),
        )

    @classmethod
    def mean(cls, *records: "LossRecord") -> "LossRecord":
        """One record with the plain means."""
        merged = cls.merge(*records)
        count = len(records)
        if merged.trainable is not None:
            merged.trainable = merged.trainable / count
        if merged.auxiliary is not None:
            merged.auxiliary = merged.auxiliary / count
        return merged

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LossRecord):
            return NotImplemented
        return self.as_dict() == other.as_dict()

    __hash__ = None  # type: ignore[assignment]  # changes while a step runs

    def __repr__(self) -> str:
        return (
            f"LossRecord({self.label!r}, node_id={self.node_id!r}, "
            f"trainable={self.trainable!r}, auxiliary={self.auxiliary!r})"
        )


class LossCollection(AxisSeries[LossRecord]):
    """The losses of one step, by node and label."""

    reducers: ClassVar[tuple[str, ...]] = ("first", "last", "mean", "sum")

    def __init__(self, records: Iterable[LossRecord]) -> None:
        keyed = {(record.node_id, record.label): record for record in records}
        super().__init__(("node", "label"), keyed)

    @property
    def trainable(self) -> Any:
        """The sum to be trained by; None if nothing is."""
        return added([record.trainable for record in self.values()])

    @property
    def auxiliary(self) -> Any:
        """The sum that is only looked at; None if nothing is."""
        return added([record.auxiliary for record in self.values()])

    @property
    def total(self) -> Any:
        return added([self.trainable, self.auxiliary])

    @property
    def node_ids(self) -> list[Any]:
        return self.axis_values("node") if "node" in self.axes else []

    @property
    def loss_labels(self) -> list[Any]:
        return self.axis_values("label") if "label" in self.axes else []

    def to_float(self) -> "LossCollection":
        """The same in plain numbers; waits for the device."""
        return self._like(self.axes, {key: record.to_float() for key, record in self.items()})

    def _reduce(self, reducer: str, values: list[LossRecord]) -> Any:
        if reducer == "sum":
            return LossRecord.merge(*values)
        if reducer == "mean":
            return LossRecord.mean(*values)
        return super()._reduce(reducer, values)


class ExecutionContext:
    """What one step works on; the step fills in outputs and losses."""

    __slots__ = ("batch_idx", "epoch_idx", "inputs", "losses", "outputs", "phase_label")

    def __init__(
        self,
        phase_label: str,
        epoch_idx: int,
        batch_idx: int,
        inputs: "dict[tuple[str, FeatureSetReference], BatchView] | None" = None,
        outputs: "dict[str, Batch] | None" = None,
        losses: LossCollection | None = None,
    ) -> None:
        self.phase_label = phase_label
        self.epoch_idx = epoch_idx
        self.batch_idx = batch_idx
        self.inputs = {} if inputs is None else inputs
        self.outputs = {} if outputs is None else outputs
        self.losses = losses

    def set_input(self, key: "tuple[str, FeatureSetReference]", batch: "BatchView") -> None:
        self.inputs[key] = batch

    def set_output(self, node_id: str, batch: "Batch") -> None:
        self.outputs[node_id] = batch

    def add_losses(self, records: Iterable[LossRecord]) -> None:
        """Add records to those that are there."""
        before = [] if self.losses is None else self.losses.values()
        self.losses = LossCollection([*before, *records])

    def __repr__(self) -> str:
        where = f"{self.phase_label!r}, epoch {self.epoch_idx}, batch {self.batch_idx}"
        return f"ExecutionContext({where})"


def added(values: Iterable[Any]) -> Any:
    """The sum of what is there; None if nothing is."""
    total: Any = None
    for value in values:
        if value is not None:
            total = value if total is None else total + value
    return total


def _plain(value: Any) -> float | None:
    return None if value is None else float(value)
