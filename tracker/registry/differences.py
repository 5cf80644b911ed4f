"""What differs between runs and pipelines: what they were given, where they ran, what came out."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracker.database.kinds import Goal
from tracker.database.tables import Pipeline, Run, Series
from tracker.errors import InvalidError
from tracker.filters import wording
from tracker.filters.goals import known_goal, said_goals
from tracker.registry.details import (
    data_seen,
    environment_of,
    experiment_name,
    find_named,
    standing_of,
)
from tracker.registry.params import flat, read_params
from tracker.registry.pipelines import current_run

# A fact by the names of those that have it: who lacks it is not in there.
Sides = dict[str, Any]

_FILE = re.compile(r"^(?=diff )", re.MULTILINE)


@dataclass(frozen=True)
class MetricDifference:
    """A metric's values by name, and who has the best; nobody where no goal is known."""

    values: Sides
    goal: Goal | None
    better: tuple[str, ...]


@dataclass(frozen=True)
class Differences:
    """Only what differs; false if nothing does.

    Each fact maps the names of those that have it to its value. `patches` are uncommitted
    changes, of each name those to files that are not changed so in all.
    """

    names: tuple[str, ...]
    run: dict[str, Sides] = field(default_factory=dict)
    parameters: dict[str, Sides] = field(default_factory=dict)
    code: dict[str, Sides] = field(default_factory=dict)
    patches: dict[str, str] = field(default_factory=dict)
    environment: dict[str, Sides] = field(default_factory=dict)
    data: dict[str, Sides] = field(default_factory=dict)
    metrics: dict[str, MetricDifference] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(self.as_dict()[section] for section in SECTIONS)

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, a key for each section."""
        metrics = {
            name: {"values": found.values, "goal": found.goal, "better": list(found.better)}
            for name, found in self.metrics.items()
        }
        sections = {section: getattr(self, section) for section in SECTIONS}
        return {"names": list(self.names), **sections, "metrics": metrics}


SECTIONS = ("run", "parameters", "code", "patches", "environment", "data", "metrics")


def differences(session: Session, names: Iterable[str]) -> Differences:
    """What differs between the runs and pipelines of these names, two or more.

    A pipeline stands for its configuration and its current run; one that was never trained
    takes no part in what only runs have. Equal are values that a filter finds equal, and NaN
    and NaN. Of a metric, the best value (where its goal is known) and the last are compared.
    """
    sides = [_Side(session, name) for name in dict.fromkeys(names)]
    if not sides:
        raise InvalidError("Name the runs or pipelines to compare.")
    ran = [side for side in sides if side.run is not None]
    parameters = _differing({side.name: side.parameters for side in sides})
    facts = _differing({side.name: side.facts for side in sides})
    environments = {side.name: side.environment for side in ran}
    return Differences(
        names=tuple(side.name for side in sides),
        # A configuration may say them as well.
        run={fact: found for fact, found in facts.items() if fact not in parameters},
        parameters=parameters,
        code=_differing({name: _code(found) for name, found in environments.items()}),
        patches=_patches({name: found.get("patch") for name, found in environments.items()}),
        environment=_differing(
            {name: _surroundings(found) for name, found in environments.items()}
        ),
        data=_differing({side.name: side.data for side in ran}),
        metrics=_metrics(session, ran),
    )


class _Side:
    """One of those that are compared."""

    def __init__(self, session: Session, name: str) -> None:
        found = find_named(session, name)
        self.name = name
        self.run = found if isinstance(found, Run) else current_run(session, found)
        self.parameters = _parameters(session, found)
        self.facts: Sides = {
            "experiment": experiment_name(session, found),
            "status": "never trained",
        }
        self.environment: Mapping[str, Any] = {}
        self.data: Sides = {}
        if self.run is not None:
            standing = standing_of(session, self.run)
            self.facts |= {"seed": self.run.seed, "status": standing["status"]}
            self.environment = environment_of(session, self.run.id) or {}
            self.data = _data(data_seen(session, self.run.id))


def _parameters(session: Session, of: Pipeline | Run) -> Sides:
    return (
        dict(flat(of.config)) if isinstance(of, Pipeline) else read_params(session, [of.id])[of.id]
    )


def _data(seen: Iterable[Mapping[str, Any]]) -> Sides:
    """What was seen under each name; two contents under one name are numbered."""
    found: Sides = {}
    for row in seen:
        name, number = row["name"], 2
        while name in found:
            name, number = f"{row['name']} ({number})", number + 1
        found[name] = {key: row[key] for key in ("rows", "columns", "fingerprint")}
    return found


def _code(environment: Mapping[str, Any]) -> Sides:
    wanted = {"commit": "git_commit", "branch": "git_branch"}
    return {name: environment[key] for name, key in wanted.items() if environment.get(key)}


def _surroundings(environment: Mapping[str, Any]) -> Sides:
    if not environment:
        return {}
    packages = {f"packages.{name}": version for name, version in environment["packages"].items()}
    return {
        key: environment[key] for key in ("python", "host", "platform", "cpu", "gpu")
    } | packages


def _patches(patches: Mapping[str, str | None]) -> dict[str, str]:
    """Of each patch the files that are not changed alike everywhere."""
    files = {name: _FILE.split(patch or "") for name, patch in patches.items()}
    alike = set.intersection(*map(set, files.values())) if files else set()
    kept = {
        name: "".join(part for part in parts if part not in alike) for name, parts in files.items()
    }
    return {name: patch for name, patch in kept.items() if patch}


def _differing(sides: Mapping[str, Sides]) -> dict[str, Sides]:
    """The facts that not all sides have, or not with one value; in the sides' order."""
    keys = dict.fromkeys(key for side in sides.values() for key in side)
    found = {key: {name: side[key] for name, side in sides.items() if key in side} for key in keys}
    return {key: values for key, values in found.items() if not _all_same(values, len(sides))}


