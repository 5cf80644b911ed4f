"""The results of all folds, and questions across them."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from engine.axes import AxisSeries
from engine.errors import PhaseError, UnknownLabelError
from engine.results import EvaluationCallbackResult, FoldResults, PhaseGroupResults, TrainResults
from engine.results.phase_results import node_label

if TYPE_CHECKING:
    import pandas as pd

    from engine.graph.node import GraphNode

LossReducer = Literal["mean", "sum"]


class CVResults(PhaseGroupResults):
    """Results by fold, in order; the folds are labelled `fold_0`, `fold_1` and so on."""

    @classmethod
    def of(cls, results: PhaseGroupResults) -> "CVResults":
        """The same results with the questions of this class.

        For a cross-validation that ran as a group of a plan: `CVResults.of(run["CV"])`.
        """
        return cls(results.label, dict(results.items()))

    @property
    def n_folds(self) -> int:
        return len(self.fold_labels)

    @property
    def fold_labels(self) -> list[str]:
        return [label for label, result in self.items() if isinstance(result, FoldResults)]

    def get_fold(self, fold: int | str) -> FoldResults:
        """The results of one fold, by number or label."""
        label = f"fold_{fold}" if isinstance(fold, int) else fold
        if label not in self.fold_labels:
            raise UnknownLabelError("fold", label, self.fold_labels)
        return self._typed(label, FoldResults)

    def folds(self) -> Iterator[tuple[str, FoldResults]]:
        return ((label, self.get_fold(label)) for label in self.fold_labels)

    def collect(self, extractor: Callable[[FoldResults], Any]) -> AxisSeries[Any]:
        """What `extractor` finds in each fold's results, by an axis `fold` before its own axes.

        It returns a series, of the same axes for every fold, or any single value.
        """
        axes: tuple[str, ...] | None = None
        data: dict[tuple[Any, ...], Any] = {}
        for label, results in self.folds():
            found = extractor(results)
            series = found if isinstance(found, AxisSeries) else AxisSeries((), {(): found})
            if axes not in (None, series.axes):
                raise PhaseError(
                    f"What was extracted from {label!r} has the axes {series.axes}, and from the "
                    f"folds before it {axes}."
                )
            axes = series.axes
            data.update({(label, *_coordinates(series, key)): series[key] for key in series})
        return AxisSeries(("fold", *(axes or ())), data)

    def epoch_losses(
        self,
        node: "str | GraphNode",
        *,
        phase: str | None = None,
        reducer: LossReducer = "mean",
    ) -> AxisSeries[float]:
        """The node's losses while training, by (fold, epoch): their mean by samples, or their sum.

        Without a label, the phase is the only training phase of a fold. Batches must be recorded.
        """
        _check_reducer(reducer)

        def extract(results: FoldResults) -> AxisSeries[float]:
            train = results.get_train_result(phase)
            batches = train.execution_contexts()
            by_epoch = {
                epoch: _reduced(batches.select(epoch=epoch), node_label(node), reducer)
                for epoch in batches.axis_values("epoch")
            }
            return AxisSeries(("epoch",), by_epoch)

        return self.collect(extract)

    def validation_losses(
        self,
        node: "str | GraphNode",
        *,
        phase: str | None = None,
        label: str | None = None,
        reducer: LossReducer = "mean",
    ) -> AxisSeries[float]:
        """The node's losses in evaluations while training, by (fold, epoch), reduced likewise.

        `label` is that of the Evaluation callback; it may be left out where there is only one.
        """
        _check_reducer(reducer)

        def extract(results: FoldResults) -> AxisSeries[float]:
            evaluations = _evaluations(results.get_train_result(phase), label)
            found = {
                one.epoch_idx: sum(one.aggregated_losses(node, reducer=reducer).values())
                for one in evaluations
            }
            return AxisSeries(("epoch",), found)

        return self.collect(extract)

    def metrics(self, name: str, *, phase: str | None = None) -> AxisSeries[float]:
        """A metric of a training phase by (fold, epoch), whether batches were recorded or not."""

        def extract(results: FoldResults) -> AxisSeries[float]:
            entries = results.get_train_result(phase).metrics()
            if name not in entries.axis_values("name"):
                raise UnknownLabelError("metric", name, entries.axis_values("name"))
            logged = entries.where(name=name, batch=lambda batch: batch is None)
            return AxisSeries(("epoch",), {key[1]: entry.value for key, entry in logged.items()})

        return self.collect(extract)

    def to_pandas(self) -> "pd.DataFrame":
        """A row for each fold, phase and metric with its last value over an epoch or the phase.

        The columns are `fold`, `phase` (nested ones as `group/phase`), `metric` and `value`.
        """
        import pandas as pd  # noqa: PLC0415 - the other answers need none of it

        rows = [
            (fold, phase, name, value)
            for fold, results in self.folds()
            for phase, found in results.walk()
            for name, value in found.last_metrics().items()
        ]
        return pd.DataFrame(rows, columns=["fold", "phase", "metric", "value"])


def _coordinates(series: AxisSeries[Any], key: Any) -> tuple[Any, ...]:
    return (key,) if len(series.axes) == 1 else key


def _check_reducer(reducer: str) -> None:
    if reducer not in ("mean", "sum"):
        raise UnknownLabelError("reducer", reducer, ("mean", "sum"))


def _reduced(contexts: list[Any], node: str, reducer: str) -> float:
    total, samples = 0.0, 0
    for ctx in contexts:
        size = ctx.outputs[node].batch_size
        loss = sum(float(one.total) for one in ctx.losses.values() if one.node_id == node)
        total += loss * size if reducer == "mean" else loss
        samples += size
    return total / samples if reducer == "mean" else total


def _evaluations(train: TrainResults, label: str | None) -> list[EvaluationCallbackResult]:
    found = train.callbacks().where(kind="evaluation")
    labels = found.axis_values("label")
    if label is None and len(labels) == 1:
        label = labels[0]
    if label not in labels:
        there = ", ".join(map(repr, labels)) or "none"
        raise PhaseError(
            f"{train.label!r} holds evaluations of {there}: "
            + ("name one by `label`." if label is None else f"there are none of {label!r}.")
        )
    chosen = [one for one in found.select(label=label) if one.epoch_idx is not None]
    return [one for one in chosen if isinstance(one, EvaluationCallbackResult)]
