"""The results of a sweep as a DataFrame."""

from collections.abc import Sequence

import pandas as pd

from tracker.registry.sweeps.trials import TrialFacts
from tracker.sweeps.tables import results_table


def results_frame(trials: Sequence[TrialFacts], fields: Sequence[str]) -> pd.DataFrame:
    """The results, one row a trial, indexed by its number."""
    columns, rows = results_table(trials, fields)
    return pd.DataFrame(rows, columns=columns).set_index("trial")
