"""What callbacks hand back from their hooks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

if TYPE_CHECKING:
    from engine.results.eval_results import EvalResults

Edge = Literal["start", "end", "exception"]


@dataclass(kw_only=True, eq=False)
class CallbackResult:
    """A result and the place where its hook was called; the phase fills in what is left open."""

    kind: ClassVar[str] = "callback"

    callback_label: str | None = None
    phase_label: str | None = None
    epoch_idx: int | None = None
    batch_idx: int | None = None
    edge: Edge | None = None

    @property
    def epoch(self) -> int | None:
        return self.epoch_idx

    @property
    def batch(self) -> int | None:
        return self.batch_idx

    @property
    def scope(self) -> Literal["phase", "epoch", "batch"]:
        if self.epoch_idx is None:
            return "phase"
        return "epoch" if self.batch_idx is None else "batch"

    def bind_scope(
        self,
        *,
        callback_label: str,
        phase_label: str,
        epoch_idx: int | None = None,
        batch_idx: int | None = None,
        edge: Edge | None = None,
    ) -> Self:
        """Set what the callback has left open; what it has set itself stays."""
        self.callback_label = self.callback_label or callback_label
        self.phase_label = self.phase_label or phase_label
        self.epoch_idx = epoch_idx if self.epoch_idx is None else self.epoch_idx
        self.batch_idx = batch_idx if self.batch_idx is None else self.batch_idx
        self.edge = self.edge or edge
        return self


@dataclass(kw_only=True, eq=False)
class PayloadResult(CallbackResult):
    """Any other object that a hook returned."""

    kind: ClassVar[str] = "payload"

    payload: Any


@dataclass(kw_only=True, eq=False)
class MetricResult(CallbackResult):
    """A number; the phase logs it under the metric's name at the place of the hook."""

    kind: ClassVar[str] = "metric"

    metric_name: str
    metric_value: float


@dataclass(kw_only=True, eq=False)
class EarlyStoppingResult(CallbackResult):
    """How an early stopping ended; `stopped_epoch` is None where training ran to its end."""

    kind: ClassVar[str] = "early_stopping"

    best_epoch: int | None
    best_value: float | None
    stopped_epoch: int | None
    restored: bool


@dataclass(kw_only=True, eq=False)
class EvaluationCallbackResult(CallbackResult):
    """The results of an evaluation during training; what EvalResults answers, this answers."""

    kind: ClassVar[str] = "evaluation"

    eval_results: "EvalResults"

    def get_eval_results(self) -> "EvalResults":
        return self.eval_results

    def __getattr__(self, name: str) -> Any:
        # Only reached for names that are not here. Copying asks for special names before the fields
        # exist.
        if name.startswith("_") or "eval_results" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.eval_results, name)
