"""`ExperimentLog`: the configurations of a sweep with what came out."""

from tracker.sweeps.log.changing import Changing
from tracker.sweeps.log.labs import Labs
from tracker.sweeps.log.looking import Looking
from tracker.sweeps.log.uniting import Uniting


class ExperimentLog(Uniting, Looking, Changing, Labs):
    """A table: one row a configuration, its results as columns; a file of it is readable text.

    Fields are static (the same for all rows), of the grid, or metrics, which `RunInfo` and a
    status are among. A metric is a number, text, a list of one value a step, or what else JSON
    holds. Values keep their types, in the file too: '1e-3' is not 0.001, an empty list is one.

    A change is made whole or not at all, and is in the file only after `to_tsv`.
    """
