"""Where a picture may be written: checked before anything is read."""

from pathlib import Path

from tracker.errors import InvalidError

STILL = (".pdf", ".png", ".svg")
MOVING = (".gif", ".mp4")


def check_picture_path(path: Path, *, moving: bool = False) -> None:
    """Refuses a kind of picture nobody can draw and a folder that is not there."""
    suffixes, suffix = MOVING if moving else STILL, path.suffix.lower()
    if suffix not in suffixes:
        hint = ""
        if suffix in MOVING:
            hint = " What moves is animated over a field."
        elif suffix in STILL:
            hint = " This picture is animated."
        raise InvalidError(
            f"Cannot draw into {str(path)!r}: the name must end in {', '.join(suffixes)}.{hint}"
        )
    check_folder(path)


def check_folder(path: Path) -> None:
    """Refuses a file whose folder is not there."""
    if not path.parent.is_dir():
        raise InvalidError(f"There is no folder {str(path.parent)!r} to put {path.name!r} in.")
