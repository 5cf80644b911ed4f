"""Results as plain values for a checkpoint: numbers stay, recorded batches do not."""

import copy
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from engine.results.columns import as_columns, from_columns
from engine.results.eval_results import EvalResults
from engine.results.fit_results import FitResults
from engine.results.fold_results import FoldResults
from engine.results.group_results import PhaseGroupResults
from engine.results.pass_results import PassResults
from engine.results.phase_results import PhaseResults
from engine.results.returned import returned_from_state, returned_state
from engine.results.runs import ExperimentRun, PhaseExecutionMeta, PhaseGroupExecutionMeta
from engine.results.train_results import TrainResults

_KINDS: dict[str, type[PhaseResults]] = {
    "train": TrainResults,
    "eval": EvalResults,
    "fit": FitResults,
}


def results_state(results: PhaseResults | PhaseGroupResults) -> dict[str, Any]:
    """What `results_from_state` takes back."""
    if isinstance(results, PhaseGroupResults):
        items = [results_state(result) for _, result in results.items()]
        state: dict[str, Any] = {"kind": "group", "label": results.label, "items": items}
        if isinstance(results, FoldResults):
            state |= {"kind": "fold", "weights": results.weights}
        return state
    kind = next(name for name, of in _KINDS.items() if type(results) is of)
    state = {"kind": kind, "label": results.label, **phase_state(results)}
    if isinstance(results, PassResults):
        state["losses"] = _losses_state(results)
    return state


def phase_state(results: PhaseResults) -> dict[str, Any]:
    """What `take_back` gives to new results: metrics, and what callbacks returned."""
    return {
        "metrics": results.metric_store.get_state(),
        "returned": returned_state(results.returned),
        "recorded": results.has_recorded,
        "batch_values": results.has_batch_values,
    }


def take_back(results: PhaseResults, state: Mapping[str, Any]) -> None:
    """Let results, which are new, hold what `phase_state` gave."""
    results.metric_store.set_state(state["metrics"])
    if "returned" not in state:  # of a version that kept the metrics alone
        return
    for one in returned_from_state(state["returned"]):
        results.add_callback_result(one)
    results.leave_behind(batches=state["recorded"], values=state["batch_values"])


def results_from_state(state: Mapping[str, Any]) -> PhaseResults | PhaseGroupResults:
    """Results with metrics and what callbacks returned, and without recorded batches."""
    if state["kind"] in ("group", "fold"):
        group = PhaseGroupResults(state["label"])
        if state["kind"] == "fold":
            group = FoldResults(state["label"], weights=state["weights"])
        for item in state["items"]:
            group.add_result(results_from_state(item))
        return group
    results = _KINDS[state["kind"]](state["label"])
    take_back(results, state)
    if isinstance(results, PassResults) and "losses" in state:
        _take_losses(results, state["losses"])
    return results


def _losses_state(results: PassResults) -> dict[str, Any]:
    reduced = [
        {"node": node, "label": label, "mean": mean, "sum": total}
        for (node, label), (mean, total) in results.reduced_losses().items()
    ]
    by_batch = ("node", "label", "batch", "trainable", "auxiliary")
    return {
        "reduced": as_columns(reduced, ("node", "label", "mean", "sum")),
        "batches": as_columns(results.batch_losses(), by_batch),
    }


def _take_losses(results: PassResults, state: Mapping[str, Any]) -> None:
    reduced = {
        (one["node"], one["label"]): (one["mean"], one["sum"])
        for one in from_columns(state["reduced"])
    }
    results.take_back_losses(reduced, from_columns(state["batches"]))


def run_state(run: ExperimentRun) -> dict[str, Any]:
    """What `run_from_state` takes back: when and how it ran, its metrics and the user's notes."""
    return {
        "label": run.label,
        "started_at": run.started_at.isoformat(),
        "ended_at": run.ended_at.isoformat(),
        "status": run.status,
        "results": results_state(run.results),
        "execution": _meta_state(run.execution_meta),
        "metadata": copy.deepcopy(run.metadata),
    }


def run_from_state(state: Mapping[str, Any]) -> ExperimentRun:
    """The run, with results as `results_from_state` gives them."""
    started, ended = (datetime.fromisoformat(state[key]) for key in ("started_at", "ended_at"))
    execution = state.get("execution")
    if execution is None:  # of a version that did not keep it
        meta: PhaseExecutionMeta | PhaseGroupExecutionMeta = PhaseExecutionMeta(
            state["label"], started, ended, state["status"]
        )
    else:
        meta = _meta_from_state(execution)
    return ExperimentRun(
        label=state["label"],
        started_at=started,
        ended_at=ended,
        status=state["status"],
        results=results_from_state(state["results"]),
        execution_meta=meta,
        metadata=copy.deepcopy(state.get("metadata", {})),
    )


def _meta_state(meta: PhaseExecutionMeta | PhaseGroupExecutionMeta) -> dict[str, Any]:
    ended = meta.ended_at
    state: dict[str, Any] = {
        "label": meta.label,
        "started_at": meta.started_at.isoformat(),
        "ended_at": None if ended is None else ended.isoformat(),
        "status": meta.status,
    }
    if isinstance(meta, PhaseGroupExecutionMeta):
        state["children"] = [_meta_state(child) for _, child in meta.items()]
    else:
        state["metadata"] = copy.deepcopy(meta.metadata)
    return state


def _meta_from_state(state: Mapping[str, Any]) -> PhaseExecutionMeta | PhaseGroupExecutionMeta:
    ended = state["ended_at"]
    facts = (
        state["label"],
        datetime.fromisoformat(state["started_at"]),
        None if ended is None else datetime.fromisoformat(ended),
        state["status"],
    )
    if "children" not in state:
        return PhaseExecutionMeta(*facts, copy.deepcopy(state.get("metadata", {})))
    return PhaseGroupExecutionMeta(*facts, [_meta_from_state(one) for one in state["children"]])
