"""Classes and functions by name: `module:qualified.name`, to write down and find again."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from engine.errors import PackagedCodeError

_OURS = ("engine", "sklearn")
_foreign_allowed: ContextVar[bool] = ContextVar("foreign_allowed", default=True)


@contextmanager
def foreign_code(*, allowed: bool) -> Iterator[None]:
    """Whether `locate` may, in this block, import what is neither ours nor scikit-learn's."""
    before = _foreign_allowed.set(allowed)
    try:
        yield
    finally:
        _foreign_allowed.reset(before)


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
    _check_allowed(location, module_name)
    try:
        found: Any = importlib.import_module(module_name)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise PackagedCodeError(f"Cannot find {location!r}: {error}.") from error
    # A module of ours has names of others' as well.
    _check_allowed(location, str(getattr(found, "__module__", "")))
    return found


def _check_allowed(location: str, module_name: str) -> None:
    if not _foreign_allowed.get() and module_name.partition(".")[0] not in _OURS:
        raise PackagedCodeError(
            f"{location} in it is not ours to run. Look at it first, then load with "
            "allow_packaged_code=True."
        )
