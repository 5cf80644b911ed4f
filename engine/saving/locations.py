"""Classes and functions by name: `module:qualified.name`, to write down and find again.

A name in the code that a file brings along may say which of the file's sets it is in:
`module@1:qualified.name`.
"""

import importlib
import inspect
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any, NamedTuple

from engine.errors import PackagedCodeError
from engine.saving.packaged import CodeSet
from engine.saving.packaging import current_packaging
from engine.saving.trusted import is_trusted, is_trusted_room


class _Foreign(NamedTuple):
    """Whether code that is neither ours nor known may run, and what of it a file brings."""

    allowed: bool
    sets: Sequence[CodeSet]


_OPEN = _Foreign(allowed=True, sets=())
_foreign: ContextVar[_Foreign] = ContextVar("foreign", default=_OPEN)


@contextmanager
def foreign_code(*, allowed: bool, sets: Sequence[CodeSet] = ()) -> Iterator[None]:
    """Whether `locate` may, in this block, import what is neither ours nor a known library's.

    `sets` are the sources that a file brings; they are run as they are asked for, if at all.
    """
    before = _foreign.set(_Foreign(allowed, sets))
    try:
        yield
    finally:
        _foreign.reset(before)


def location_of(thing: Any) -> str:
    """Where `thing` can be imported from.

    Raises PackagedCodeError for what no other process could import: lambdas, things
    defined inside functions, and names that lead to something else. While a file is made, scripts
    and notebooks are refused too, unless their source goes into the file.
    """
    module_name, name = _names_of(thing)
    if not module_name or not name:
        raise PackagedCodeError(f"{thing!r} has no name to find it by; use a class or a function.")
    location = f"{module_name}:{name}"
    if name.endswith("<lambda>"):
        raise PackagedCodeError(
            f"{location}{_line_of(thing)} is a lambda, which has no name to find it by. "
            "Define it with def, at the top level of a module."
        )
    if "<" in name:
        raise PackagedCodeError(
            f"{location}{_line_of(thing)} is defined inside a function, where nobody can import "
            "it from. Define it at the top level of a module, and pass what it took from around "
            "it as arguments."
        )
    if inspect.ismethod(thing) and not inspect.isclass(thing.__self__):
        raise PackagedCodeError(
            f"{location} belongs to one object, which no name leads to. Define a function at the "
            "top level of a module."
        )
    packaging = current_packaging()
    if packaging is None:
        return location
    _check_leads_back(thing, module_name, name)
    return packaging.location(module_name, name)


def _names_of(thing: Any) -> tuple[str | None, str | None]:
    """The module and the name that a thing gives itself, or those that torch has for it."""
    name = getattr(thing, "__name__", "")
    for room in ("torch.nn.functional", "torch") if inspect.isbuiltin(thing) else ():
        if getattr(sys.modules.get(room), name, None) is thing:
            return room, name
    return getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)


def locate(location: str) -> Any:
    """What `location_of` named. Imports the module, so give it only names you trust."""
    module_name, colon, name = location.partition(":")
    if not colon or not name:
        raise PackagedCodeError(f"{location!r} is not a location; write 'module:name'.")
    found: Any = _packaged_module(location, module_name)
    packaged = found is not None
    try:
        if not packaged:
            _check_room(location)
            found = importlib.import_module(module_name)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise PackagedCodeError(f"Cannot find {location!r}: {error}.") from error
    # A module of ours has names of others' as well.
    if not packaged and not _foreign.get().allowed and not is_trusted(found, module_name):
        raise PackagedCodeError(_not_ours(location))
    return found


def _packaged_module(location: str, module_name: str) -> ModuleType | None:
    """The module that the file brings under this name; None if it brings none."""
    allowed, sets = _foreign.get()
    name, _, number = module_name.partition("@")
    place = int(number) if number.isdecimal() else 0
    if place >= len(sets) or name not in sets[place].modules:
        return None
    if not allowed:
        raise PackagedCodeError(
            f"{location} comes as source code, which is not run unasked. Look at it with "
            "engine.utils.inspect_packaged_code, then load with allow_packaged_code=True."
        )
    return sets[place].module(name)


def _check_room(location: str) -> None:
    module_name, _, name = location.partition(":")
    if not _foreign.get().allowed and not is_trusted_room(module_name, name):
        raise PackagedCodeError(_not_ours(location))


def _not_ours(location: str) -> str:
    return (
        f"{location} in it is not ours to run. Look at it first (engine.utils."
        "inspect_packaged_code shows what the file needs), then load with "
        "allow_packaged_code=True."
    )


def _check_leads_back(thing: Any, module_name: str, name: str) -> None:
    """Refuse what stands no more where its name says."""
    found: Any = sys.modules.get(module_name)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not thing and found != thing:
        raise PackagedCodeError(
            f"{module_name}:{name} leads to {found!r}, and not to what is to be saved. It was "
            "defined again, or deleted; make the object anew from what stands there now."
        )


def _line_of(thing: Any) -> str:
    code = getattr(thing, "__code__", None)
    return "" if code is None else f" ({code.co_filename}, line {code.co_firstlineno})"
