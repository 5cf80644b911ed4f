"""What a mapping in a configuration may hold, and how each value is checked."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tracker.errors import did_you_mean
from tracker.pipelines.documents import Document, KeyPath, dotted

# Looks at the value at a path; raises the document's error if it is not as it must be.
Check = Callable[[Document, KeyPath, Any], None]


@dataclass(frozen=True)
class Setting:
    check: Check
    required: bool = False


def check_mapping(
    document: Document, path: KeyPath, value: Any, settings: Mapping[str, Setting]
) -> None:
    """Raises for a key that is unknown or missing, and for a value its setting refuses.

    A value of None counts as left out.
    """
    inside = f" in {dotted(path)}" if path else ""
    if not isinstance(value, dict):
        raise document.error(path, f"{dotted(path)} must be a mapping, not {value!r}.")
    for key in value:
        if key not in settings:
            raise document.error(
                (*path, key),
                f"there is no setting {key!r}{inside}.{_suggestion(key, settings)}",
            )
    for key, setting in settings.items():
        if value.get(key) is not None:
            setting.check(document, (*path, key), value[key])
        elif setting.required:
            raise document.error(path, f"the setting {key!r} is missing{inside}.")


def _suggestion(key: str, known: Iterable[str]) -> str:
    return did_you_mean(key, known) or f" Known: {', '.join(sorted(known))}."


def text(document: Document, path: KeyPath, value: Any) -> None:
    """Text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise document.error(path, f"{dotted(path)} must be text, not {value!r}.")


def boolean(document: Document, path: KeyPath, value: Any) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise document.error(path, f"{dotted(path)} must be true or false, not {value!r}.")


def mapping(document: Document, path: KeyPath, value: Any) -> None:
    """Any keys with any values."""
    if not isinstance(value, dict):
        raise document.error(path, f"{dotted(path)} must be a mapping, not {value!r}.")


def whole(minimum: int) -> Check:
    """A whole number that is not below `minimum`."""

    def check(document: Document, path: KeyPath, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise document.error(
                path,
                f"{dotted(path)} must be a whole number of at least {minimum}, not {value!r}.",
            )

    return check


def number(minimum: float, maximum: float | None = None) -> Check:
    """A number between the two, both included."""
    limits = f"of at least {minimum:g}" if maximum is None else f"from {minimum:g} to {maximum:g}"

    def check(document: Document, path: KeyPath, value: Any) -> None:
        right = isinstance(value, int | float) and not isinstance(value, bool)
        # Written so that NaN fails.
        if not (right and value >= minimum and (maximum is None or value <= maximum)):
            raise document.error(path, f"{dotted(path)} must be a number {limits}, not {value!r}.")

    return check


def one_of(*names: str) -> Check:
    """One of these words."""

    def check(document: Document, path: KeyPath, value: Any) -> None:
        if value not in names:
            hint = did_you_mean(str(value), names)
            raise document.error(
                path, f"{dotted(path)} must be one of {', '.join(names)}, not {value!r}.{hint}"
            )

    return check


def names(document: Document, path: KeyPath, value: Any) -> None:
    """A name, or a list of different ones."""
    listed = [value] if isinstance(value, str) else value
    right = isinstance(listed, list) and listed and all(isinstance(name, str) for name in listed)
    if not right:
        raise document.error(path, f"{dotted(path)} must be a name or a list of names.")
    for name in listed:
        if listed.count(name) > 1:
            raise document.error(path, f"{dotted(path)} names {name!r} twice.")


def fields(settings: Mapping[str, Setting]) -> Check:
    """A mapping with exactly these settings."""

    def check(document: Document, path: KeyPath, value: Any) -> None:
        check_mapping(document, path, value, settings)

    return check


def either(first: type, check_first: Check, otherwise: Check) -> Check:
    """`check_first` for a value of the type `first`, `otherwise` for any other."""

    def check(document: Document, path: KeyPath, value: Any) -> None:
        (check_first if isinstance(value, first) else otherwise)(document, path, value)

    return check
