from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from tracker.database.tables import Experiment
from tracker.database.types import now


@pytest.fixture
def stored(database):
    def store(moment):
        with database.write() as session:
            session.add(Experiment(name=str(moment), created=moment))
        with database.read() as session:
            created = session.scalars(sa.select(Experiment.created)).all()[-1]
            text = session.scalars(sa.text("SELECT created FROM experiments")).all()[-1]
        return created, text

    return store


def test_a_moment_comes_back_in_utc(stored):
    created, text = stored(datetime(2026, 1, 31, 11, 30, tzinfo=timezone(timedelta(hours=2))))

    assert created == datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    assert created.tzinfo is UTC
    assert text == "2026-01-31 09:30:00.000000"


def test_a_moment_without_a_zone_is_refused(stored):
    with pytest.raises(sa.exc.StatementError, match="has no time zone"):
        stored(datetime(2026, 1, 31))  # noqa: DTZ001 - the one that is refused


def test_now_is_now():
    assert abs(now() - datetime.now(UTC)) < timedelta(minutes=1)
    assert now().tzinfo is UTC


@given(moments=st.lists(st.datetimes(timezones=st.just(UTC)), min_size=2, max_size=2))
def test_text_sorts_as_time_does(moments):
    from tracker.database.types import UtcDateTime

    column = UtcDateTime().dialect_impl(sa.create_engine("sqlite://").dialect)
    dialect = sa.create_engine("sqlite://").dialect
    bind = column.bind_processor(dialect)
    first, second = moments

    assert (bind(first) < bind(second)) == (first < second)