def _all_same(values: Sides, number: int) -> bool:
    first, *rest = values.values()
    return len(values) == number and all(same(first, value) for value in rest)


def same(one: Any, other: Any) -> bool:
    """Equal as a filter has it, or both NaN, or both missing; also inside lists."""
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _metrics(session: Session, sides: Sequence[_Side]) -> dict[str, MetricDifference]:
    said = said_goals(session)
    found: dict[str, MetricDifference] = {}
    measured = {side.name: _summaries(session, side.run.id) for side in sides if side.run}
    for metric in sorted({metric for summaries in measured.values() for metric in summaries}):
        goal = said.get(metric) or known_goal(metric)
        for function in ("best", "last") if goal else ("last",):
            pick = _PICKS[goal if function == "best" and goal else "last"]
            values = {
                name: value
                for name, summaries in measured.items()
                if metric in summaries and (value := pick(summaries[metric])) is not None
            }
            if values and not _all_same(values, len(sides)):
                better = _better(values, goal)
                found[wording.call(function, metric)] = MetricDifference(values, goal, better)
    return found


def _summaries(session: Session, run_id: int) -> dict[str, list[tuple[Any, ...]]]:
    """Last value, minimum and maximum of each metric's headline series, the latest one last."""
    rows = session.execute(
        select(Series.name, Series.last, Series.minimum, Series.maximum)
        .where(Series.run_id == run_id, Series.headline, Series.last_step.is_not(None))
        .order_by(Series.name, Series.last_step, Series.id)
    )
    found: dict[str, list[tuple[Any, ...]]] = {}
    for name, *summary in rows:
        found.setdefault(name, []).append(tuple(summary))
    return found


def _last(series: Sequence[tuple[Any, ...]]) -> float:
    value = series[-1][0]
    return math.nan if value is None else float(value)


def _lowest(series: Sequence[tuple[Any, ...]]) -> float | None:
    return min((row[1] for row in series if row[1] is not None), default=None)


def _highest(series: Sequence[tuple[Any, ...]]) -> float | None:
    return max((row[2] for row in series if row[2] is not None), default=None)


_PICKS: dict[str, Callable[[Sequence[tuple[Any, ...]]], float | None]] = {
    "last": _last,
    Goal.MIN: _lowest,
    Goal.MAX: _highest,
}


def _better(values: Mapping[str, float], goal: Goal | None) -> tuple[str, ...]:
    numbers = {name: value for name, value in values.items() if not math.isnan(value)}
    if goal is None or not numbers:
        return ()
    best = min(numbers.values()) if goal is Goal.MIN else max(numbers.values())
    return tuple(name for name, value in numbers.items() if value == best)
