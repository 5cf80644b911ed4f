"""The rules of a picture in words: what each field is, and by what the best was chosen."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from tracker.plots.fields.placing import METRIC, RUN, Placing
from tracker.plots.fields.roles import Roles
from tracker.plots.fields.values import Value, text_of
from tracker.plots.kind import Kind
from tracker.plots.options import Contents, Goal

MOST_SPECIFIED = 8


def rules_of(
    kind: Kind,
    placing: Placing,
    roles: Roles,
    contents: Contents,
    goals: Mapping[str, Goal],
) -> tuple[str, ...]:
    """A line for each role that any field has."""
    lines = {
        "key": ", ".join(_keys(placing, roles)),
        "specified": _specified(roles.specified),
        "averaged": _averaged(kind, roles, contents),
        "optimized": _optimized(placing, roles, contents, goals),
    }
    return tuple(f"{name:<10} {words}" for name, words in lines.items() if words)


def exceptions_of(kind: Kind, placing: Placing, table: pd.DataFrame) -> tuple[str, ...]:
    """A line for what of the table is not drawn as a number: infinities, points left out."""
    if kind.marks_infinity and np.isinf(table["value"].to_numpy(np.float64)).any():
        return (f"{'triangle':<10} at the edge: an infinity, ▲ above all numbers, ▼ below",)
    if kind.shape != "wide":
        return ()
    finite = np.isfinite(table[list(placing.metrics)].to_numpy(np.float64)).all(axis=1)
    out = table[~finite]
    if out.empty:
        return ()
    said = f"{len(out)} of {len(table)}"
    if RUN in table and len(out) <= MOST_SPECIFIED:
        said = ", ".join(map(str, out[RUN]))
    names = " or ".join(placing.metrics)
    return (f"{'left out':<10} {said}: {names} is no finite number",)


def _keys(placing: Placing, roles: Roles) -> Iterator[str]:
    places = {
        "x": placing.x,
        "lines": placing.lines,
        "rows": (placing.rows,),
        "columns": (placing.columns,),
        "frames": (placing.frames,),
        "points": roles.points,
    }
    for place, fields in places.items():
        said = [field for field in fields if field]
        if said:
            yield f"{', '.join(said)} ({place})"
    metrics = ", ".join(placing.metrics)
    yield f"{METRIC} {metrics}" if len(placing.metrics) == 1 else f"metrics {metrics}"


def _specified(values: Mapping[str, Value]) -> str:
    said = [f"{name}={text_of(value)}" for name, value in values.items() if value is not None]
    more = len(said) - MOST_SPECIFIED
    return ", ".join(said[:MOST_SPECIFIED]) + (f" and {more} more" if more > 0 else "")


def _averaged(kind: Kind, roles: Roles, contents: Contents) -> str:
    if not roles.averaged:
        return ""
    names = ", ".join(roles.averaged)
    if kind.shape == "boxes":
        return f"{names}: all runs of a box"
    band = f", band {contents.band}" if kind.has_band and contents.band != "none" else ""
    where = "all runs have" if contents.align == "all" else "any run has"
    return f"{names}: the {contents.centre} where {where} a point{band}"


def _optimized(
    placing: Placing, roles: Roles, contents: Contents, goals: Mapping[str, Goal]
) -> str:
    if not roles.optimized:
        return ""
    said = [contents.best_ref_metric] if contents.best_ref_metric else placing.metrics
    by = ", ".join(f"{_way(contents.best or goals.get(name))} {name}" for name in said)
    return f"{', '.join(roles.optimized)}: the {by} {_where(placing, contents)}"


def _way(goal: Goal | None) -> str:
    return {"min": "lowest", "max": "highest", None: "best"}[goal]


def _where(placing: Placing, contents: Contents) -> str:
    reference, lines = contents.best_ref_x, contents.best_ref_lines
    if placing.history is not None:
        place = "last" if reference is None else reference
        where = (
            f"at the {place} {placing.history}"
            if isinstance(place, str) and not _number(place)
            else f"at {placing.history} {place}"
        )
        each = "for all lines" if lines else "for each line"
    else:
        at = contents.at if isinstance(contents.at, str) else f"at {contents.at}"
        where = f"({at} value of each run)"
        each = "at each x" if reference is None else f"at {_said(placing.x, reference)}"
    line = f", at line {', '.join(lines)}" if lines else ""
    return f"{where}, {each}{line}"


def _said(fields: Sequence[str], reference: object) -> str:
    values = list(reference) if isinstance(reference, list | tuple) else [reference]
    return ", ".join(f"{field}={value}" for field, value in zip(fields, values, strict=False))


def _number(text: str) -> bool:
    return text.replace(".", "", 1).lstrip("-").isdigit()
