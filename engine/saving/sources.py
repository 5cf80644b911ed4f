"""The source of a class or a function, with everything of its module that it needs.

A module is taken whole. A script or a notebook is not, because running it again would train again:
of those, the statements are taken that define the names in question, and the names that these use.
"""

import ast
import builtins
import importlib.util
import inspect
import linecache
import re
import symtable
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from engine.errors import PackagedCodeError

MAIN = "__main__"
# The names that IPython, its kernels and Python's own prompt give to what is typed in.
_CELL = re.compile(r"<i?python-input-\d+.*>|.*[\\/]ipykernel_\d+[\\/][^\\/]+")


class Statement(NamedTuple):
    """One statement at the top of a script or a cell, and the names it has to do with."""

    node: ast.stmt
    text: str
    place: str
    binds: frozenset[str]
    uses: frozenset[str]


def file_source(name: str, file: str) -> str:
    """The whole source of the module `name`, which was imported from `file`."""
    linecache.checkcache(file)
    source = "".join(linecache.getlines(file))
    if not source and not Path(file).exists():
        raise PackagedCodeError(f"The source of the module {name} is not at {file} any more.")
    return source


def needed_source(module: ModuleType, names: Iterable[str]) -> str:
    """What a script or notebook must run to have these names, in the order in which it stood."""
    statements = list(_statements(module))
    chosen = _Choice(module, statements)
    for name in sorted(names):
        chosen.need(name, "it is to be saved")
    texts = [statements[place].text for place in sorted(chosen.places)]
    return "\n\n".join(texts) + "\n"


def current_source(name: str, symbols: Iterable[str]) -> str | None:
    """What would be packaged of the module `name` in this process; None if there is none."""
    try:
        if name == MAIN:
            return needed_source(sys.modules[MAIN], symbols)
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.has_location or spec.origin is None:
            return None
        return file_source(name, spec.origin)
    except (PackagedCodeError, ImportError, ValueError, AttributeError, UnicodeDecodeError):
        return None


def bound_names(source: str) -> set[str]:
    """The names that the top of a source defines, `*` for any name."""
    stars = {"*" for node in ast.parse(source).body if _is_star(node)}
    return stars | set(_bound(symtable.symtable(source, "<source>", "exec")))


class _Choice:
    """The statements that are needed, found by following the names."""

    def __init__(self, module: ModuleType, statements: list[Statement]) -> None:
        self._module = module
        self._statements = statements
        self._done: set[str] = set()
        # Future imports change how the rest is read, and star imports may define any name.
        self.places = {
            place
            for place, statement in enumerate(statements)
            if isinstance(statement.node, ast.ImportFrom)
            and (statement.node.module == "__future__" or "*" in statement.binds)
        }
        self._has_star = any("*" in statements[place].binds for place in self.places)

    def need(self, name: str, why: str) -> None:
        if name in self._done:
            return
        self._done.add(name)
        places = self._definitions(name)
        if not places:
            self._check_unknown(name, why)
        for place in places:
            if place not in self.places:
                self.places.add(place)
                self._check_guard(name, self._statements[place])
                for used in sorted(self._statements[place].uses):
                    self.need(used, f"{name} uses it")

    def _definitions(self, name: str) -> list[int]:
        places = [at for at, one in enumerate(self._statements) if name in one.binds]
        definitions = [at for at in places if _defines(self._statements[at].node)]
        if definitions:
            # One that was defined again counts no more, in whatever order cells were run.
            own = _place_of(vars(self._module).get(name))
            last = max(definitions, key=lambda at: (self._statements[at].place == own, at))
            places = [at for at in places if at == last or at not in definitions]
        imported = any(isinstance(self._statements[at].node, _IMPORTS) for at in places)
        if places and not imported:
            places += [at for at, one in enumerate(self._statements) if name in _changed(one.node)]
        return places

    def _check_unknown(self, name: str, why: str) -> None:
        known = hasattr(builtins, name) or re.fullmatch(r"__\w+__", name)
        if known or self._has_star or name not in vars(self._module):
            return
        raise PackagedCodeError(
            f"The source of {name!r} in {self._module.__name__} is not known, and {why}. "
            "Define both in a module of your own, and import them from there."
        )

    def _check_guard(self, name: str, statement: Statement) -> None:
        node = statement.node
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            raise PackagedCodeError(
                f"{name!r} is defined under `if {ast.unparse(node.test)}`, which no other process "
                "runs. Define it outside of that block."
            )


