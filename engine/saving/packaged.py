"""The source that came in a file: checked, shown, and run only if that is allowed."""

import builtins
import hashlib
import importlib.util
import json
import linecache
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType, ModuleType
from typing import Any

from engine.errors import PackagedCodeError
from engine.saving.errors import UnreadableError
from engine.saving.sources import bound_names, current_source

MAX_SOURCE = 4 * 2**20
_KEYS = {"modules", "symbols", "package"}
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_SYMBOL = re.compile(rf"({_MODULE.pattern}):({_MODULE.pattern})")
_RESERVED = ("engine", "tracker", "sklearn", "torch", "numpy", "builtins")
_PREFIX = "packaged_"


@dataclass(frozen=True)
class CodeSet:
    """Modules that belong together: what one process had under these names.

    `package` is the one that relative imports of a script begin from.
    """

    modules: Mapping[str, str]
    symbols: Sequence[str]
    package: str = ""
    _loaded: dict[str, ModuleType] = field(default_factory=dict, compare=False, repr=False)

    def get_state(self) -> dict[str, Any]:
        return {
            "modules": dict(self.modules),
            "symbols": list(self.symbols),
            "package": self.package,
        }

    @property
    def digest(self) -> str:
        text = json.dumps([sorted(self.modules.items()), self.package])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def name_of(self, module_name: str) -> str:
        """The name under which the module was packaged."""
        return module_name.removeprefix(f"{_PREFIX}{self.digest}.")

    # Running it

    def module(self, name: str) -> ModuleType:
        """The module of that name, run now if it was not before.

        One that is here already, under the same name and with the same source, is taken instead,
        so that a class is one class.
        """
        if name not in self._loaded:
            self._loaded[name] = self._present(name) or self._run(name)
        return self._loaded[name]

    def _present(self, name: str) -> ModuleType | None:
        tops = {symbol.partition(":")[2].partition(".")[0] for symbol in self._symbols_of(name)}
        if current_source(name, tops) != self.modules[name]:
            return None
        return importlib.import_module(name)

    def _symbols_of(self, name: str) -> list[str]:
        return [symbol for symbol in self.symbols if symbol.partition(":")[0] == name]

    def _run(self, name: str) -> ModuleType:
        full = f"{_PREFIX}{self.digest}.{name}"
        if full in sys.modules:
            return sys.modules[full]
        source, file = self.modules[name], f"<packaged {self.digest} {name}>"
        module = ModuleType(full)
        module.__file__ = file
        module.__package__ = self._package_of(name)
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._import}
        module.__dict__["__packaged__"] = self
        # Tracebacks show its lines, and inspect finds its source.
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        sys.modules[full] = self._loaded[name] = module
        try:
            # The one place where code out of a file is run: its source was there to be looked at,
            # and who loads the file has allowed it.
            exec(compile(source, file, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
        except BaseException as error:
            del sys.modules[full], self._loaded[name]
            if not isinstance(error, Exception):
                raise
            raise PackagedCodeError(
                f"the packaged source of {name} fails ({type(error).__name__}: {error})."
            ) from error
        return module

    def _package_of(self, name: str) -> str:
        if name == "__main__":
            return self.package
        is_package = any(other.startswith(f"{name}.") for other in self.modules)
        return name if is_package else name.rpartition(".")[0]

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 - Python's own names
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """What `import` does in packaged code: modules of the same set come before others."""
        if level:
            package = (globals or {}).get("__package__") or ""
            name = importlib.util.resolve_name("." * level + name, package)
        if name not in self.modules:
            return __import__(name, globals, locals, fromlist or ())
        for prefix in _prefixes(name):
            self._attach(prefix)
        for item in fromlist or ():
            self._attach(f"{name}.{item}")
        return self.module(name if fromlist else name.partition(".")[0])

    def _attach(self, name: str) -> None:
        """Run the module, if it is one of ours, and make it an attribute of its package."""
        if name not in self.modules:
            return
        module = self.module(name)
        parent, _, last = name.rpartition(".")
        if parent in self.modules:
            setattr(self.module(parent), last, module)


def _prefixes(name: str) -> Iterator[str]:
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        yield ".".join(parts[:count])


def set_of(module_name: str) -> CodeSet | None:
    """The set that a module of this process came with; None for every other module."""
    if not module_name.startswith(_PREFIX):
        return None
    found = getattr(sys.modules.get(module_name), "__packaged__", None)
    return found if isinstance(found, CodeSet) else None


def read_sets(meta: Mapping[str, Any]) -> list[CodeSet]:
    """The sets in a file's meta data. Runs nothing; UnreadableError for what is malformed."""
    described = meta.get("packaged_code", [])
    if type(described) is not list:
        raise UnreadableError("its packaged code is not a list")
    return [_read_set(one) for one in described]


def _read_set(described: Any) -> CodeSet:
    if type(described) is not dict or described.keys() != _KEYS:
        raise UnreadableError("its packaged code has other parts than modules and symbols")
    modules, symbols, package = (described[key] for key in ("modules", "symbols", "package"))
    if type(modules) is not dict or not all(
        type(name) is str and type(source) is str for name, source in modules.items()
    ):
        raise UnreadableError("its packaged modules are not texts")
    if type(package) is not str or not (package == "" or _MODULE.fullmatch(package)):
        raise UnreadableError("the package of its packaged code is not a name")
    if sum(map(len, modules.values())) > MAX_SOURCE:
        raise UnreadableError("its packaged code is larger than any that is written")
    for name, source in modules.items():
        if not _MODULE.fullmatch(name) or name.partition(".")[0] in _RESERVED:
            raise UnreadableError(f"it brings code for the module {name[:80]!r}, which is not its")
        check_source(name, source)
    _check_symbols(symbols, modules)
    return CodeSet(modules=modules, symbols=symbols, package=package)


def check_source(name: str, source: str) -> CodeType:
    """The code of a packaged module, which is not run by this."""
    try:
        return compile(source, f"<packaged {name}>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise UnreadableError(f"the packaged source of {name} is no Python ({error})") from error


def _check_symbols(symbols: Any, modules: Mapping[str, str]) -> None:
    if type(symbols) is not list or not all(type(one) is str for one in symbols):
        raise UnreadableError("its packaged symbols are not a list of texts")
    bound = {name: bound_names(source) for name, source in modules.items()}
    for symbol in symbols:
        found = _SYMBOL.fullmatch(symbol)
        if found is None or found[1] not in modules:
            raise UnreadableError(f"its packaged code brings no module for {symbol[:80]!r}")
        names = bound[found[1]]
        if found[3].partition(".")[0] not in names and "*" not in names:
            raise UnreadableError(f"its packaged code does not define {symbol[:80]!r}")
