"""A pipeline's configuration: from a file, a mapping or another pipeline, with overrides."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tracker.errors import ConfigurationError, InvalidError
from tracker.pipelines.documents import Document, KeyPath, read_document
from tracker.pipelines.identity import plain
from tracker.pipelines.yaml_values import parse_scalar

# `-s` as the command line has it: `["optimizer.args.lr=0.1"]`; or `{"optimizer.args.lr": 0.1}`.
Overrides = Iterable[str] | Mapping[str, Any]


def read_configuration(
    source: str | os.PathLike[str] | Mapping[str, Any] | None,
    *,
    overrides: Overrides = (),
    base: Mapping[str, Any] | None = None,
    base_name: str = "",
) -> Document:
    """The configuration in a file or a mapping, laid over `base`, with the overrides set.

    Over a base, mappings are joined and everything else is replaced; a component at another
    location replaces the base's whole, whose arguments would not fit it.
    """
    document = _document(source)
    if base is not None:
        document = _laid_over(document, plain(base), f"pipeline {base_name!r}")
    elif source is None:
        raise ConfigurationError("There is no configuration: give a file, or --from a pipeline.")
    for path, value, origin in parse_overrides(overrides):
        document = document.with_value(path, value, origin)
    return document


def parse_overrides(overrides: Overrides) -> list[tuple[KeyPath, Any, str]]:
    """Each override as path, value and the words that name it in an error.

    A value is typed as YAML would: `0.1` and `1e-3` are numbers, `[a, b]` is a list,
    `'0.1'` in quotes is text, nothing at all is null.
    """
    if isinstance(overrides, str):
        overrides = [overrides]
    if isinstance(overrides, Mapping):
        return [
            (_path(key, f"-s {key}"), plain(value, path=key), f"-s {key}")
            for key, value in overrides.items()
        ]
    return [_parse_override(text) for text in overrides]


def _document(source: str | os.PathLike[str] | Mapping[str, Any] | None) -> Document:
    if source is None:
        return Document(data={})
    if isinstance(source, Mapping):
        return Document(data=plain(source))
    if isinstance(source, str | os.PathLike):
        return read_document(Path(source))
    raise InvalidError(
        f"A configuration is a file's path or a mapping, not a {type(source).__name__}."
    )


def _laid_over(document: Document, base: dict[str, Any], base_name: str) -> Document:
    return replace(
        document,
        data=_joined(base, document.data),
        source=document.source or base_name,
        origins={(key,): base_name for key in base if key not in document.data},
    )


def _joined(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    if "loc" in above and above["loc"] != below.get("loc", above["loc"]):
        return above
    joined = dict(below)
    for key, value in above.items():
        old = below.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            joined[key] = _joined(old, value)
        else:
            joined[key] = value
    return joined


def _parse_override(text: str) -> tuple[KeyPath, Any, str]:
    key, equals, value = text.partition("=")
    origin = f"-s {text}"
    if not equals:
        raise ConfigurationError(f"{origin}: an override is written key=value.")
    return _path(key.strip(), origin), parse_scalar(value, source=origin), origin


def _path(key: str, origin: str) -> KeyPath:
    parts = key.split(".")
    if not all(parts):
        raise ConfigurationError(f"{origin}: {key!r} is no key; write it as optimizer.args.lr.")
    return tuple(int(part) if part.isdecimal() else part for part in parts)
