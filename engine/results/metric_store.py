"""The scalar values a phase logs."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

# What training itself logs; no callback may use it.
TRAIN_LOSS = "train_loss"


class MetricEntry(float):
    """A value of a metric, which is a number, and where it belongs.

    `batch_idx` is None for the value of a whole epoch.
    """

    __slots__ = ("batch_idx", "epoch_idx", "name")

    name: str
    epoch_idx: int
    batch_idx: int | None

    def __new__(cls, name: str, value: float, epoch_idx: int, batch_idx: int | None = None) -> Self:
        entry = super().__new__(cls, value)
        entry.name = name
        entry.epoch_idx = epoch_idx
        entry.batch_idx = batch_idx
        return entry

    @property
    def value(self) -> float:
        return float(self)

    @staticmethod
    def sum(*entries: float) -> float:
        return float(sum(entries))

    @staticmethod
    def mean(*entries: float) -> float:
        return MetricEntry.sum(*entries) / len(entries)

    def __repr__(self) -> str:
        place = f"epoch={self.epoch_idx}"
        place += "" if self.batch_idx is None else f", batch={self.batch_idx}"
        return f"MetricEntry({self.name}={float(self)!r}, {place})"

    def __reduce__(self) -> tuple[Any, ...]:
        return MetricEntry, (self.name, float(self), self.epoch_idx, self.batch_idx)


class MetricStore:
    """The values of a phase's metrics, per epoch and per batch."""

    def __init__(self) -> None:
        self._entries: list[MetricEntry] = []
        # A batch's loss is only appended to a list of numbers while its epoch runs.
        self._batches: dict[tuple[str, int], list[float]] = {}
        # What was logged one by one for batches of the latest epoch.
        self._latest: tuple[int, dict[str, list[float]]] = (-1, {})

    def log(self, *, name: str, value: float, epoch_idx: int, batch_idx: int | None = None) -> None:
        """Keep one more value. The same metric may be logged several times at one place."""
        self._entries.append(MetricEntry(name, float(value), epoch_idx, batch_idx))
        if batch_idx is not None:
            if self._latest[0] != epoch_idx:
                self._latest = (epoch_idx, {})
            self._latest[1].setdefault(name, []).append(float(value))

    def log_batches(self, *, name: str, values: list[float], epoch_idx: int) -> None:
        """Keep the values of an epoch's batches from 0 on, in place of those known before."""
        if values:
            self._batches[name, epoch_idx] = values

    @property
    def has_batches(self) -> bool:
        """Whether there are values of single batches."""
        return bool(self._batches) or any(one.batch_idx is not None for one in self._entries)

    @property
    def names(self) -> list[str]:
        found = dict.fromkeys(name for name, _ in self._batches)
        found.update(dict.fromkeys(entry.name for entry in self._entries))
        return sorted(found)

    def entries(self) -> list[MetricEntry]:
        """Every value, by epoch; an epoch's batches come before its own value."""
        entries = self._entries + [
            MetricEntry(name, value, epoch, batch)
            for (name, epoch), values in self._batches.items()
            for batch, value in enumerate(values)
        ]
        return sorted(entries, key=_order)

    def at_epoch(self, epoch_idx: int) -> dict[str, list[float]]:
        """The values of one whole epoch by metric, in the order they were logged."""
        found: dict[str, list[float]] = {}
        for entry in self._entries:
            if entry.batch_idx is None and entry.epoch_idx == epoch_idx:
                found.setdefault(entry.name, []).append(float(entry))
        return found

    def at_batch(self, epoch_idx: int, batch_idx: int) -> dict[str, float]:
        """The values that were logged one by one for the batch that came last."""
        found: dict[str, float] = {}
        for entry in reversed(self._entries):
            if (entry.epoch_idx, entry.batch_idx) != (epoch_idx, batch_idx):
                break
            found.setdefault(entry.name, float(entry))
        return found

    def in_batches(self, epoch_idx: int) -> dict[str, list[float]]:
        """The values that were logged one by one for batches of the latest epoch, in order.

        Also those from before a checkpoint that fell within the epoch, which no entry holds.
        """
        epoch, values = self._latest
        return values if epoch == epoch_idx else {}

    def get_latest(self) -> dict[str, Any]:
        """What `in_batches` knows, for `set_latest`."""
        epoch, found = self._latest
        return {
            "epoch": epoch,
            "values": {name: np.array(values, np.float64) for name, values in found.items()},
        }

    def set_latest(self, state: Mapping[str, Any]) -> None:
        found = {name: values.tolist() for name, values in state["values"].items()}
        self._latest = (state["epoch"], found)

    def last(self) -> dict[str, float]:
        """The latest value of each metric over a whole epoch."""
        return {entry.name: float(entry) for entry in self._entries if entry.batch_idx is None}

    def get_state(self) -> dict[str, Any]:
        """The epochs' values, as arrays; those of single batches are left out."""
        kept: dict[str, tuple[list[int], list[float]]] = {}
        for entry in self._entries:
            if entry.batch_idx is None:
                epochs, values = kept.setdefault(entry.name, ([], []))
                epochs.append(entry.epoch_idx)
                values.append(float(entry))
        return {
            name: {"epochs": np.array(epochs, np.int64), "values": np.array(values, np.float64)}
            for name, (epochs, values) in kept.items()
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        entries = [
            MetricEntry(name, value, epoch)
            for name, kept in state.items()
            for epoch, value in zip(kept["epochs"].tolist(), kept["values"].tolist(), strict=True)
        ]
        self._entries = sorted(entries, key=lambda entry: entry.epoch_idx)
        self._batches = {}


def _order(entry: MetricEntry) -> tuple[int, bool, int]:
    return (entry.epoch_idx, entry.batch_idx is None, entry.batch_idx or 0)
