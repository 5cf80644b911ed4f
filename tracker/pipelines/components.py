"""Components: classes and functions named by location, with their arguments.

`torch.optim.Adam`, `sklearn.datasets:load_digits`, `my_models:MLP` from the lab's directory.
"""

import importlib
import inspect
import pkgutil
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from tracker.errors import ComponentError, did_you_mean
from tracker.pipelines.lab_modules import importing


@dataclass(frozen=True)
class Component:
    """What to call, and with which keyword arguments."""

    loc: str
    args: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, value: str | Mapping[str, Any]) -> Self:
        """From `{loc: ..., args: {...}}`, or from a location alone."""
        if isinstance(value, str):
            return cls(loc=value)
        return cls(loc=value["loc"], args=value.get("args") or {})

    def inner(self) -> Iterator["Component"]:
        """The components among the arguments, innermost last."""
        for value in _components_in(self.args):
            component = Component.parse(value)
            yield component
            yield from component.inner()


def is_component(value: Any) -> bool:
    """Whether an argument is to be made, rather than handed over as it is."""
    return (
        isinstance(value, Mapping)
        and isinstance(value.get("loc"), str)
        and set(value) <= {"loc", "args"}
        and isinstance(value.get("args") or {}, Mapping)
    )


def locate(loc: str, directory: Path) -> Any:
    """What stands at `module:attribute` or `package.module.attribute`.

    Modules in `directory`, the lab's, come after the installed ones.
    """
    module_name, colon, attributes = loc.partition(":")
    with importing(directory):
        if colon:
            module = _import(module_name, loc, directory)
            return _attribute(module, attributes, loc)
        return _dotted(loc, directory)


def check(component: Component, directory: Path, *, given: Sequence[str] = ()) -> Any:
    """The component itself, after a look at whether it can be called with its arguments.

    `given` names the leading arguments that the caller will add by position.
    """
    target = locate(component.loc, directory)
    if not callable(target):
        raise ComponentError(
            f"{component.loc} is a {type(target).__name__}, not a class or a function."
        )
    for value in _components_in(component.args):
        check(Component.parse(value), directory)
    check_arguments(target, component.args, component.loc, given=given)
    return target


def check_arguments(
    target: Callable[..., Any], args: Mapping[str, Any], loc: str, *, given: Sequence[str] = ()
) -> None:
    """Raises for an argument that `target` does not take, or one it needs and is not given."""
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):  # built in C without a signature
        return
    parameters = list(signature.parameters.values())
    positional = [p for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
    filled = {parameter.name for parameter in positional[: len(given)]}
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    known = [
        parameter.name
        for parameter in parameters
        if parameter.kind in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}
        and parameter.name not in filled
    ]
    for name in args:
        if name not in known and not takes_any:
            hint = did_you_mean(name, known) or _known_arguments(known)
            raise ComponentError(f"{loc} takes no argument {name!r}.{hint}")
    for parameter in parameters:
        needed = parameter.default is parameter.empty and parameter.name in known
        if needed and parameter.name not in args:
            raise ComponentError(f"{loc} needs the argument {parameter.name!r}.")


def make(component: Component, directory: Path, *given: Any, **also: Any) -> Any:
    """Calls the component: `given` by position first, then its arguments and `also`.

    Components among the arguments are made first.
    """
    target = locate(component.loc, directory)
    return target(*given, **make_arguments(component, directory), **also)


def make_arguments(component: Component, directory: Path) -> dict[str, Any]:
    """The component's arguments, the components among them made."""
    return {name: _made(value, directory) for name, value in component.args.items()}


def accepts(target: Callable[..., Any], name: str) -> bool:
    """Whether `target` takes the keyword argument by this very name."""
    try:
        parameter = inspect.signature(target).parameters.get(name)
    except (TypeError, ValueError):
        return False
    return parameter is not None and parameter.kind in {
        parameter.POSITIONAL_OR_KEYWORD,
        parameter.KEYWORD_ONLY,
    }


def _components_in(value: Any) -> Iterator[Mapping[str, Any]]:
    if is_component(value):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _components_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _components_in(inner)


def _made(value: Any, directory: Path) -> Any:
    if is_component(value):
        return make(Component.parse(value), directory)
    if isinstance(value, Mapping):
        return {key: _made(inner, directory) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_made(inner, directory) for inner in value]
    return value


def _known_arguments(known: Sequence[str]) -> str:
    return f" It takes: {', '.join(known)}." if known else " It takes none."


def _dotted(loc: str, directory: Path) -> Any:
    parts = loc.split(".")
    for length in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:length])
        try:
            module = _import(name, loc, directory)
        except _NoSuchModuleError:
            if length == 1:
                raise
            continue
        return _attribute(module, ".".join(parts[length:]), loc)
    raise ComponentError(
        f"{loc!r} is no location: write it as module:name, or with the dots of an import."
    )


class _NoSuchModuleError(ComponentError):
    """Nothing by this name can be imported."""


def _import(name: str, loc: str, directory: Path) -> ModuleType:
    if not name or not all(part.isidentifier() for part in name.split(".")):
        raise ComponentError(
            f"{loc!r} is no location: write it as module:name, or with the dots of an import."
        )
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if not (name == missing or name.startswith(f"{missing}.")):
            raise _failed_import(name, error, directory) from error
        raise _NoSuchModuleError(
            f"{loc}: there is no module {missing!r}, neither installed nor in"
            f" {directory}.{did_you_mean(missing, _module_names(missing, directory))}"
        ) from None
    except (Exception, SystemExit) as error:
        raise _failed_import(name, error, directory) from error


def _attribute(module: ModuleType, attributes: str, loc: str) -> Any:
    found: Any = module
    for name in attributes.split("."):
        if not hasattr(found, name):
            place = getattr(found, "__name__", type(found).__name__)
            public = [known for known in dir(found) if not known.startswith("_")]
            raise ComponentError(f"{loc}: {place} has no {name!r}.{did_you_mean(name, public)}")
        found = getattr(found, name)
    return found


def _module_names(missing: str, directory: Path) -> list[str]:
    parent, dot, _ = missing.rpartition(".")
    if dot:
        path = getattr(importlib.import_module(parent), "__path__", [])
        return [f"{parent}.{module.name}" for module in pkgutil.iter_modules(path)]
    names = {path.stem for path in directory.glob("*.py")}
    return sorted(names | {module.name for module in pkgutil.iter_modules()})


def _failed_import(name: str, error: BaseException, directory: Path) -> ComponentError:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, SyntaxError):
        reason = f"SyntaxError: {error.msg}"
    place = _place(error, directory)
    return ComponentError(f"The module {name!r} cannot be imported: {place}{reason}")


def _place(error: BaseException, directory: Path) -> str:
    """The file and line in which the import failed: the user's own, if it is on the way."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}: "
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen ")
        and frame.filename != __file__
        and not frame.filename.endswith("importlib/__init__.py")
    ]
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(directory.resolve())]
    shown = (own or frames)[-1:]
    return "".join(f"{frame.filename}, line {frame.lineno}: " for frame in shown)
