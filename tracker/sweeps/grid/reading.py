"""A grid's file, text or mapping as a document of plain data."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tracker.errors import InvalidError
from tracker.pipelines.documents import Document, KeyPath, parse_document, read_document
from tracker.pipelines.identity import plain
from tracker.sweeps.grid.ranges import RangeLoader, RangeText, expand_range

Source = str | os.PathLike[str] | Mapping[str, Any]


def read_grid(source: Source) -> Document:
    """What a file or a mapping says; bracket ranges, which only YAML has, are written out."""
    if isinstance(source, Mapping):
        return Document(plain(_listed(source)))
    if isinstance(source, str) and "\n" in source:
        raise InvalidError(
            "A grid is read from a file or a mapping; this is text: ConfigIter.from_yaml reads it."
        )
    if isinstance(source, str | os.PathLike):
        return _written_out(read_document(Path(source), reading=RangeLoader))
    raise InvalidError(f"A grid is a file's path or a mapping, not a {type(source).__name__}.")


def parse_grid(text: str, source: str) -> Document:
    """What YAML text says; errors show the line in `source`."""
    return _written_out(parse_document(text, ".yaml", source=source, reading=RangeLoader))


def _written_out(document: Document) -> Document:
    data: dict[str, Any] = _expanded(document.data, (), document)
    return replace(document, data=data)


def _expanded(value: Any, path: KeyPath, document: Document) -> Any:
    if isinstance(value, RangeText):
        try:
            return expand_range(value)
        except InvalidError as error:
            raise document.error(path, str(error)) from None
    if isinstance(value, dict):
        return {key: _expanded(inner, (*path, key), document) for key, inner in value.items()}
    if isinstance(value, list):
        return [_expanded(inner, (*path, place), document) for place, inner in enumerate(value)]
    return value


def _listed(value: Any) -> Any:
    """With lists for `range(5)` and NumPy's arrays, with which grids in Python are written."""
    if isinstance(value, Mapping):
        return {key: _listed(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_listed(inner) for inner in value]
    if isinstance(value, range):
        return list(value)
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None):
        return value.tolist()
    return value
