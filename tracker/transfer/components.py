"""The source of the components that pipelines consist of."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tracker.errors import InvalidError, TakenError, unusable
from tracker.files.durable import write_whole
from tracker.pipelines.documents import Document
from tracker.pipelines.recipes import recipe_of
from tracker.pipelines.sources import modules
from tracker.transfer.naming import is_source_path


def source_files(configs: Iterable[dict[str, Any]], root: Path) -> dict[str, Path]:
    """`package/module.py` -> the file, for the components of these configurations.

    And for what those import, as far as it was not installed. They are imported to be found.
    """
    components = [
        component
        for config in configs
        for component in recipe_of(Document(config)).components(config)
    ]
    found = modules(components, root)
    return {_place(name, path): path for name, path in found.items()}


def unpack_sources(sources: Mapping[str, str], directory: Path) -> list[Path]:
    """Writes the texts into a directory, each whole; returns what was written.

    What is there already stays. TakenError, and nothing is written, if another text is at one
    of the places.
    """
    targets = _targets(sources, directory)
    try:
        missing = [path for path, text in targets.items() if not _holds(path, text)]
        for path in missing:
            _write(path, targets[path])
    except OSError as error:
        raise unusable(directory, error) from error
    return missing


def _holds(path: Path, text: str) -> bool:
    if not path.exists() and not path.is_symlink():
        return False
    if path.is_symlink() or path.read_bytes() != text.encode():
        raise TakenError(f"There is something else at {path}. Nothing was unpacked.")
    return True


def _write(path: Path, text: str) -> None:
    write_whole(path, lambda aside: aside.write_bytes(text.encode()))


def _targets(sources: Mapping[str, str], directory: Path) -> dict[Path, str]:
    root = directory.resolve()
    for place in sources:
        if not is_source_path(place) or not (directory / place).resolve().is_relative_to(root):
            raise InvalidError(f"{place!r} is no place inside {directory}.")
    return {directory / place: text for place, text in sources.items()}


def _place(name: str, path: Path) -> str:
    folder = name.replace(".", "/")
    return f"{folder}/__init__.py" if path.name == "__init__.py" else f"{folder}.py"
