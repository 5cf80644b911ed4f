import pytest
import sqlalchemy as sa

from tracker.lab import Lab


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
