"""Where the next point of a run stands, where its caller did not say.

On the driver's connection, as `metrics.insert_points` beside which these run.
"""

from typing import Any

# When the session ended; no row: it was deleted.
SESSION_END = "SELECT ended FROM sessions WHERE id = ?"
# How far the run is, along whatever axis; -1: it has no points.
REACHED = "SELECT coalesce(max(last_step), -1) FROM series WHERE run_id = ?"


def last_step(connection: Any, run_id: int) -> int:
    """The highest step that the run's step series have; -1 if they have none."""
    ((step,),) = connection.execute(
        "SELECT max(last_step) FROM series WHERE run_id = ? AND axis = 'step'", (run_id,)
    ).fetchall()
    return -1 if step is None else int(step)


def step_of_epoch(connection: Any, series_id: int, epoch: int | None, run_step: int) -> int:
    """The step for an epoch's point: its own if it has one already, else one that is free.

    A new one stands at the run's last step, so that curves per epoch and per step align,
    and always after the series' last point.
    """
    found = connection.execute(
        "SELECT step, epoch FROM metrics WHERE series_id = ? ORDER BY step DESC LIMIT 1",
        (series_id,),
    ).fetchall()
    if not found:
        return max(run_step, 0)
    ((last, last_epoch),) = found
    if last_epoch is not None and epoch is not None and epoch <= last_epoch:
        same = connection.execute(
            "SELECT max(step) FROM metrics WHERE series_id = ? AND epoch = ?", (series_id, epoch)
        ).fetchall()
        if same[0][0] is not None:
            return int(same[0][0])
    return max(run_step, int(last) + 1)


def first_step_of_phase(connection: Any, phase_result_id: int) -> int | None:
    """The lowest step that a training has points at: this phase, or one inside of this group."""
    ((step,),) = connection.execute(
        "WITH RECURSIVE inside(id) AS (VALUES (?)"
        " UNION ALL SELECT below.id FROM phase_results AS below"
        " JOIN inside ON below.parent_id = inside.id)"
        " SELECT min(first_step) FROM series JOIN phase_results AS phase"
        " ON phase.id = phase_result_id WHERE phase.kind = 'train'"
        " AND phase.id IN (SELECT id FROM inside)",
        (phase_result_id,),
    ).fetchall()
    return None if step is None else int(step)
