"""Reading configuration files: plain data, and where in the file each part of it stands."""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml

from tracker.errors import ConfigurationError, NotFoundError
from tracker.pipelines.yaml_values import Loader, duplicate_key, parse_yaml

# Where a value stands in a document: mapping keys and list positions from the top.
KeyPath = tuple[str | int, ...]

SUFFIXES = (".yaml", ".yml", ".toml", ".json")


@dataclass(frozen=True)
class Document:
    """Plain data with the place each part came from, so that an error can show it."""

    data: dict[str, Any]
    source: str | None = None
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    # Parts that came from elsewhere than the file: `-s lr=3`, say.
    origins: Mapping[KeyPath, str] = field(default_factory=dict)

    def error(self, path: KeyPath, message: str) -> ConfigurationError:
        """The error for what stands at `path`, naming the file and the line where known."""
        place = self.place(path)
        return ConfigurationError(f"{place}: {message}" if place else message)

    def place(self, path: KeyPath) -> str | None:
        """`digits.yaml, line 4`, or the override that put the value there."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
            if path[:length] in self.lines and length:
                return f"{self.source}, line {self.lines[path[:length]]}"
        return self.source

    def with_value(self, path: KeyPath, value: Any, origin: str) -> Self:
        """The same document with another value at `path`, which `origin` put there."""
        return type(self)(
            data=_replaced(self.data, path, value, origin),
            source=self.source,
            lines={known: line for known, line in self.lines.items() if not _under(known, path)},
            origins={
                **{known: text for known, text in self.origins.items() if not _under(known, path)},
                path: origin,
            },
        )


def dotted(path: Iterable[str | int]) -> str:
    """`("optimizer", "args", "lr")` as it is written: `optimizer.args.lr`."""
    return ".".join(str(part) for part in path)


def read_document(path: Path, *, reading: type[Loader] = Loader) -> Document:
    """Reads a YAML, TOML or JSON file whose top level is a mapping; YAML with this loader."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigurationError(
            f"{path}: a configuration ends in {', '.join(SUFFIXES)}, not in {path.suffix!r}."
        )
    return parse_document(_text(path), path.suffix.lower(), source=str(path), reading=reading)


def parse_document(
    text: str, suffix: str, *, source: str, reading: type[Loader] = Loader
) -> Document:
    """Parses `text` as the format that `suffix` names; errors show the line in `source`."""
    if suffix == ".toml":
        data, lines = _parse_toml(text, source)
    elif suffix == ".json":
        data, lines = _parse_json(text, source)
    else:
        data, lines = parse_yaml(text, source=source, reading=reading)
    if data is None:
        raise ConfigurationError(f"{source}: the file holds no settings.")
    if not isinstance(data, dict):
        kind = "a list" if isinstance(data, list) else f"just {data!r}"
        raise ConfigurationError(f"{source}: the file must hold keys with values, not {kind}.")
    return Document(data=data, source=source, lines=lines)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise NotFoundError("file", str(path), _neighbours(path)) from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: not text in UTF-8 (at byte {error.start}).") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from None


def _neighbours(path: Path) -> list[str]:
    try:
        return [str(near) for near in path.parent.iterdir() if near.suffix.lower() in SUFFIXES]
    except OSError:
        return []


def _parse_toml(text: str, source: str) -> tuple[Any, dict[KeyPath, int]]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, _, place = str(error).partition(" (at ")
        line = re.search(r"line (\d+)", place)
        where = f"line {line[1]}" if line else "last line"
        raise ConfigurationError(f"{source}, {where}: {message}.") from None
    return data, _toml_lines(text, data)


def _toml_lines(text: str, data: Mapping[str, Any]) -> dict[KeyPath, int]:
    """The lines of keys that are written in one place only, which most are."""
    lines: dict[KeyPath, int] = {}
    numbered = list(enumerate(text.splitlines(), start=1))

    def visit(value: Mapping[str, Any], path: KeyPath) -> None:
        for key, inner in value.items():
            assignment = re.compile(rf"""(?:^|[\s.,{{])["']?{re.escape(key)}["']?\s*(?:=|\.)""")
            header = re.compile(rf"""^\s*\[+[^\]]*(?<![\w-])["']?{re.escape(key)}["']?\s*\]""")
            hits = [n for n, line in numbered if assignment.search(line) or header.search(line)]
            if len(hits) == 1:
                lines[*path, key] = hits[0]
            if isinstance(inner, dict):
                visit(inner, (*path, key))

    visit(data, ())
    return lines


def _parse_json(text: str, source: str) -> tuple[Any, dict[KeyPath, int]]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                line = _second_line(text, json.dumps(key))
                raise duplicate_key(source, line, key)
            found[key] = value
        return found

    try:
        data = json.loads(text, object_pairs_hook=unique) if text.strip() else None
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"{source}, line {error.lineno}: {error.msg} (column {error.colno})."
        ) from None
    try:
        # Nearly every JSON text is YAML as well, whose reader knows the lines.
        _, lines = parse_yaml(text, source=source)
    except (ConfigurationError, yaml.YAMLError):
        lines = {}
    return data, lines


def _second_line(text: str, token: str) -> int | None:
    hits = [text.count("\n", 0, match.start()) + 1 for match in re.finditer(re.escape(token), text)]
    return hits[1] if len(hits) == 2 else None


def _under(path: KeyPath, ancestor: KeyPath) -> bool:
    return path[: len(ancestor)] == ancestor


def _replaced(container: Any, path: KeyPath, value: Any, origin: str) -> Any:
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(container, list):
        if not isinstance(key, int) or key >= len(container):
            raise ConfigurationError(
                f"{origin}: there is a list of {len(container)} here; a position from 0 to"
                f" {len(container) - 1} is wanted, not {key!r}."
            )
        inner = _replaced(container[key], rest, value, origin)
        return [*container[:key], inner, *container[key + 1 :]]
    if isinstance(container, str) and key in {"loc", "args"}:
        container = {"loc": container}  # a component written as its location alone
    if container is None:
        container = {}
    if not isinstance(container, dict):
        raise ConfigurationError(f"{origin}: {key!r} cannot be set inside {container!r}.")
    key = str(key)
    return {**container, key: _replaced(container.get(key), rest, value, origin)}
