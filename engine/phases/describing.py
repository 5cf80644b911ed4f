"""Objects of any class as plain values, and back."""

from collections.abc import Mapping
from typing import Any

from engine.errors import PhaseError
from engine.saving import locate, location_of


def described(thing: Any) -> dict[str, Any] | None:
    """The class and configuration of something that has one; None stays None."""
    if thing is None:
        return None
    return {"class": location_of(type(thing)), "config": thing.get_config()}


def rebuilt(description: Mapping[str, Any], *kinds: type) -> Any:
    """What was described, if it is of one of these kinds; imports its class."""
    found = locate(description["class"])
    if not (isinstance(found, type) and issubclass(found, kinds)):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise PhaseError(f"{description['class']} is no {wanted}.")
    return found.from_config(description["config"])  # type: ignore[attr-defined]  # what is described has it
