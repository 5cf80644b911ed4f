import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.filters.moments import read_seconds, read_span

NOW = datetime(2026, 3, 31, 12, 30, tzinfo=UTC)


@pytest.fixture
def berlin(monkeypatch):
    """This machine stands in Berlin: one hour ahead in winter, two in summer."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026", utc(2025, 12, 31, 23), utc(2026, 12, 31, 23)),
        ("2026-02", utc(2026, 1, 31, 23), utc(2026, 2, 28, 23)),
        ("2026-12", utc(2026, 11, 30, 23), utc(2026, 12, 31, 23)),
        ("2026-01-31", utc(2026, 1, 30, 23), utc(2026, 1, 31, 23)),
        # The clocks go forward: a day of 23 hours, a month without one.
        ("2026-03-29", utc(2026, 3, 28, 23), utc(2026, 3, 29, 22)),
        ("2026-03", utc(2026, 2, 28, 23), utc(2026, 3, 31, 22)),
        ("2026-01-31 09", utc(2026, 1, 31, 8), utc(2026, 1, 31, 9)),
        ("2026-01-31T09:30", utc(2026, 1, 31, 8, 30), utc(2026, 1, 31, 8, 31)),
        ("2026-01-31 09:30:15", utc(2026, 1, 31, 8, 30, 15), utc(2026, 1, 31, 8, 30, 16)),
        (
            "2026-01-31 09:30:15.25",
            utc(2026, 1, 31, 8, 30, 15, 250_000),
            utc(2026, 1, 31, 8, 30, 15, 250_001),
        ),
        ("2026-01-31T09:30Z", utc(2026, 1, 31, 9, 30), utc(2026, 1, 31, 9, 31)),
        ("2026-01-31 09:30+05:30", utc(2026, 1, 31, 4), utc(2026, 1, 31, 4, 1)),
        ("2026-01-31T09-0100", utc(2026, 1, 31, 10), utc(2026, 1, 31, 11)),
        (" 2026-01-31 ", utc(2026, 1, 30, 23), utc(2026, 1, 31, 23)),
        ("today", utc(2026, 3, 30, 22), utc(2026, 3, 31, 22)),
        ("Yesterday", utc(2026, 3, 29, 22), utc(2026, 3, 30, 22)),
    ],
)
@pytest.mark.usefixtures("berlin")
def test_a_date_is_all_the_time_that_it_leaves_open(text, start, end):
    assert read_span(text, NOW) == (start, end)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("now", NOW),
        ("90 seconds ago", NOW - timedelta(seconds=90)),
        ("1.5h ago", NOW - timedelta(minutes=90)),
        ("2 days ago", NOW - timedelta(days=2)),
        ("3  WEEKS  ago", NOW - timedelta(weeks=3)),
        ("1 month ago", utc(2026, 2, 28, 13, 30)),
        ("13 months ago", utc(2025, 2, 28, 13, 30)),
        ("2 years ago", utc(2024, 3, 31, 12, 30)),
    ],
)
@pytest.mark.usefixtures("berlin")
def test_a_time_ago_is_an_instant(text, start):
    assert read_span(text, NOW) == (start, start + timedelta(microseconds=1))


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "2026-13", "2026-02-30", "2026-1-1", "26-01-01", "2026-01-31 25:00", "ago"),
        *("20260131", "2026-01-31 9", "2026-01-31 09:30:15.1234567", "2026-01-31T", "0000", "9999"),
        *("2 days", "-2 days ago", "2 fortnights ago", "99999 years ago", "999999999 weeks ago"),
        *("2026-01-31Z", "2026-01-31 09:30+99:00", "0001-01-01", "two days ago", "1.5 months ago"),
    ],
)
@pytest.mark.usefixtures("berlin")
def test_what_is_no_date_is_none(text):
    assert read_span(text, NOW) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90 minutes", 5400), ("90min", 5400), ("1.5 H", 5400), ("1 m", 60), ("2 d", 172_800),
        ("1 week", 604_800), ("0 s", 0), ("3 months", None), ("long", None), ("", None),
        ("90", None), ("-1 s", None), ("1 s ago", None),
    ],
)  # fmt: skip
def test_a_duration_is_an_amount_of_a_unit(text, seconds):
    assert read_seconds(text) == seconds


offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


FIRST, LAST = datetime(1970, 1, 2), datetime(9000, 1, 1)  # noqa: DTZ001 - as Hypothesis wants it


@given(st.datetimes(FIRST, LAST, timezones=offsets))
def test_a_whole_date_is_read_back(moment):
    span = read_span(moment.isoformat(), NOW)

    assert span.start == moment
    assert span.end - span.start in (timedelta(microseconds=1), timedelta(seconds=1))
