"""What checkpoints are called."""

import string
from collections.abc import Mapping
from typing import Any

from engine.errors import PhaseError

# Filled in by way of trial, so that a template that cannot be is refused when it is given.
_SAMPLES: Mapping[str, Any] = {"phase": "phase", "epoch": 0, "batch": 0, "label": "label"}


def check_template(template: str, allowed: frozenset[str], context_name: str) -> None:
    """Refuse a template that names other placeholders, or that makes no file's name."""
    known = ", ".join(f"{{{name}}}" for name in sorted(allowed))
    fills = f"{context_name} fills in only {known}"
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise PhaseError(f"The name template {template!r} is none ({error}); {fills}.") from error
    for name in sorted({name for _, name, _, _ in parsed if name is not None} - allowed):
        raise PhaseError(f"The name template {template!r} uses {{{name}}}; {fills}.")
    try:
        sample = template.format(**_SAMPLES)
    except (ValueError, LookupError) as error:
        raise PhaseError(
            f"The name template {template!r} cannot be filled in ({error}); {fills}."
        ) from error
    checked_name(sample)


def is_file_name(name: Any) -> bool:
    """Whether it leads to a file of the folder that it is looked for in, and to no other place."""
    if not isinstance(name, str) or not name or name.startswith("."):
        return False
    return not any(letter in name for letter in "/\\\0")


def checked_name(name: str) -> str:
    """The name, if a file can have it."""
    if not is_file_name(name):
        raise PhaseError(
            f"A checkpoint's name is that of a file, and {name!r} is none: it holds neither "
            "slashes nor a dot at its beginning. A name_template gives other names."
        )
    return name
