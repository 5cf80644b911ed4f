"""What experiments, runs, pipelines, metrics and tags may be called."""

from collections.abc import Callable

from tracker.errors import InvalidError

LONGEST = 250


def checked_name(kind: str, name: object) -> str:
    """The name, if it is one that can be typed, printed and found again; else InvalidError."""
    if not isinstance(name, str):
        raise InvalidError(f"The name of a {kind} must be text, not {name!r}.")
    if not name or name != name.strip() or not name.isprintable():
        raise InvalidError(
            f"{name!r} cannot be the name of a {kind}: it must not be empty, begin or end with "
            "a space, or hold characters that do not print."
        )
    if name.startswith("-"):
        raise InvalidError(f"{name!r} cannot be the name of a {kind}: it would read as an option.")
    if len(name) > LONGEST:
        raise InvalidError(
            f"The name of a {kind} may have {LONGEST} characters; {name[:20]!r}... has {len(name)}."
        )
    return name


def free_name(name: str, taken: Callable[[str], bool]) -> str:
    """The name itself, or the name with `-2`, `-3`, ... if it is taken.

    Asks about few names even where thousands are taken: it doubles the number until one is
    free, then closes in from below.
    """
    if not taken(name):
        return name
    low, high = 1, 2
    while taken(f"{name}-{high}"):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if taken(f"{name}-{middle}") else (low, middle)
    return f"{name}-{high}"
