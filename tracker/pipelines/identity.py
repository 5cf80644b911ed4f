"""When two configurations are the same one."""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from typing import Any

from tracker.errors import ConfigurationError


def plain(value: Any, *, path: str = "") -> Any:
    """The same value as lists, mappings with text keys, text, numbers, booleans and None.

    Tuples become lists, NumPy's scalars Python's, paths text. Anything else, and a key that
    is not text, is a ConfigurationError that names where it stands.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return _builtin(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ConfigurationError(f"{path or 'the configuration'}: {key!r} must be text.")
        return {key: plain(inner, path=_inside(path, key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [
            plain(inner, path=_inside(path, str(position))) for position, inner in enumerate(value)
        ]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return plain(value.item(), path=path)
    if isinstance(value, type) or callable(value):
        location = f"{getattr(value, '__module__', '?')}:{getattr(value, '__qualname__', '?')}"
        raise ConfigurationError(
            f"{path}: a component is named by its location, as text: {location!r}, say."
        )
    raise ConfigurationError(
        f"{path}: a {type(value).__name__} cannot be kept in a configuration;"
        " write it as numbers, text, lists or mappings."
    )


def _builtin(value: Any) -> Any:
    """Subclasses such as enums of text and NumPy's float64 as what they are underneath."""
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind.__str__(value) if kind is str else kind(value)
    return None


def _inside(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def canonical(value: Any) -> str:
    """One text for all values that mean the same.

    1 equals 1.0 (but not True), the order of keys does not count, tuples are lists, NaN
    equals NaN, -0.0 equals 0.
    """
    return json.dumps(
        _normal(plain(value)), sort_keys=True, ensure_ascii=True, separators=(",", ":")
    )


def _normal(value: Any) -> Any:
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _normal(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_normal(inner) for inner in value]
    return value


def config_hash(config: Mapping[str, Any], sources: Mapping[str, str]) -> str:
    """SHA-256 of the configuration and of its components' source, by name."""
    text = canonical({"config": config, "sources": dict(sources)})
    return hashlib.sha256(text.encode()).hexdigest()
