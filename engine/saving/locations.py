"""Classes and functions by name: `module:qualified.name`, to write down and find again."""

import importlib
from typing import Any

from engine.errors import PackagedCodeError


def location_of(thing: Any) -> str:
    """Where `thing` can be imported from.

    Raises PackagedCodeError for what no other process could import: lambdas, things
    defined inside functions, and names that lead to something else.
    """
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if not module or not name:
        raise PackagedCodeError(f"{thing!r} has no name to find it by; use a class or a function.")
    location = f"{module}:{name}"
    if "<" in name:
        raise PackagedCodeError(
            f"{location} is defined inside a function, where nobody can import it from. "
            "Define it at the top level of a module."
        )
    return location


def locate(location: str) -> Any:
    """What `location_of` named. Imports the module, so give it only names you trust."""
    module_name, colon, name = location.partition(":")
    if not colon or not name:
        raise PackagedCodeError(f"{location!r} is not a location; write 'module:name'.")
    try:
        found: Any = importlib.import_module(module_name)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise PackagedCodeError(f"Cannot find {location!r}: {error}.") from error
    return found
