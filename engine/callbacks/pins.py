"""Pinned checkpoint files.

A pin is an empty file beside the checkpoint, so that every process sees it: also the one that goes
on from an older checkpoint, or from one that was written before the pin was set.
"""

from pathlib import Path

from engine.errors import CheckpointError

PIN = ".pinned"


def is_pinned(path: Path) -> bool:
    """Whether there is a checkpoint at this path, and a pin on it."""
    return _mark(path).exists() and path.exists()


def pin(path: Path) -> None:
    """Keep this checkpoint from being removed or overwritten."""
    _mark(path).touch()
    if not path.is_file():
        _mark(path).unlink(missing_ok=True)
        raise CheckpointError(f"There is no checkpoint {path} to be pinned.")


def unpin(path: Path) -> None:
    """Take the pin off, if there is one."""
    _mark(path).unlink(missing_ok=True)


def make_room(path: Path) -> Path:
    """The path, or if a pinned checkpoint lies there the next free one: `name-2`.

    A pin whose checkpoint somebody has deleted is no pin for the next of its name.
    """
    number, free = 1, path
    while is_pinned(free):
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    unpin(free)
    return free


def _mark(path: Path) -> Path:
    return path.with_name(f"{path.name}{PIN}")
