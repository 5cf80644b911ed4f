"""Numbers taken from an evaluation: a loss, an accuracy, or any function of targets and outputs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from engine.errors import LossError, PhaseError
from engine.losses import AppliedLoss
from engine.phases.hooks import Callback
from engine.phases.labels import checked_label
from engine.results.callback_results import EvaluationCallbackResult, MetricResult
from engine.results.metric_store import TRAIN_LOSS
from engine.results.phase_results import node_label
from engine.saving import Savable, locate, location_of

if TYPE_CHECKING:
    from engine.batches.execution import ExecutionContext
    from engine.results.pass_results import PassResults

Array = NDArray[Any]


def checked_name(name: str) -> str:
    """The name of a metric that is free to be used."""
    checked_label(name, "name of a metric")
    if name == TRAIN_LOSS:
        raise PhaseError(f"Training itself logs {TRAIN_LOSS!r}; give the metric another name.")
    return name


class MetricCallback(Callback):
    """A callback that measures one thing: a number that a hook returns is logged under its name."""

    def __init__(self, *, name: str, label: str | None = None, execution_order: int = 0) -> None:
        super().__init__(label or name, execution_order)
        self.metric_name = checked_name(name)

    @property
    def metric_names(self) -> tuple[str, ...]:
        return (self.metric_name,)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.metric_name, **super().get_config()}


class EvaluationMetric(Savable, ABC):
    """Makes one number of an evaluation's results."""

    saved_as = "metric"

    def __init__(self, *, name: str) -> None:
        self.name = checked_name(name)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal metric."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(**config)

    @property
    def metric_name(self) -> str:
        return self.name

    @property
    def needed_losses(self) -> "tuple[AppliedLoss, ...]":
        """The losses that the evaluation must compute for this metric."""
        return ()

    @abstractmethod
    def extract(
        self,
        *,
        eval_result: "EvaluationCallbackResult | PassResults",
        exec_ctx: "ExecutionContext | None" = None,
    ) -> MetricResult | float | None:
        """The number; None where there is nothing to log this time."""

    def measure(
        self,
        eval_result: "EvaluationCallbackResult | PassResults",
        exec_ctx: "ExecutionContext | None" = None,
    ) -> MetricResult | None:
        """What `extract` gives, as a result under this metric's name."""
        found = self.extract(eval_result=eval_result, exec_ctx=exec_ctx)
        if found is None:
            return None
        if isinstance(found, MetricResult):
            # Its own label, since an evaluation may have many metrics.
            found.callback_label = found.callback_label or self.name
            return found
        return MetricResult(
            callback_label=self.name, metric_name=self.name, metric_value=float(found)
        )


