"""Importing what lies in a lab's directory: after everything installed, and one lab at a time.

The lab's directory goes to the end of `sys.path`, so that nothing in it shadows an installed
module. Two labs may hold modules of the same name: while one lab is active, the modules of
the others are put aside. A module whose file has changed since is imported anew.
"""

import contextlib
import importlib
import sys
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

_turn = threading.RLock()
# What belongs to labs that are not active: directory -> module name -> module.
_aside: dict[Path, dict[str, ModuleType]] = {}
# The lab whose modules can be imported; what we have ever added to `sys.path`, for it and the
# labs before it; and the text that modules were made from.
_active: Path | None = None
_added: set[str] = set()
_texts: dict[Path, bytes] = {}

# Where code lies that no lab wrote: installed packages, and our own two.
_INSTALLED = (
    *(
        Path(path).resolve()
        for name, path in sysconfig.get_paths().items()
        if name in {"stdlib", "platstdlib", "purelib", "platlib"}
    ),
    *(Path(__file__).resolve().parents[2] / name for name in ("engine", "tracker")),
)


def activate(directory: Path) -> None:
    """Makes the modules in `directory`, as they are on disk now, the ones that can be imported.

    It stays so until another directory is activated.
    """
    global _active  # noqa: PLW0603 - there is one sys.path, and one sys.modules
    directory = directory.resolve()
    with _turn:
        if _active is not None and _active != directory:
            _put_aside(_active)
        _active = directory
        _leave_only(str(directory))
        sys.modules.update(_aside.pop(directory, {}))
        if _changed(directory):
            for name in _modules_in(directory):
                del sys.modules[name]
        importlib.invalidate_caches()  # a file written a moment ago is found


@contextlib.contextmanager
def importing(directory: Path) -> Iterator[None]:
    """Imports inside the block leave no compiled files in the lab, and are remembered."""
    with _turn:
        activate(directory)
        before = sys.dont_write_bytecode
        sys.dont_write_bytecode = True
        try:
            yield
        finally:
            sys.dont_write_bytecode = before
            _remember(directory.resolve())


def source_file(name: str | None) -> Path | None:
    """The file of a module that somebody here wrote; None for what is built in or installed."""
    if not name or not name.endswith(".py"):
        return None
    path = Path(name).resolve()
    return None if any(path.is_relative_to(place) for place in _INSTALLED) else path


def _modules_in(directory: Path) -> dict[str, Path]:
    """The names and files of the modules imported so far that lie in `directory`."""
    found = {}
    for name, module in list(sys.modules.items()):
        # Not `getattr`: some libraries' modules import others when asked for an attribute.
        file = getattr(module, "__dict__", {}).get("__file__")
        # The text first: to resolve the paths of some thousand modules takes a while.
        if not isinstance(file, str) or not file.startswith(str(directory)):
            continue
        path = source_file(file)
        if path is not None and path.is_relative_to(directory) and name != "__main__":
            found[name] = path
    return found


def _put_aside(directory: Path) -> None:
    _aside[directory] = {name: sys.modules.pop(name) for name in _modules_in(directory)}


def _leave_only(directory: str) -> None:
    """Of the directories that were ever added here, `sys.path` holds this one alone.

    All are looked for, not the last: who keeps a copy of `sys.path` and puts it back brings
    in again what was taken out.
    """
    sys.path[:] = [path for path in sys.path if path == directory or path not in _added]
    if directory not in sys.path:
        sys.path.append(directory)
        _added.add(directory)


def _remember(directory: Path) -> None:
    for path in _modules_in(directory).values():
        if path not in _texts:
            _texts[path] = _text(path)


def _changed(directory: Path) -> bool:
    changed = [
        path
        for path, text in _texts.items()
        if path.is_relative_to(directory) and _text(path) != text
    ]
    for path in changed:
        del _texts[path]
    return bool(changed)


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
