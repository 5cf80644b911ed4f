"""What a trial brought: the metrics that it returned, and those that it logged."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.kinds import Axis
from tracker.errors import ConfigurationError, InvalidError
from tracker.pipelines.identity import plain
from tracker.registry.metrics import ensure_series, insert_history, insert_points
from tracker.registry.names import checked_name
from tracker.registry.positions import REACHED

_LAST = "SELECT name, last FROM series WHERE run_id = ? AND headline AND count"


def result_of(
    returned: Any, metrics: Sequence[str] | None, logged: Mapping[str, float | None]
) -> dict[str, Any]:
    """The trial's result: what it returned, over the last values of what it logged.

    `metrics` are those that it must bring, of which all that it logged is told; without
    them, everything counts. InvalidError for what is no metrics, and for one that is missing.
    """
    if returned is None:
        returned = {}
    if not isinstance(returned, Mapping):
        raise InvalidError(
            f"A trial returns its metrics as a mapping, {{'accuracy': 0.9}}, or None; not"
            f" {_shown(returned)}."
        )
    result = {name: value for name, value in logged.items() if metrics is None or name in metrics}
    for name, value in returned.items():
        result[checked_name("metric", name)] = _kept(name, value)
    missing = [name for name in metrics or () if name not in result]
    if missing:
        brought = ", ".join(result) or "none"
        raise InvalidError(
            f"The metric {missing[0]!r} was neither returned nor logged; there are: {brought}."
        )
    return result


def logged_values(session: Session, run_id: int) -> dict[str, float]:
    """The last value of each metric that the run has logged; NaN where that is NaN."""
    rows = driver_connection(session).execute(_LAST, (run_id,)).fetchall()
    return {name: float("nan") if last is None else last for name, last in sorted(rows)}


def record_result(session: Session, run_id: int, result: Mapping[str, Any]) -> None:
    """Adds what the result says beyond what was logged to the run's series.

    A number stands at the run's last step; a list of numbers is a curve, from step 0 on.
    """
    logged = logged_values(session, run_id)
    connection = driver_connection(session)
    ((reached,),) = connection.execute(REACHED, (run_id,)).fetchall()
    moment = _now()
    for name, values in _curves(result):
        if len(values) == 1 and not isinstance(result[name], list):
            if name in logged and _same(logged[name], values[0]):
                continue
            series = ensure_series(connection, run_id, name, Axis.STEP)
            insert_points(connection, [(series, max(reached, 0), None, values[0], moment)])
        elif name not in logged:
            series = ensure_series(connection, run_id, name, Axis.STEP)
            times = [moment] * len(values)
            insert_history(connection, series, range(len(values)), values, times=times)


def _kept(name: str, value: Any) -> Any:
    """A returned value as plain data; arrays and tensors are numbers, or lists of them."""
    if getattr(value, "shape", None) is not None and hasattr(value, "tolist"):
        value = value.tolist()
    try:
        return plain(value, path=name)
    except ConfigurationError as error:
        raise InvalidError(
            f"The metric {name!r} is {_shown(value)}; a number, or a list of numbers, is expected."
        ) from error


def _curves(result: Mapping[str, Any]) -> Iterator[tuple[str, list[float]]]:
    """The numbers of each metric that consists of them."""
    for name, value in result.items():
        values = value if isinstance(value, list) else [value]
        if values and all(isinstance(one, int | float) for one in values):
            yield name, [float(one) for one in values]


def _same(one: float, other: float) -> bool:
    return one == other or (one != one and other != other)  # noqa: PLR0124 - NaN


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _now() -> int:
    return time.time_ns() // 1_000_000
