"""What a change of many pipelines and runs has done, or would do."""

from typing import NamedTuple

from tracker.errors import StateError


class Change(NamedTuple):
    """The pipelines, runs and sweeps that are changed, and the space that it is about.

    Runs are called `experiment/name`; those of the pipelines and sweeps are among them. Of what
    goes to the trash, the files are those that purging would delete.
    """

    pipelines: list[str]
    runs: list[str]
    files: int = 0
    bytes: int = 0  # of the files
    # What the database gives back to the disk; 0 where nothing is really gone.
    database_bytes: int = 0
    # Of pruning: `experiment/name checkpoint`.
    checkpoints: tuple[str, ...] = ()
    sweeps: tuple[str, ...] = ()

    def joined(self, other: "Change") -> "Change":
        """Both as one; of runs that stand in both, files and bytes would be counted twice."""
        return Change(
            pipelines=self.pipelines + other.pipelines,
            runs=self.runs + other.runs,
            files=self.files + other.files,
            bytes=self.bytes + other.bytes,
            database_bytes=self.database_bytes + other.database_bytes,
            checkpoints=self.checkpoints + other.checkpoints,
            sweeps=self.sweeps + other.sweeps,
        )


def refuse_other(change: Change, shown: Change | None) -> None:
    """StateError if a change would not be the one that was shown to somebody before."""
    if shown is not None and _what(change) != _what(shown):
        raise StateError(
            "The lab has changed since this was shown: now it would be "
            f"{len(change.pipelines)} pipelines, {len(change.runs)} runs and"
            f" {len(change.sweeps)} sweeps. Nothing was done; "
            "look again."
        )


def _what(change: Change) -> tuple[object, ...]:
    return change.pipelines, change.runs, change.checkpoints, change.sweeps