_IMPORTS = (ast.Import, ast.ImportFrom)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _defines(node: ast.stmt) -> bool:
    return isinstance(node, _DEFINITIONS)


def _statements(module: ModuleType) -> Iterator[Statement]:
    for place, source in _texts(module):
        try:
            tree = ast.parse(source)
        except SyntaxError:  # A cell that failed has defined nothing.
            continue
        lines = source.encode().split(b"\n")
        for node in tree.body:
            text = _text(lines, node)
            binds, uses = (frozenset("*"), frozenset[str]()) if _is_star(node) else _names(text)
            yield Statement(node, text, place, binds, uses)


def _texts(module: ModuleType) -> Iterator[tuple[str, str]]:
    """Each text that was run in the module, with the name that its code knows it by."""
    file = getattr(module, "__file__", None)
    if file:
        yield file, file_source(module.__name__, file)
        return
    for place in list(linecache.cache):
        if _CELL.fullmatch(place):
            yield place, "".join(linecache.getlines(place))


def _text(lines: list[bytes], node: ast.stmt) -> str:
    """A statement as it was written, of the lines of its source; Python counts in bytes."""
    decorators = getattr(node, "decorator_list", [])
    first = decorators[0].lineno if decorators else node.lineno
    begin = 0 if decorators else node.col_offset
    last = node.end_lineno or first
    own = [*lines[first - 1 : last - 1], lines[last - 1][: node.end_col_offset]]
    return b"\n".join(own)[begin:].decode()


def _is_star(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.names[0].name == "*"


def _names(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """The names that a statement defines for its module, and those it takes from there."""
    try:
        table = symtable.symtable(text, "<statement>", "exec")
    except SyntaxError:  # A cell may wait at its top, where no module can.
        return frozenset(), frozenset()
    uses = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()}
    for child in table.get_children():
        uses |= set(_globals_of(child))
    return frozenset(_bound(table)), frozenset(uses)


def _bound(table: symtable.SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
            yield symbol.get_name()


def _globals_of(table: symtable.SymbolTable) -> Iterator[str]:
    for symbol in table.get_symbols():
        if symbol.is_global():
            yield symbol.get_name()
    for child in table.get_children():
        yield from _globals_of(child)


def _changed(node: ast.stmt) -> set[str]:
    """The names whose values a statement changes from outside: `table["x"] = 1`, `@f.register`."""
    if _defines(node):
        roots: list[Any] = [_called(one) for one in node.decorator_list]  # type: ignore[attr-defined]  # all have it
    elif isinstance(node, ast.Assign):
        roots = list(node.targets)
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        roots = [node.target]
    else:
        return set()
    return {name for root in roots if (name := _root(root)) is not None}


def _called(node: ast.expr) -> ast.expr:
    return node.func if isinstance(node, ast.Call) else node


def _root(node: ast.expr) -> str | None:
    """The name that an attribute or an item is taken of; None for a name alone."""
    if not isinstance(node, ast.Attribute | ast.Subscript):
        return None
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _place_of(thing: Any) -> str | None:
    """The text that a function, or a class with a method, was defined in."""
    members = vars(thing).values() if isinstance(thing, type) else [thing]
    for member in members:
        code = getattr(inspect.unwrap(member) if callable(member) else member, "__code__", None)
        if code is not None and not code.co_filename.startswith("<string"):
            return str(code.co_filename)
    return None
