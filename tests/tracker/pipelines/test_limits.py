"""Lengths of time, and stopping before they are over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.errors import InvalidError
from tracker.pipelines.limits import Deadline, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("2d", 172800),
        ("1h 5m 3s", 3903),
        ("45", 45),
        (45, 45),
        (0.5, 0.5),
        ("1H", 3600),
    ],
)
def test_a_length_of_time_is_read_in_seconds(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "10 minutes", "-3s", "0", 0, -1, "1h30", "nan", float("nan"), True, "1e3s"]
)
def test_what_is_no_length_of_time_is_refused(text):
    with pytest.raises(InvalidError, match="write it as 90s, 10m or 1h30m"):
        parse_duration(text)


class Experiment:
    stops = 0

    def request_stop(self):
        self.stops += 1


@given(st.lists(st.floats(0.01, 5), min_size=1, max_size=30), st.floats(0.1, 60))
def test_it_stops_with_time_left_for_one_more_pause_like_the_longest(pauses, limit):
    moment = [0.0]
    deadline = Deadline(limit, clock=lambda: moment[0])
    experiment = Experiment()
    deadline.run_started(experiment, resumed=False)

    longest = 0.0
    for batch, pause in enumerate(pauses):
        moment[0] += pause
        longest = max(longest, pause)
        deadline.batch_ended(path=(0,), epoch=0, batch=batch, step=batch + 1)
        if moment[0] + 1.5 * longest >= limit:
            break
        assert not experiment.stops

    assert deadline.reached == bool(experiment.stops)
    assert experiment.stops == (moment[0] + 1.5 * longest >= limit)


def test_it_asks_once():
    moment = [0.0]
    deadline = Deadline(1, clock=lambda: moment[0])
    experiment = Experiment()
    deadline.run_started(experiment, resumed=False)
    for batch in range(3):
        moment[0] += 10
        deadline.batch_ended(path=(0,), epoch=0, batch=batch, step=batch + 1)

    assert experiment.stops == 1
