"""When a trial ran, how long, and with which code."""

import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from tracker.database.types import now
from tracker.recording.git import find_repository, head_commit


class RunInfo:
    """The moment, the duration and the commit of something that runs, from when it is made.

    Goes on from `prev_duration` where something was interrupted. Changes nothing in the
    directory that it is made in, whether that is in a repository or not.
    """

    infos: ClassVar[list[str]] = ["datetime", "duration", "commit_hash"]

    def __init__(self, prev_duration: timedelta = timedelta(0)) -> None:
        self._moment = now()
        self._duration = prev_duration
        self._since = time.monotonic()
        root = find_repository([Path.cwd()])
        self._commit_hash = None if root is None else head_commit(root)

    def get(self) -> dict[str, Any]:
        """`datetime` (aware, in UTC), `duration` and `commit_hash`, None outside a repository.

        The moment and the duration are those of the last update.
        """
        moment: datetime = self._moment
        return {
            "datetime": moment,
            "duration": self._duration,
            "commit_hash": self._commit_hash,
        }

    def update_and_get(self) -> dict[str, Any]:
        """The same, with the time that has passed since the last update added."""
        since = time.monotonic()
        self._duration += timedelta(seconds=since - self._since)
        self._since = since
        self._moment = now()
        return self.get()
