"""Paths that a database may name: relative, and inside the lab whatever links there are."""

from pathlib import Path, PurePosixPath

from tracker.errors import InvalidError


def contained(root: Path, relative: str) -> Path:
    """Where `relative` lies under `root`; InvalidError if it could lie anywhere else.

    Absolute paths, `..`, and symbolic links that lead out are refused; the file need not
    be there.
    """
    pure = PurePosixPath(relative)
    parts = relative.split("/")
    if pure.is_absolute() or not set(parts).isdisjoint({"", ".", ".."}):
        raise InvalidError(f"{relative!r} is not a plain path inside the lab.")
    if "\\" in relative or "\0" in relative or ":" in parts[0]:
        raise InvalidError(f"{relative!r} holds a character that no path inside the lab may have.")
    path = root.joinpath(*parts)
    if not path.resolve().is_relative_to(root.resolve()):
        raise InvalidError(f"{relative!r} leads out of the lab through a symbolic link.")
    return path


def relative_to(root: Path, path: Path) -> str:
    """How the database names `path`; InvalidError if it does not lie inside the lab."""
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        raise InvalidError(f"{path} does not lie inside the lab at {root}.") from None
