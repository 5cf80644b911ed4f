"""Results as plain values for a checkpoint: the metrics stay, recorded batches do not."""

import copy
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from engine.results.eval_results import EvalResults
from engine.results.fit_results import FitResults
from engine.results.fold_results import FoldResults
from engine.results.group_results import PhaseGroupResults
from engine.results.phase_results import PhaseResults
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
    return {"kind": kind, "label": results.label, "metrics": results.metric_store.get_state()}


def results_from_state(state: Mapping[str, Any]) -> PhaseResults | PhaseGroupResults:
    """Results with their metrics, and without recorded batches."""
    if state["kind"] in ("group", "fold"):
        group = PhaseGroupResults(state["label"])
        if state["kind"] == "fold":
            group = FoldResults(state["label"], weights=state["weights"])
        for item in state["items"]:
            group.add_result(results_from_state(item))
        return group
    results = _KINDS[state["kind"]](state["label"])
    results.metric_store.set_state(state["metrics"])
    return results


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
