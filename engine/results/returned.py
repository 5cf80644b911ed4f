"""What callbacks returned, as plain values for a checkpoint.

Of a batch nothing is kept, of anything else what is numbers, texts and nests of them. The rest is
known to have been there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from engine.errors import PhaseError
from engine.results.callback_results import (
    CallbackResult,
    EarlyStoppingResult,
    EvaluationCallbackResult,
    MetricResult,
    PayloadResult,
)
from engine.results.columns import as_columns, from_columns
from engine.results.eval_results import EvalResults
from engine.results.metric_store import MetricStore

_PLACE = ("callback_label", "phase_label", "edge")
_MAX_DEPTH = 20


class LeftBehindResult(CallbackResult):
    """Stands for a result that a checkpoint does not hold; any question about it is an error."""

    kind: str  # type: ignore[misc]  # that of the result it stands for

    def __init__(self, kind: str, what: str, **place: Any) -> None:
        super().__init__(**place)
        self.kind = kind
        self._what = what

    def __getattr__(self, name: str) -> Any:
        # Only reached for names that are not here. Copying asks for special names beforehand.
        if name.startswith("_") or "_what" not in self.__dict__:
            raise AttributeError(name)
        raise PhaseError(
            f"{self.callback_label!r} returned {self._what} before {self.phase_label!r} went on "
            "from a checkpoint, which holds numbers, texts and nests of them: it has no "
            f"{name!r} any more."
        )


def returned_state(results: Iterable[CallbackResult]) -> dict[str, Any]:
    """What `returned_from_state` takes back, without those of single batches."""
    kept = [one for one in results if one.batch_idx is None]
    parts: dict[str, list[Any]] = {"metric": [], "stopping": [], "evaluation": [], "payload": []}
    # The few different ones, for every epoch has the same.
    heads: dict[tuple[Any, ...], int] = {}
    rows = []
    for one in kept:
        part, value = _described(one)
        if part in parts:
            parts[part].append(value)
        what = "" if part in parts else value
        head = (part, one.kind, what, *(getattr(one, name) for name in _PLACE))
        rows.append({"head": heads.setdefault(head, len(heads)), "epoch": one.epoch_idx})
    return {
        "heads": [list(head) for head in heads],
        "rows": as_columns(rows, ("head", "epoch")),
        "metric": as_columns(parts["metric"], ("metric_name", "metric_value")),
        "stopping": parts["stopping"],
        "evaluation": _evaluations_state(parts["evaluation"]),
        "payload": parts["payload"],
    }


def returned_from_state(state: Mapping[str, Any]) -> list[CallbackResult]:
    """The results in their order; of evaluations the metrics and losses."""
    made: dict[str, Iterator[Callable[..., CallbackResult]]] = {
        "metric": (_maker(MetricResult, **one) for one in from_columns(state["metric"])),
        "stopping": (_maker(EarlyStoppingResult, **one) for one in state["stopping"]),
        "evaluation": (
            _maker(EvaluationCallbackResult, eval_results=one)
            for one in _evaluations_from_state(state["evaluation"])
        ),
        "payload": (_maker(PayloadResult, payload=one) for one in state["payload"]),
    }
    found: list[CallbackResult] = []
    for row in from_columns(state["rows"]):
        part, kind, what, *names = state["heads"][row["head"]]
        place = {**dict(zip(_PLACE, names, strict=True)), "epoch_idx": row["epoch"]}
        if part in made:
            found.append(next(made[part])(**place))
        else:
            found.append(LeftBehindResult(kind, what, **place))
    return found


def _maker(kind: type[CallbackResult], **parts: Any) -> Callable[..., CallbackResult]:
    return lambda **place: kind(**parts, **place)


def _described(one: CallbackResult) -> tuple[str, Any]:
    """Which part of the state holds it, and what is written there."""
    if type(one) is MetricResult:
        return "metric", {"metric_name": one.metric_name, "metric_value": float(one.metric_value)}
    if type(one) is EarlyStoppingResult:
        described = asdict(one)
        return "stopping", {
            name: described[name]
            for name in ("best_epoch", "best_value", "stopped_epoch", "restored")
        }
    if type(one) is EvaluationCallbackResult:
        return "evaluation", one.eval_results
    if type(one) is PayloadResult and _is_plain(one.payload):
        return "payload", one.payload
    if isinstance(one, LeftBehindResult):
        return "left", one._what  # noqa: SLF001 - one of ours
    shown = one.payload if isinstance(one, PayloadResult) else one
    return "left", f"a {type(shown).__name__}"


def _is_plain(value: Any, depth: int = 0) -> bool:
    if value is None or type(value) in (bool, int, float, str) or isinstance(value, np.number):
        return True
    if depth > _MAX_DEPTH:
        return False
    if type(value) in (list, tuple):
        return all(_is_plain(part, depth + 1) for part in value)
    return type(value) is dict and all(
        type(key) in (str, int) and _is_plain(part, depth + 1) for key, part in value.items()
    )


def _evaluations_state(evaluations: list[EvalResults]) -> dict[str, Any]:
    metrics = [
        {"owner": owner, "name": entry.name, "epoch": entry.epoch_idx, "value": entry.value}
        for owner, one in enumerate(evaluations)
        for entry in one.metric_store.entries()
        if entry.batch_idx is None
    ]
    losses = [
        {"owner": owner, "node": node, "label": label, "mean": mean, "sum": total}
        for owner, one in enumerate(evaluations)
        for (node, label), (mean, total) in one.reduced_losses().items()
    ]
    heads = [{"label": one.label, "recorded": one.has_recorded} for one in evaluations]
    return {
        "heads": as_columns(heads, ("label", "recorded")),
        "metrics": as_columns(metrics, ("owner", "name", "epoch", "value")),
        "losses": as_columns(losses, ("owner", "node", "label", "mean", "sum")),
    }


def _evaluations_from_state(state: Mapping[str, Any]) -> list[EvalResults]:
    heads = from_columns(state["heads"])
    stores = [MetricStore() for _ in heads]
    for one in from_columns(state["metrics"]):
        stores[one["owner"]].log(name=one["name"], value=one["value"], epoch_idx=one["epoch"])
    reduced: list[dict[tuple[str, str], tuple[float, float]]] = [{} for _ in heads]
    for one in from_columns(state["losses"]):
        reduced[one["owner"]][one["node"], one["label"]] = (one["mean"], one["sum"])
    found = []
    for head, store, losses in zip(heads, stores, reduced, strict=True):
        results = EvalResults(head["label"], _metrics=store)
        results.leave_behind(batches=head["recorded"], values=False)
        results.take_back_losses(losses)
        found.append(results)
    return found
