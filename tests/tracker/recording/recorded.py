"""What a lab has recorded, to be compared with what another has."""

import shutil

import sqlalchemy as sa

from tracker.lab import Lab


def outcome(rows, run_id=1):
    """All that was recorded of a run, without moments and ids."""
    points = rows(
        "SELECT name, axis, label, step, metrics.epoch, value FROM metrics"
        " JOIN series ON series.id = series_id"
        " LEFT JOIN phase_results ON phase_results.id = phase_result_id"
        " WHERE series.run_id = :run ORDER BY 1, 2, 3, 4",
        run=run_id,
    )
    summaries = rows(
        "SELECT name, axis, headline, count, numbers, first, last, last_step, minimum,"
        " minimum_step, minimum_epoch, maximum, maximum_step FROM series WHERE run_id = :run"
        " ORDER BY 1, 2",
        run=run_id,
    )
    phases = rows(
        "SELECT label, kind, position, status, epochs, batches, summary FROM phase_results"
        " WHERE run_id = :run ORDER BY id",
        run=run_id,
    )
    return points, summaries, phases


def new_lab(empty_database, folder):
    """An empty lab in a folder of its own."""
    (folder / ".labkeeper" / "files").mkdir(parents=True)
    shutil.copy(empty_database, folder / ".labkeeper" / "lab.db")
    return Lab.open(folder)


def rows_of(lab):
    """What asks the lab's database, as the fixture `rows` does."""

    def ask(query, **parameters):
        with lab.database.read() as session:
            return [tuple(row) for row in session.execute(sa.text(query), parameters)]

    return ask
