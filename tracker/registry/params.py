"""The parameters of runs: nested mappings stored by dotted key, each with its type."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from enum import Enum
from os import PathLike, fspath
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.kinds import ParamKind
from tracker.database.tables import Param
from tracker.errors import InvalidError

# Beyond it, a float no longer tells two neighbouring integers apart.
EXACT = 2**53

_STORE = """
INSERT INTO params (run_id, key, kind, number, text) VALUES (?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET kind = excluded.kind, number = excluded.number, text = excluded.text
"""


def store_params(session: Session, run_id: int, params: Mapping[str, Any]) -> None:
    """Adds the parameters to the run's; one that is there already is replaced."""
    rows = [(run_id, key, *columns(key, value)) for key, value in flat(params)]
    driver_connection(session).executemany(_STORE, rows)


def read_params(session: Session, run_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Each run's parameters by dotted key, as the values they were. Ordered by key."""
    wanted = list(run_ids)
    found: dict[int, dict[str, Any]] = {run_id: {} for run_id in wanted}
    for start in range(0, len(wanted), 10_000):
        rows = session.execute(
            select(Param.run_id, Param.key, Param.kind, Param.number, Param.text)
            .where(Param.run_id.in_(wanted[start : start + 10_000]))
            .order_by(Param.run_id, Param.key)
        )
        for run_id, key, kind, number, text in rows:
            found[run_id][key] = value_of(kind, number, text)
    return found


def flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf with its dotted key; lists and empty mappings are leaves."""
    seen = set()
    for key, value in _leaves(params, prefix):
        if key in seen:
            raise InvalidError(f"The parameter {key!r} is given twice.")
        seen.add(key)
        yield key, value


def columns(key: str, value: Any) -> tuple[ParamKind, float | None, str | None]:
    """The columns that hold a leaf: kind, number and text."""
    value = _plain(value)
    match value:
        case None:
            return ParamKind.NONE, None, None
        case bool():
            return ParamKind.BOOL, float(value), None
        case int():
            exact = -EXACT <= value <= EXACT
            return ParamKind.INT, _nearest(value), None if exact else str(value)
        case float():
            return ParamKind.FLOAT, None if math.isnan(value) else value, None
        case str():
            return ParamKind.STR, None, value
        case list() | tuple() | dict():
            return ParamKind.JSON, None, _json(key, value)
    raise _unstorable(key, value)


def value_of(kind: ParamKind, number: float | None, text: str | None) -> Any:
    """What the columns of a parameter say it was."""
    match kind:
        case ParamKind.BOOL:
            return bool(number)
        case ParamKind.INT:
            return int(text) if text is not None else int(number or 0)
        case ParamKind.FLOAT:
            return math.nan if number is None else number
        case ParamKind.STR:
            return text
        case ParamKind.JSON:
            return json.loads(text or "null")
        case ParamKind.NONE:
            return None


def _leaves(params: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in params.items():
        key = f"{prefix}{name}"
        if not str(name).strip():
            raise InvalidError(f"A parameter of {value!r} has no name.")
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{key}.")
        else:
            yield key, value


def _plain(value: Any) -> Any:
    """Values that stand for plain ones: numpy's scalars, enumerations, paths, dates, code."""
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, PathLike):
        return str(fspath(value))
    if isinstance(value, date):
        return value.isoformat()
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value.item()
    return value


def _json(key: str, value: Any) -> str:
    def plain(part: Any) -> Any:
        converted = part.tolist() if hasattr(part, "tolist") else _plain(part)
        if converted is part:
            raise _unstorable(key, part)
        return converted

    return json.dumps(value, default=plain, ensure_ascii=False)


def _unstorable(key: str, value: Any) -> InvalidError:
    return InvalidError(
        f"The parameter {key!r} is a {type(value).__name__}; a parameter is a number, a text, "
        "a bool, None, or a list or mapping of those."
    )


def _nearest(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
