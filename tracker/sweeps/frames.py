"""The results of a sweep as a DataFrame."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from tracker.registry.trials import TrialFacts


def result_columns(trials: Sequence[TrialFacts]) -> list[str]:
    """The metrics that any of the trials brought, in the order in which they came up."""
    return list(dict.fromkeys(name for trial in trials for name in trial.result or ()))


def results_frame(trials: Sequence[TrialFacts], fields: Sequence[str]) -> pd.DataFrame:
    """One row a trial, indexed by its number: fields, metrics, status, seconds, run.

    A metric that is called like a field or like one of the last three is `metrics.<name>`.
    """
    taken = {*fields, "status", "seconds", "run"}
    columns: dict[str, list[Any]] = {
        field: [trial.config.get(field) for trial in trials] for field in fields
    }
    for name in result_columns(trials):
        values = [(trial.result or {}).get(name) for trial in trials]
        columns[f"metrics.{name}" if name in taken else name] = values
    columns["status"] = [str(trial.status) for trial in trials]
    columns["seconds"] = [trial.seconds for trial in trials]
    columns["run"] = [trial.run for trial in trials]
    index = pd.Index([trial.number for trial in trials], name="trial")
    return pd.DataFrame(columns, index=index)