class EvalLossMetric(EvaluationMetric):
    """One loss of the evaluation, which computes it from now on if it did not before."""

    def __init__(
        self,
        *,
        loss: "AppliedLoss",
        reducer: Literal["sum", "mean"] = "mean",
        name: str = "val_loss",
    ) -> None:
        super().__init__(name=name)
        if reducer not in ("sum", "mean"):
            raise LossError(f"A loss is reduced by 'mean' or 'sum', not {reducer!r}.")
        self.loss = loss
        self.reducer: Literal["sum", "mean"] = reducer

    @property
    def needed_losses(self) -> "tuple[AppliedLoss, ...]":
        return (self.loss,)

    def extract(self, *, eval_result: "EvaluationCallbackResult | PassResults", **_: Any) -> float:
        losses = eval_result.aggregated_losses(self.loss.node_id, reducer=self.reducer)
        return losses[self.loss.label]

    def get_config(self) -> dict[str, Any]:
        return {"loss": self.loss.get_config(), "reducer": self.reducer, "name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return cls(**{**config, "loss": AppliedLoss.from_config(config["loss"])})


class ScoreMetric(EvaluationMetric):
    """A function of the targets and outputs of all samples, such as those of `sklearn.metrics`.

    Targets and outputs come as arrays of equal shape, (n,) where there is one value a sample.
    Outputs of several columns against one column of class indices are taken for the scores of the
    classes: the highest names the class. With `unscale` both are in the units of the data as they
    came.
    """

    default_name: ClassVar[str | None] = None

    def __init__(
        self,
        function: Callable[..., float],
        *,
        node: Any = None,
        name: str | None = None,
        unscale: bool = False,
        **arguments: Any,
    ) -> None:
        super().__init__(name=name or self.default_name or function.__name__)
        self.function = function
        self.node = node
        self.unscale = unscale
        self.arguments = arguments

    def extract(self, *, eval_result: "EvaluationCallbackResult | PassResults", **_: Any) -> float:
        node = eval_result.tail_node() if self.node is None else self.node
        targets = eval_result.stacked_tensors(node, "targets", fmt="np", unscale=self.unscale)
        outputs = eval_result.stacked_tensors(node, "outputs", fmt="np", unscale=self.unscale)
        return float(self.function(*self.aligned(targets, outputs), **self.arguments))

    def get_config(self) -> dict[str, Any]:
        """Raises PackagedCodeError for a function that cannot be found by name."""
        return {"function": location_of(self.function), **self._options(), "unscale": self.unscale}

    def _options(self) -> dict[str, Any]:
        node = None if self.node is None else node_label(self.node)
        return {"node": node, "name": self.name, **self.arguments}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Imports the function that is named, if one is."""
        located = {key: locate(config[key]) for key in ("function",) if key in config}
        return cls(**{**config, **located})

    def aligned(self, targets: Array, outputs: Array) -> tuple[Array, Array]:
        """Both in one shape."""
        targets, outputs = _flat(targets), _flat(outputs)
        if outputs.ndim == targets.ndim + 1 and np.issubdtype(targets.dtype, np.integer):
            outputs = outputs.argmax(axis=1)
        if targets.shape != outputs.shape:
            raise LossError(
                f"The metric {self.name!r} compares targets and outputs, and their shapes "
                f"{targets.shape} and {outputs.shape} do not fit."
            )
        return targets, outputs


class ClassMetric(ScoreMetric):
    """A score of predicted classes.

    Outputs of one column are the classes themselves, unless a `threshold` says above which value
    they mean the class 1: 0.5 for probabilities, 0 for logits. One-hot targets beside as many
    outputs stand for the class that is 1, and the outputs for the highest.
    """

    score: ClassVar[Callable[..., float]]

    def __init__(
        self,
        node: Any = None,
        *,
        name: str | None = None,
        threshold: float | None = None,
        **arguments: Any,
    ) -> None:
        super().__init__(type(self).score, node=node, name=name, **arguments)
        self.threshold = threshold

    def get_config(self) -> dict[str, Any]:
        return {**self._options(), "threshold": self.threshold}

    def aligned(self, targets: Array, outputs: Array) -> tuple[Array, Array]:
        if self.threshold is not None:
            outputs = (outputs > self.threshold).astype(np.int64)
        elif targets.shape == outputs.shape and _is_one_hot(targets):
            return targets.argmax(axis=1), outputs.argmax(axis=1)
        targets, outputs = super().aligned(_as_classes(targets), outputs)
        return targets, _as_classes(outputs)


class Accuracy(ClassMetric):
    """The share of samples whose class is right."""

    default_name = "accuracy"

    @staticmethod
    def score(targets: Array, outputs: Array) -> float:
        return float(np.mean(targets == outputs))


class F1Score(ClassMetric):
    """The harmonic mean of precision and recall, by default averaged over the classes."""

    default_name = "f1"

    @staticmethod
    def score(targets: Array, outputs: Array, **arguments: Any) -> float:
        return float(_sklearn_metrics().f1_score(targets, outputs, **arguments))

    def __init__(self, node: Any = None, *, average: str = "macro", **options: Any) -> None:
        super().__init__(node, average=average, **options)


class RegressionMetric(ScoreMetric):
    """A score of predicted values, by default in the units that the model sees."""

    score: ClassVar[Callable[..., float]]

    def __init__(
        self, node: Any = None, *, name: str | None = None, unscale: bool = False, **arguments: Any
    ) -> None:
        super().__init__(type(self).score, node=node, name=name, unscale=unscale, **arguments)

    def get_config(self) -> dict[str, Any]:
        return {**self._options(), "unscale": self.unscale}


class MeanSquaredError(RegressionMetric):
    """The mean over samples and columns."""

    default_name = "mse"

    @staticmethod
    def score(targets: Array, outputs: Array) -> float:
        return float(np.mean(np.square(_precise(targets) - outputs)))


class RootMeanSquaredError(RegressionMetric):
    """The root of the mean over samples and columns."""

    default_name = "rmse"

    @staticmethod
    def score(targets: Array, outputs: Array) -> float:
        return float(np.sqrt(MeanSquaredError.score(targets, outputs)))


class MeanAbsoluteError(RegressionMetric):
    """The mean over samples and columns."""

    default_name = "mae"

    @staticmethod
    def score(targets: Array, outputs: Array) -> float:
        return float(np.mean(np.abs(_precise(targets) - outputs)))


class R2Score(RegressionMetric):
    """The share of the targets' variance that the outputs explain."""

    default_name = "r2"

    @staticmethod
    def score(targets: Array, outputs: Array, **arguments: Any) -> float:
        return float(_sklearn_metrics().r2_score(_precise(targets), _precise(outputs), **arguments))


def _sklearn_metrics() -> Any:
    from sklearn import metrics  # noqa: PLC0415 - takes a second, and most metrics do without

    return metrics


def _precise(values: Array) -> Array:
    return values.astype(np.float64)


def _flat(values: Array) -> Array:
    """(n, 1, ...) as (n, ...): a single column is no dimension of its own."""
    while values.ndim > 1 and values.shape[1] == 1:
        values = values[:, 0]
    return values


def _is_one_hot(values: Array) -> bool:
    """Whether each sample has a single 1 among zeros, over the second axis of at least two."""
    if values.ndim < 2 or values.shape[1] < 2 or values.dtype.kind not in "biuf":
        return False
    plain = (values == 0) | (values == 1)
    return bool(plain.all() and (values.sum(axis=1) == 1).all())


def _as_classes(values: Array) -> Array:
    """Whole numbers in floats are the class indices they stand for."""
    whole = np.issubdtype(values.dtype, np.floating) and bool(np.all(values == np.rint(values)))
    return values.astype(np.int64) if whole else values
