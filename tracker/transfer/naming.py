"""What files are called in a bundle: so that every file system has them, and nothing leads out."""

import re
import unicodedata

LONGEST_PART, LONGEST_NAME = 200, 600

_UUID = re.compile(r"[0-9a-f]{32}")
_FORBIDDEN = re.compile(r"[^\w.()@+=,%~#!&' -]")


def inner_path(uuid: str, path: str) -> str:
    """Where a file of the run with this uuid lies in a bundle, from where it lies in a lab.

    `<uuid>/checkpoints/last.ckpt`, whatever folder the run's folder is in; a file that lies
    elsewhere becomes `<uuid>/other/...`. Characters that only some file systems have are
    replaced.
    """
    parts = path.split("/")
    inner = parts[parts.index(uuid) + 1 :] if uuid in parts[:-1] else ["other", *parts]
    return "/".join([uuid, *map(_safe, inner)])


def numbered(inner: str, number: int) -> str:
    """Another name for a file whose name is another's already: `report-2.html`."""
    *folders, name = inner.split("/")
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    return "/".join([*folders, _safe(f"{stem}-{number}{dot}{suffix}")])


def folded(inner: str) -> str:
    """The same for names that some file system takes for one: of letters of either case, say."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", inner).casefold())


def is_inner_path(path: object) -> bool:
    """Whether it is a path that `inner_path` could have made."""
    if not isinstance(path, str) or len(path) > LONGEST_NAME:
        return False
    uuid, *parts = path.split("/")
    return bool(_UUID.fullmatch(uuid)) and bool(parts) and all(map(_is_safe, parts))


def is_source_path(path: str) -> bool:
    """Whether it is `package/module.py`, every part of it a name in Python."""
    *packages, module = path.removesuffix(".py").split("/")
    parts = [*packages, module]
    return (
        path.endswith(".py")
        and len(path) <= LONGEST_NAME
        and all(part.isidentifier() and len(part.encode()) <= LONGEST_PART for part in parts)
    )


def is_uuid(value: object) -> bool:
    """Whether it is what runs are known by."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def _is_safe(part: str) -> bool:
    return (
        bool(part)
        and not _FORBIDDEN.search(part)
        and part.isprintable()
        and not part.startswith(".")
        # Of the end of a name Windows has its own opinion.
        and part == part.strip().rstrip(".")
        and len(part.encode()) <= LONGEST_PART
    )


def _safe(part: str) -> str:
    if _is_safe(part):
        return part
    stem, dot, suffix = part.rpartition(".")
    if not stem:
        stem, dot, suffix = part, "", ""
    ending = dot + _FORBIDDEN.sub("_", suffix)[:20]
    cleaned = _FORBIDDEN.sub("_", stem).strip(" .") or "_"
    # What makes such names unique, a hash of the content, stands at the end.
    while len((cleaned + ending).encode()) > LONGEST_PART:
        cleaned = cleaned[1:]
    name = (cleaned + ending).strip().rstrip(".").lstrip(".")
    return name if _is_safe(name) else "_"
