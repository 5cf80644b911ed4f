"""Files that a run keeps: copied into the lab whole, then registered."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from tracker.errors import InvalidError
from tracker.files import StoredFile
from tracker.recording.place import Place
from tracker.registry.artifacts import record_artifact
from tracker.registry.names import checked_name

PICTURES = (".png", ".svg", ".pdf", ".jpg", ".jpeg")


class Attachments:
    """The artifacts of one run."""

    def __init__(self, place: Place, run_id: int, uuid: str) -> None:
        self._place = place
        self._run_id = run_id
        self._folder = f"{place.files.run_folder(uuid)}/artifacts"

    def keep(self, path: Path, name: str | None) -> str:
        """Keeps a copy of a file, or of every file in a directory; returns the name."""
        named = checked_name("artifact", name or path.name or path.resolve().name)
        if path.is_dir():
            files = [(file, f"{named}/{inside}") for file, inside in _files_in(path)]
        elif path.is_file():
            files = [(path, named)]
        else:
            raise InvalidError(f"There is no file or directory at {path}.")
        self._register(
            [
                (self._place.files.keep_copy(self._folder, file, Path(called).name), called)
                for file, called in files
            ]
        )
        return named

    def keep_figure(self, figure: Any, name: str) -> str:
        """Keeps a matplotlib figure as a picture; PNG, unless the name's suffix says otherwise."""
        if not hasattr(figure, "savefig"):
            raise InvalidError(
                f"{name!r} is a {type(figure).__name__}; a matplotlib Figure is expected. Anything "
                "else can be saved to a file and kept by `run.log_artifact`."
            )
        called = checked_name("artifact", name)
        if not called.lower().endswith(PICTURES):
            called += ".png"
        kept = self._written(called, lambda aside: figure.savefig(aside, bbox_inches="tight"))
        self._register([(kept, called)])
        return called

    def _written(self, name: str, write: Callable[[Path], object]) -> StoredFile:
        """A file of its own for new content: nothing that is registered is written to again."""
        return self._place.files.write(f"{self._folder}/{uuid4().hex}{Path(name).suffix}", write)

    def _register(self, files: list[tuple[StoredFile, str]]) -> None:
        replaced: list[str] = []
        with self._place.database.write() as session:
            for file, name in files:
                replaced += record_artifact(session, self._run_id, file, name=name)
        for relative in replaced:
            self._place.files.remove(relative)


def _files_in(directory: Path) -> Iterator[tuple[Path, str]]:
    for file in sorted(directory.rglob("*")):
        if file.is_file():
            yield file, file.relative_to(directory).as_posix()
