"""How each table travels: what its columns mean. Which there are, the table's class says."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from tracker.database.tables import Base


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a row of the table means in another lab."""

    # Columns that name the row it belongs to, with which it comes and goes.
    owners: tuple[str, ...] = ()
    # What makes two rows of two labs the same one. Such a row comes along when others refer to
    # it, and what the other lab has already stays as it is there.
    key: tuple[str, ...] = ()
    # The order of rows that belong to nothing, the same in every lab.
    order: tuple[str, ...] = ()
    # References that are no foreign keys: column -> table.
    refers: Mapping[str, str] = field(default_factory=dict)
    # Columns that are not copied as they are: column -> the SQL of what is.
    derived: Mapping[str, str] = field(default_factory=dict)
    # The column with the path of a file in the lab.
    file: str | None = None
    # Whether it tells what happened in a run: runs that differ in it are not the same.
    history: bool = False
    # Columns of the above that people change afterwards.
    loose: frozenset[str] = frozenset()
    # Why its rows stay behind.
    left_out: str | None = None


_CURRENT_RUN = (
    "(SELECT runs.id FROM runs"
    " WHERE runs.id = pipelines.current_run_id AND runs.pipeline_id = pipelines.id)"
)
# The newest phase result may be undone since; the one before it says the same.
_NEWEST_PHASE = (
    "(SELECT max(phase_results.id) FROM phase_results"
    " WHERE phase_results.run_id = checkpoints.run_id"
    " AND phase_results.id <= checkpoints.newest_phase_id)"
)

RULES: Mapping[str, Rule] = {
    "experiments": Rule(key=("name",)),
    "environments": Rule(key=("hash",)),
    "datasets": Rule(key=("name", "fingerprint")),
    # Comes along for metrics that are called so.
    "goals": Rule(key=("metric",)),
    "pipelines": Rule(
        order=("created", "config_hash", "name"),
        refers={"current_run_id": "runs"},
        derived={"current_run_id": _CURRENT_RUN},
    ),
    "runs": Rule(
        order=("created", "uuid"),
        history=True,
        loose=frozenset({"name", "note", "archived", "deleted"}),
    ),
    "sweeps": Rule(order=("created", "name")),
    "trials": Rule(owners=("sweep_id",), derived={"worker_id": "NULL"}),
    "tags": Rule(owners=("pipeline_id", "run_id")),
    "params": Rule(owners=("run_id",), history=True),
    "run_datasets": Rule(owners=("run_id",)),
    "sessions": Rule(owners=("run_id",), file="log", history=True),
    "phase_results": Rule(owners=("run_id",), file="results_path", history=True),
    "series": Rule(owners=("run_id",), history=True, loose=frozenset({"headline"})),
    "metrics": Rule(owners=("series_id",)),
    "checkpoints": Rule(
        owners=("run_id",),
        file="path",
        refers={"newest_phase_id": "phase_results"},
        derived={"newest_phase_id": _NEWEST_PHASE},
    ),
    "artifacts": Rule(owners=("run_id",), file="path"),
    "workers": Rule(left_out="who takes trials of a sweep does so in the lab it is in"),
    "leftovers": Rule(left_out="files that a lab has still to delete are that lab's own"),
}

# The points have a form of their own: there may be millions.
POINTS = "metrics"


def travelling() -> list[sa.Table]:
    """The tables whose rows are in a bundle as text, each after those it refers to."""
    return [
        table
        for table in Base.metadata.sorted_tables
        if RULES[table.name].left_out is None and table.name != POINTS
    ]


def references(table: sa.Table) -> dict[str, str]:
    """Every column that refers to a row of a table, and which table that is."""
    keys = {key.parent.name: key.column.table.name for key in table.foreign_keys}
    return keys | dict(RULES[table.name].refers)


def has_id(table: sa.Table) -> bool:
    """Whether rows are known by a number, which is another one in each lab."""
    return "id" in table.columns
