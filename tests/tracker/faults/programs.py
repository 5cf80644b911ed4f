"""Programs that many processes run at once, or that are killed while they run.

python programs.py log LAB NAME POINTS      make the lab if need be, log that many points
python programs.py endless LAB NAME         log at full speed; tell each point once stored
python programs.py read LAB POINTS          read until that many points are there
"""

import math
import sys
import time
from pathlib import Path

from sqlalchemy import func, select

from tracker.database.connection import Database, connect
from tracker.database.kinds import Axis
from tracker.database.tables import Metric, Run, Series
from tracker.database.upgrade import prepare
from tracker.registry.metrics import ensure_series, insert_points
from tracker.registry.processes import this_process
from tracker.registry.runs import create_run
from tracker.registry.sessions import begin_session


def begin(path, name):
    """A running run of this process, and a connection to log with."""
    prepare(path)
    database = Database(path)
    with database.write() as session:
        run = create_run(session, name=name, experiment="race", params={"lr": 0.1}, tags=["many"])
        begin_session(session, run.id, this_process())
    database.close()
    connection = connect(path)
    connection.execute("BEGIN IMMEDIATE")
    series_id = ensure_series(connection, run.id, "loss", Axis.STEP)
    connection.execute("COMMIT")
    return connection, series_id


def store(connection, series_id, step):
    connection.execute("BEGIN IMMEDIATE")
    insert_points(connection, [(series_id, step, None, 1.0 / (step + 1), step)])
    connection.execute("COMMIT")


def log(path, name, points):
    connection, series_id = begin(path, name)
    for step in range(points):
        store(connection, series_id, step)
    connection.close()


def endless(path, name, tell):
    connection, series_id = begin(path, name)
    tell("ready")
    for step in range(sys.maxsize):
        store(connection, series_id, step)
        tell(step)


def read(path, points):
    """Reads until all points are there; each moment that it sees is a consistent one."""
    prepare(path)
    database = Database(path)
    seen = 0
    while seen < points:
        with database.read() as session:
            summed = session.scalar(select(func.coalesce(func.sum(Series.count), 0)))
            stored = session.scalar(select(func.count()).select_from(Metric))
            session.scalars(select(Run)).all()
        assert stored == summed >= seen, (stored, summed, seen)
        seen = stored
        time.sleep(0.01)
    database.close()
    return seen


def assert_whole(path, runs, points):
    """Exactly these runs with exactly these points, their summaries true, the file sound."""
    connection = connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert connection.execute("SELECT count(*) FROM experiments").fetchall() == [(1,)]
    assert connection.execute("SELECT count(*) FROM runs").fetchall() == [(runs,)]
    assert connection.execute("SELECT count(*) FROM params").fetchall() == [(runs,)]
    assert connection.execute("SELECT count(*) FROM metrics").fetchall() == [(runs * points,)]
    rows = connection.execute("SELECT count, last_step, total FROM series").fetchall()
    total = sum(1.0 / (step + 1) for step in range(points))
    assert len(rows) == runs
    assert {row[:2] for row in rows} == {(points, points - 1)}
    assert all(math.isclose(row[2], total) for row in rows)
    connection.close()


if __name__ == "__main__":
    deed, lab, *rest = sys.argv[1:]
    if deed == "log":
        log(Path(lab), rest[0], int(rest[1]))
    elif deed == "read":
        read(Path(lab), int(rest[0]))
    else:
        endless(Path(lab), rest[0], lambda what: print(what, flush=True))
