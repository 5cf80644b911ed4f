"""What a Checkpointing has saved: states in memory, files on disk."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from engine.callbacks.naming import is_file_name
from engine.errors import CheckpointError
from engine.saving import mentions

# A file's last bytes hold the hash of all others, so they tell it from every other file.
_TAIL = 8
Key = int | str


@dataclass(frozen=True)
class SavedInMemory:
    """A state, and the values that the metrics had there."""

    state: dict[str, Any]
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SavedOnDisk:
    """A checkpoint file, and the file with the best weights that it refers to.

    `tail` tells it from a file that somebody else writes under its name.
    """

    path: Path
    best: Path | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    tail: str | None = None

    @property
    def is_there(self) -> bool:
        """Whether its file is, and is still the one that was saved."""
        return self.path.exists() and self.tail in (None, _tail_of(self.path))

    def written(self) -> Self:
        """The same, now that its file is there."""
        return replace(self, tail=_tail_of(self.path))

    def remove(self) -> None:
        """Delete its file; one that somebody else has put in its place stays."""
        if self.is_there:
            self.path.unlink(missing_ok=True)

    def described(self, key: Key) -> list[Any]:
        """Key and file in plain values, without the folder: that may be moved.

        Every checkpoint has a line of each that is kept, so what there is not is left out.
        """
        line = [key, self.path.name, self.tail]
        if self.best is not None or self.values:
            line.append(None if self.best is None else self.best.name)
        return [*line, dict(self.values)] if self.values else line

    @classmethod
    def from_description(cls, described: list[Any], folder: Path) -> tuple[Key, Self]:
        """What `described` said, of files in this folder.

        CheckpointError for a name that leads out of it: files are removed by these names, and
        they come out of a file.
        """
        key, name, tail, *more = described
        best, values = more[0] if more else None, more[1] if len(more) > 1 else None
        for one in (name, best):
            if one is not None and not is_file_name(one):
                raise CheckpointError(
                    f"It counts {one!r} among its run's checkpoints, which is no name of a file."
                )
        return key, cls(folder / name, best and folder / best, values or {}, tail)


def remove_best_weights(gone: Iterable[SavedOnDisk], kept: Iterable[SavedOnDisk]) -> None:
    """Delete the best weights of checkpoints that are gone, unless another refers to them.

    Another may be one of this run that is kept, or any other in the folder: equal weights are one
    file, whoever wrote them.
    """
    kept = list(kept)
    named = {saved.best for saved in kept}
    known = {saved.path for saved in kept} | named
    for best in {saved.best for saved in gone if saved.best is not None} - named:
        others = set(best.parent.glob(f"*{best.suffix}")) - known - {best}
        if not any(mentions(other, best.name) for other in others):
            best.unlink(missing_ok=True)


def _tail_of(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - _TAIL, 0))
            return file.read().decode("latin-1")
    except FileNotFoundError:
        return None
