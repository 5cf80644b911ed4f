"""Ways to look at a sweep under way."""

import time
from pathlib import Path

from tracker.registry.metrics import history
from tracker.registry.runs import find_run


def wait_until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def is_gone(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state in "ZX"


def statuses(sweep):
    return [str(trial.status) for trial in sweep.trials()]


def grid(count):
    return {"grid": {"x": list(range(count))}}


def square(config):
    return {"y": config.x**2}


def curve(lab, run, name):
    """The points of a run's metric, as step -> value."""
    with lab.database.read() as session:
        found = history(session, [find_run(session, run).id], [name])
    return {step: value for step, _, value, _ in found.points}
