"""Putting the source of a user's code into a file while the file is made."""

import ast
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import PackagedCodeError
from engine.saving.packaged import MAX_SOURCE, CodeSet, set_of
from engine.saving.sources import MAIN, file_source, needed_source

# A process that was started for a pool knows its parent's script by the second name.
_SCRIPTS = {MAIN: MAIN, "__mp_main__": MAIN}
_OWN = ("engine", "tracker")

_packaging: ContextVar["Packaging | None"] = ContextVar("packaging", default=None)


class Packaging:
    """What one file needs of the user's code: names the locations, and brings the sources."""

    def __init__(self, *, requested: bool) -> None:
        self._requested = requested
        self._symbols: dict[str, set[str]] = {}
        # Code that came out of another file stays together with what came along with it.
        self._sets: list[CodeSet | None] = []

    def location(self, module_name: str, name: str) -> str:
        """The location to write down for a name of a module; collects the module if need be."""
        code = set_of(module_name)
        if code is None and importable(module_name):
            if not self._requested or _users_origin(module_name) is None:
                return f"{module_name}:{name}"
        elif not self._requested:
            raise PackagedCodeError(_not_importable(module_name, name))
        elif code is not None:
            return f"{code.name_of(module_name)}{self._mark(code)}:{name}"
        elif module_name not in _SCRIPTS:
            raise PackagedCodeError(
                f"The source of {module_name}:{name} is not known: the module has no file. Define "
                "it in a module of your own, and import it from there."
            )
        written = _SCRIPTS.get(module_name, module_name)
        self._symbols.setdefault(written, set()).add(name)
        return f"{written}{self._mark(None)}:{name}"

    def _mark(self, code: CodeSet | None) -> str:
        """Which of a file's sets a location is in; nothing for the first."""
        if code not in self._sets:
            self._sets.append(code)
        place = self._sets.index(code)
        return f"@{place}" if place else ""

    def meta(self) -> dict[str, Any]:
        """What goes into the meta data of the file; nothing, if no code was collected.

        Raises PackagedCodeError for code whose source is not to be found.
        """
        if not self._sets:
            return {}
        sets = [(code or self._collected()).get_state() for code in self._sets]
        size = sum(len(text) for one in sets for text in one["modules"].values())
        if size > MAX_SOURCE:
            raise PackagedCodeError(
                f"The sources to be packaged have {size} characters; a file takes {MAX_SOURCE}. "
                "Keep data in files of their own, and out of the modules."
            )
        return {"packaged_code": sets}

    def _collected(self) -> CodeSet:
        sources: dict[str, str] = {}
        package = ""
        for name, needed in self._symbols.items():
            if name == MAIN:
                script = sys.modules[MAIN]
                package = getattr(script, "__package__", None) or ""
                sources[MAIN] = needed_source(script, {one.partition(".")[0] for one in needed})
                _collect_imported(MAIN, sources, package)
            else:
                origin = _users_origin(name)
                assert origin is not None  # noqa: S101 - `location` has seen it
                _collect(name, origin, sources)
        symbols = [f"{module}:{name}" for module in self._symbols for name in self._symbols[module]]
        return CodeSet(modules=sources, symbols=sorted(symbols), package=package)


@contextmanager
def packaging(*, requested: bool) -> Iterator[Packaging]:
    """While a file's contents are made: code that no other process could import is refused.

    With `requested`, its source is collected instead, and that of all modules of the user's own.
    """
    collected = Packaging(requested=requested)
    before = _packaging.set(collected)
    try:
        yield collected
    finally:
        _packaging.reset(before)


def current_packaging() -> Packaging | None:
    """Of the file whose contents are being made; None where none is."""
    return _packaging.get()


def importable(module_name: str) -> bool:
    """Whether another process could import the module by its name."""
    return module_name not in _SCRIPTS and _origin(module_name) is not None


def _not_importable(module_name: str, name: str) -> str:
    where = (
        "a script or notebook" if module_name in _SCRIPTS else f"{module_name}, which has no file"
    )
    return (
        f"{module_name}:{name} is defined in {where}: no other process can import it from there. "
        "Save with package_code=True to put its source into the file, or define it in a module "
        "of your own."
    )


class _Origin(NamedTuple):
    """Where a module comes from, without loading it."""

    file: str | None
    package: str

    @property
    def is_users(self) -> bool:
        """Whether the module is neither installed, nor Python's."""
        if self.file is None or not self.file.endswith(".py"):
            return False
        path = Path(self.file).resolve()
        standard = any(path.is_relative_to(Path(folder).resolve()) for folder in _STANDARD)
        return not standard and not any(part in _INSTALLED for part in path.parts)


_INSTALLED = ("site-packages", "dist-packages")
_STANDARD = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}


def _origin(name: str) -> _Origin | None:
    """None for what can't be imported by this name."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    return _Origin(spec.origin if spec.has_location else None, spec.parent or "")


def _users_origin(name: str) -> _Origin | None:
    """Where a module of the user's own comes from; None for every other."""
    if not name or name.partition(".")[0] in _OWN:
        return None
    origin = _origin(name)
    return origin if origin is not None and origin.is_users else None


def _collect(name: str, origin: _Origin, sources: dict[str, str]) -> None:
    """The source of a module, and of every module of the user's that it imports."""
    if name not in sources:
        sources[name] = file_source(name, str(origin.file))
        _collect_imported(name, sources, origin.package)


def _collect_imported(name: str, sources: dict[str, str], package: str) -> None:
    for other in dict.fromkeys([name.rpartition(".")[0], *_imported(sources[name], package)]):
        origin = _users_origin(other)
        if origin is not None:
            _collect(other, origin, sources)


def _imported(source: str, package: str) -> Iterator[str]:
    """The absolute names of all modules that a source imports, and perhaps of names in them."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = importlib.util.resolve_name("." * node.level + base, package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
