"""Whether a run that two databases know is the same in both: what happened, not its name."""

import hashlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from tracker.transfer.cells import write_line
from tracker.transfer.rules import RULES, references, travelling


def history_of(connection: Any, run_id: int) -> str:
    """A hash of what a run has recorded: parameters, sessions, phases, summaries of metrics.

    Left out are names, notes, tags, what else people change afterwards, and which files are
    kept. The same in every lab.
    """
    digest = hashlib.sha256()
    for table in travelling():
        if RULES[table.name].history:
            digest.update(table.name.encode())
            for row in connection.execute(_question(table), (run_id,)):
                digest.update(write_line(row))
    return digest.hexdigest()


def lacks_files(mine: Any, run_id: int, theirs: Any, their_run_id: int) -> bool:
    """Whether `theirs` keeps files of the run that `mine` never had."""
    return not _kept(theirs, their_run_id) <= set(_known(mine, run_id))


def _question(table: sa.Table) -> str:
    rule = RULES[table.name]
    own = "id" if table.name == "runs" else "run_id"
    other = {"id", "uuid", *references(table), *rule.loose, *([rule.file] if rule.file else [])}
    columns = [name for name in table.columns.keys() if name not in other]  # noqa: SIM118 - not a mapping
    order = "id" if "id" in table.columns else ", ".join(table.primary_key.columns.keys())
    return f"SELECT {', '.join(columns)} FROM {table.name} WHERE {own} = ? ORDER BY {order}"  # noqa: S608 - names of our own


def _kept(connection: Any, run_id: int) -> set[str]:
    found = connection.execute(
        "SELECT sha256 FROM checkpoints WHERE removed IS NULL AND run_id = ?1"
        " UNION SELECT sha256 FROM artifacts WHERE run_id = ?1",
        (run_id,),
    )
    return {digest for (digest,) in found}


def _known(connection: Any, run_id: int) -> Iterator[str]:
    found = connection.execute(
        "SELECT sha256 FROM checkpoints WHERE run_id = ?1"
        " UNION SELECT sha256 FROM artifacts WHERE run_id = ?1",
        (run_id,),
    )
    return (digest for (digest,) in found)
