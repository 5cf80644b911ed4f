"""A sweep of three trials, and a worker of it."""

import pytest

from tests.tracker.registry.sweeps.making import make_sweep
from tracker.registry.processes import this_process
from tracker.registry.sweeps.workers import (
    begin_worker,
)


@pytest.fixture
def sweep_id(database):
    with database.write() as session:
        return make_sweep(session)


@pytest.fixture
def worker_id(database, sweep_id):
    with database.write() as session:
        return begin_worker(session, sweep_id, this_process()).id
