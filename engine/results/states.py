"""Results as plain values for a checkpoint: the metrics stay, recorded batches do not."""

from collections.abc import Mapping
from typing import Any

from engine.results.eval_results import EvalResults
from engine.results.fit_results import FitResults
from engine.results.fold_results import FoldResults
from engine.results.group_results import PhaseGroupResults
from engine.results.phase_results import PhaseResults
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
