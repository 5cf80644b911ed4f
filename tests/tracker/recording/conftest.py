import pytest
import sqlalchemy as sa

from tracker.database.kinds import CheckpointKind
from tracker.lab import Lab
from tracker.recording import tracking
from tracker.registry.checkpoints import checkpoints_of


@pytest.fixture
def lab(lab_root):
    """This test's own lab, empty."""
    with Lab.open(lab_root) as lab:
        yield lab


@pytest.fixture
def rows(lab):
    """The answer to a query as plain rows: `rows("SELECT name FROM runs")`."""

    def ask(query, **parameters):
        with lab.database.read() as session:
            return [tuple(row) for row in session.execute(sa.text(query), parameters)]

    return ask


@pytest.fixture
def points(rows):
    """Every point: (metric, axis, step, epoch, value), ordered."""

    def ask():
        return rows(
            "SELECT name, axis, step, epoch, value FROM metrics"
            " JOIN series ON series.id = series_id ORDER BY name, axis, step"
        )

    return ask


@pytest.fixture
def run(lab):
    """A run under way, `digits/first`."""
    with lab.run("first", experiment="digits") as run:
        yield run


@pytest.fixture
def states(lab):
    """The names of the first run's checkpoints to go on from, newest first."""

    def ask(kind=CheckpointKind.STATE):
        with lab.database.read() as session:
            return [row.name for row in checkpoints_of(session, 1, kind)]

    return ask


@pytest.fixture
def often(monkeypatch):
    """An experiment's progress and stop are looked at after every batch."""
    monkeypatch.setattr(tracking, "POLL_S", 0.0)
