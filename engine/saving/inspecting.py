"""Looking at the code that a saved file needs, before trusting it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.errors import FileFormatError
from engine.saving.errors import UnreadableError
from engine.saving.files import read_content
from engine.saving.packaged import CodeSet, read_sets
from engine.saving.trusted import is_trusted_room

_LOCATION = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*):([^\W\d]\w*(?:\.[^\W\d]\w*)*)")


def inspect_packaged_code(path: str | Path) -> dict[str, str]:
    """The source of each class and function that a saved file brings, by symbol. Runs nothing.

    A source that several symbols come from is given for each. Modules that only the packaged code
    itself imports are listed by their names. What the file does not bring, and loading would
    import from this machine, is listed with a comment that says so.
    """
    path = Path(path)
    content, meta = read_content(path)
    try:
        sets = read_sets(meta)
    except UnreadableError as error:
        raise FileFormatError(f"{path} cannot be read: {error}.") from error
    found: dict[str, str] = {}
    for place, code in enumerate(sets):
        found |= _sources(code, f"@{place}" if place else "")
    for location in _locations(content):
        found.setdefault(
            location,
            f"# Not in the file: loading it imports {location} as it is on this machine.\n",
        )
    return found


def _sources(code: CodeSet, mark: str) -> dict[str, str]:
    found: dict[str, str] = {}
    shown: set[str] = set()
    for symbol in code.symbols:
        module_name, _, name = symbol.partition(":")
        found[f"{module_name}{mark}:{name}"] = code.modules[module_name]
        shown.add(module_name)
    for module_name, source in code.modules.items():
        if module_name not in shown:
            found[f"{module_name}{mark}"] = source
    return found


def _locations(content: Any) -> Iterator[str]:
    """All texts that name something of other people's modules."""
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str):
            match = _LOCATION.fullmatch(value)
            if match and not is_trusted_room(match[1], match[2]):
                yield value
