"""Stopping before the time is over."""

from hypothesis import given
from hypothesis import strategies as st

from tracker.pipelines.limits import Deadline


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
