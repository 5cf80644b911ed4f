"""Ending training once a metric no longer gets better."""

import math
import warnings
from collections.abc import Callable, Mapping
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

from engine.errors import PhaseError, UnknownMetricError
from engine.phases.hooks import Callback
from engine.phases.snapshot import Snapshot
from engine.results.callback_results import EarlyStoppingResult

if TYPE_CHECKING:
    from engine.batches.execution import ExecutionContext
    from engine.results.phase_results import PhaseResults

REDUCERS: dict[str, Callable[[list[float]], float]] = {
    "mean": fmean,
    "sum": math.fsum,
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
}


class EarlyStopping(Callback):
    """Asks the phase to stop after `patience` epochs without a better value of the metric.

    Better means by more than `min_delta`. NaN and infinities are never better. Epochs in which the
    metric is not logged do not count. With `restore_best` the weights of the best epoch are put
    back when the phase ends; they are kept in memory, and beside every checkpoint in a file of
    their own.
    """

    def __init__(
        self,
        *,
        monitor: str = "val_loss",
        mode: Literal["min", "max"] = "min",
        patience: int = 5,
        min_delta: float = 0.0,
        restore_best: bool = False,
        reducer: Literal["mean", "sum", "last", "first"] = "last",
        label: str | None = None,
        execution_order: int = 1,
    ) -> None:
        super().__init__(label, execution_order)
        if mode not in ("min", "max"):
            raise PhaseError(f"A metric is best at its 'min' or 'max', not {mode!r}.")
        if patience < 1:
            raise PhaseError(f"patience is a number of epochs, at least 1, not {patience!r}.")
        if not min_delta >= 0:
            raise PhaseError(f"min_delta is at least 0, not {min_delta!r}.")
        if reducer not in REDUCERS:
            raise PhaseError(f"{reducer!r} is no reducer; known: {', '.join(REDUCERS)}.")
        self.mode = mode
        self.patience = patience
        self.min_delta = min_delta
        self.reducer = reducer
        self._monitor = monitor
        self._restore_best = restore_best
        self._reset()

    def _reset(self) -> None:
        self._best_epoch: int | None = None
        self._best_value: float | None = None
        self._stopped_epoch: int | None = None
        self._waited = 0
        self._snapshot: Snapshot | None = None

    @property
    def monitor(self) -> str:
        return self._monitor

    @property
    def restore_best(self) -> bool:
        return self._restore_best

    @property
    def best_epoch(self) -> int | None:
        return self._best_epoch

    @property
    def best_value(self) -> float | None:
        return self._best_value

    @property
    def stopped_epoch(self) -> int | None:
        """The epoch after which training was asked to stop; None if it was not."""
        return self._stopped_epoch

    @property
    def kept_epoch(self) -> int | None:
        return self._best_epoch if self._restore_best else None

    # Hooks

    def on_phase_start(self, **_: Any) -> None:
        self._reset()

    def on_epoch_end(
        self,
        *,
        experiment: Any,
        phase: Any,
        exec_ctx: "ExecutionContext",
        results: "PhaseResults | None" = None,
        **_: Any,
    ) -> None:
        value = self._monitored(phase, results, exec_ctx.epoch_idx)
        if value is None:
            return
        if self._is_better(value):
            self._keep(experiment, exec_ctx.epoch_idx, value)
            return
        self._waited += 1
        if self._waited >= self.patience and self._stopped_epoch is None:
            self._stopped_epoch = exec_ctx.epoch_idx
            phase.request_stop()

    def on_phase_end(self, *, experiment: Any, **_: Any) -> EarlyStoppingResult:
        if self._restore_best:
            self._restore(experiment)
        return EarlyStoppingResult(
            best_epoch=self._best_epoch,
            best_value=self._best_value,
            stopped_epoch=self._stopped_epoch,
            restored=self._restore_best and self._snapshot is not None,
        )

    def _monitored(self, phase: Any, results: "PhaseResults | None", epoch: int) -> float | None:
        values: dict[str, list[float]] = {}
        if results is not None:
            # A value of the whole epoch goes before those of its batches.
            store = results.metric_store
            values = {**store.in_batches(epoch), **store.at_epoch(epoch)}
        if self._monitor in values:
            return float(REDUCERS[self.reducer](values[self._monitor]))
        known = {*values, *phase.metric_names}
        if self._monitor not in known:
            raise UnknownMetricError(self._monitor, known)
        return None

    def _is_better(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        if self._best_value is None:
            return True
        gain = self._best_value - value if self.mode == "min" else value - self._best_value
        return gain > self.min_delta

    def _keep(self, experiment: Any, epoch: int, value: float) -> None:
        self._best_epoch, self._best_value, self._waited = epoch, value, 0
        if self._restore_best:
            weights = experiment.model_graph.get_weights()
            self._snapshot = Snapshot(weights=weights, epoch=epoch, value=value)

    def _restore(self, experiment: Any) -> None:
        if self._snapshot is not None:
            experiment.model_graph.set_weights(self._snapshot.weights)
            return
        warnings.warn(
            f"There is no best epoch to restore: {self._monitor!r} was never a finite number. "
            "The weights stay as the last epoch left them.",
            stacklevel=2,
        )

    # Going on from a checkpoint

    def get_state(self) -> dict[str, Any]:
        return {
            "best_epoch": self._best_epoch,
            "best_value": self._best_value,
            "stopped_epoch": self._stopped_epoch,
            "waited": self._waited,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take the state back. A stop is withdrawn if patience has grown meanwhile."""
        self._best_epoch = state["best_epoch"]
        self._best_value = state["best_value"]
        self._stopped_epoch = state["stopped_epoch"]
        self._waited = state["waited"]
        if self.withdraws_stop(state):
            self._stopped_epoch = None
            if self.phase is not None:
                self.phase.withdraw_stop()

    def withdraws_stop(self, state: Mapping[str, Any] | None) -> bool:
        """Whether patience has grown over what it was when the stop was asked for."""
        if state is None or state["stopped_epoch"] is None:
            return False
        return bool(state["waited"] < self.patience)

    def get_snapshot(self) -> Snapshot | None:
        return self._snapshot

    def set_snapshot(self, snapshot: Snapshot | None) -> None:
        self._snapshot = snapshot

    def get_config(self) -> dict[str, Any]:
        return {
            "monitor": self._monitor,
            "mode": self.mode,
            "patience": self.patience,
            "min_delta": self.min_delta,
            "restore_best": self._restore_best,
            "reducer": self.reducer,
            **super().get_config(),
        }
