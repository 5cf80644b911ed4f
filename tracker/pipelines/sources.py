"""The source that a component consists of, as far as somebody here wrote it."""

import ast
import hashlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tracker.pipelines.components import Component, locate
from tracker.pipelines.lab_modules import importing, source_file


def fingerprints(components: Iterable[Component], directory: Path) -> dict[str, str]:
    """Module name -> SHA-256 of its text, for the components' modules and what these import.

    Installed packages are left out: their versions belong to a run's environment.
    """
    return {name: _digest(_text(path)) for name, path in modules(components, directory).items()}


def modules(components: Iterable[Component], directory: Path) -> dict[str, Path]:
    """Module name -> its file, of the same modules, sorted by name."""
    found: dict[str, Path] = {}
    with importing(directory):
        for component in components:
            for name in _defining_modules(locate(component.loc, directory), component.loc):
                _collect(name, found)
    return dict(sorted(found.items()))


def _defining_modules(target: Any, loc: str) -> set[str]:
    named = loc.partition(":")[0] if ":" in loc else loc.rpartition(".")[0]
    defined = getattr(target, "__module__", None)
    return {
        prefix for name in (named, defined) if isinstance(name, str) for prefix in _prefixes(name)
    }


def _collect(name: str, found: dict[str, Path]) -> None:
    path = None if name in found else _source_of(name)
    if path is None:
        return
    found[name] = path
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for imported in _imports(_text(path), package):
        _collect(imported, found)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def _source_of(name: str) -> Path | None:
    """The file of a module that lies in a lab or beside it, imported already or not."""
    top, _, rest = name.partition(".")
    if name == "__main__" or not top:
        return None
    path = _file(top)
    # To look for what lies in a package imports it, which is only done to the user's own.
    return path if path is None or not rest else _file(name)


def _file(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, AttributeError, ValueError):  # a name of the module, not a module
        return None
    return source_file(spec.origin) if spec is not None and spec.origin else None


def _digest(text: str) -> str:
    lines = [line.rstrip() for line in text.splitlines()]
    normal = "\n".join(lines).strip("\n")
    return hashlib.sha256(normal.encode("utf-8", "surrogateescape")).hexdigest()


def _imports(text: str, package: str) -> set[str]:
    """The full names of what a module's text imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            names.add(base)
            # `from package import module` names a module as well.
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return {prefix for name in names for prefix in _prefixes(name)}


def _prefixes(name: str) -> list[str]:
    """`a.b.c` as a, a.b, a.b.c: importing it runs them all."""
    parts = name.split(".")
    return [".".join(parts[: length + 1]) for length in range(len(parts))]


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    parent = ".".join(parts[: len(parts) - node.level + 1])
    return f"{parent}.{node.module}" if node.module else parent
