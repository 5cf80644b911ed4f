"""Waiting for the one lock under which a lab's file is written.

SQLite by itself looks again after 1, 2, 5, 10, ... 100 milliseconds. Transactions here take a
fraction of the first, so that the lock would mostly be free while those who want it sleep.
"""

import random
import time
from typing import Any

from tracker.database.faults import BUSY_TIMEOUT_S, driver, is_busy

SHORTEST_S, LONGEST_S = 0.0001, 0.01


def begin_writing(connection: Any) -> None:
    """BEGIN IMMEDIATE on a driver connection, tried until it has the lock.

    The driver's error for a busy database after BUSY_TIMEOUT_S.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    pause = SHORTEST_S
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except driver().OperationalError as error:
                if not is_busy(error) or time.monotonic() > deadline:
                    raise
            else:
                return
            # Not in step with others that wait.
            time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
            pause = min(1.5 * pause, LONGEST_S)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {1000 * BUSY_TIMEOUT_S}")
