"""YAML as a person means it: `1e-3` is a number, a date is text, a key stands once.

PyYAML reads YAML 1.1, in which `1e-3` is text, `12:30` is 750 and the second of two equal
keys wins. Here a scalar is a number when Python would call it one, and what could silently
mean something else is refused.
"""

import re
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tracker.errors import ConfigurationError

_INT = re.compile(r"^[-+]?(?:0|[1-9][0-9]*(?:_[0-9]+)*|0x[0-9a-fA-F]+|0o[0-7]+|0b[01]+)$")
_FLOAT = re.compile(
    r"""^(?:[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+|[0-9][0-9_]*(?=[eE]))(?:[eE][-+]?[0-9]+)?
    |[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)


_SCALARS = ("str", "int", "float", "bool", "null")


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with numbers as Python writes them and without dates.

    A subclass may read a notation of its own: `notation` is the tag of its scalars.
    """

    notation: str | None = None


Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag.rpartition(":")[2] not in {"int", "float", "timestamp"}
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def _number(_loader: Loader, node: ScalarNode) -> int:
    return int(node.value, 0)


Loader.add_constructor("tag:yaml.org,2002:int", _number)


def parse_yaml(
    text: str, *, source: str, reading: type[Loader] = Loader
) -> tuple[Any, dict[tuple[str | int, ...], int]]:
    """The plain value of one YAML document, and the line of each of its parts."""
    try:
        loader = reading(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigurationError(
            f"{source}, line {line}: the character U+{ord(text[error.position]):04X} cannot stand"
            " in YAML."
        ) from None
    try:
        node = loader.get_single_node()
        reader = _Reader(loader, source)
        return (None if node is None else reader.value(node, ())), reader.lines
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, source) from None
    finally:
        loader.dispose()


def parse_scalar(text: str, *, source: str) -> Any:
    """One value as it could stand in a YAML file: `0.1`, `true`, `[1, 2]`, `Adam`."""
    return parse_yaml(text, source=source)[0]


def duplicate_key(source: str, line: int | None, key: str) -> ConfigurationError:
    """The error for a key that a mapping holds twice."""
    place = f"{source}, line {line}" if line else source
    return ConfigurationError(f"{place}: the key {key!r} stands twice; keep one of them.")


class _Reader:
    """Walks the nodes of one document and remembers the line of each."""

    def __init__(self, loader: Loader, source: str) -> None:
        self.lines: dict[tuple[str | int, ...], int] = {}
        self._loader = loader
        self._source = source
        self._open: set[int] = set()
        self._merged: set[int] = set()

    def value(self, node: Node, path: tuple[str | int, ...]) -> Any:
        self.lines[path] = _line(node)
        if not isinstance(node, MappingNode | SequenceNode):
            return self._scalar(node)
        if id(node) in self._open:
            raise self._error(node, "an alias (*) refers to what it stands in.")
        self._open.add(id(node))
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, path)
            return self._list(node, path)
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: Node) -> Any:
        if node.tag != self._loader.notation:
            self._plain(node, *(f"tag:yaml.org,2002:{kind}" for kind in _SCALARS))
        try:
            return self._loader.construct_object(node)
        except (ValueError, KeyError):  # `!!int three`
            raise self._error(node, f"{node.value!r} is not what its tag says.") from None

    def _list(self, node: SequenceNode, path: tuple[str | int, ...]) -> list[Any]:
        self._plain(node, "tag:yaml.org,2002:seq")
        return [self.value(item, (*path, position)) for position, item in enumerate(node.value)]

    def _mapping(self, node: MappingNode, path: tuple[str | int, ...]) -> dict[str, Any]:
        self._plain(node, "tag:yaml.org,2002:map")
        # An alias brings the same node again, whose merged keys stand beside its own by then.
        if id(node) not in self._merged:
            self._merged.add(id(node))
            self._refuse_duplicates(node)
            self._loader.flatten_mapping(node)  # `<<: *base`
        result = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            # A merged key comes first; the mapping's own comes after and stands.
            result[key] = self.value(value_node, (*path, key))
            self.lines[*path, key] = _line(key_node)
        return result

    def _refuse_duplicates(self, node: MappingNode) -> None:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self._key(key_node)
            if key in seen:
                raise duplicate_key(self._source, _line(key_node), key)
            seen.add(key)

    def _key(self, node: Node) -> str:
        key = self._loader.construct_object(node) if isinstance(node, ScalarNode) else None
        if type(key) is not str:  # nor what a notation makes of it
            written = node.value if isinstance(node, ScalarNode) else "a list or mapping"
            raise self._error(node, f"a key must be text; write '{written}' in quotes.")
        return key

    def _plain(self, node: Node, *tags: str) -> None:
        if node.tag not in tags:
            raise self._error(node, f"the tag {node.tag!r} means nothing here.")

    def _error(self, node: Node, message: str) -> ConfigurationError:
        return ConfigurationError(f"{self._source}, line {_line(node)}: {message}")


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _syntax_error(error: yaml.MarkedYAMLError, source: str) -> ConfigurationError:
    mark = error.problem_mark or error.context_mark
    place = f"{source}, line {mark.line + 1}" if mark else source
    column = f" (column {mark.column + 1})" if mark else ""
    problem = " ".join(part for part in (error.context, error.problem) if part)
    return ConfigurationError(f"{place}: not valid YAML: {problem}{column}.")
