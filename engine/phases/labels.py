"""Labels and names that users give."""

from typing import Any

from engine.errors import PhaseError


def checked_label(label: Any, of: str) -> str:
    """The label, if it is one."""
    if not isinstance(label, str) or not label.strip():
        raise PhaseError(f"The {of} is a text that is not empty, and this is {label!r}.")
    return label
