"""Making a sweep, and giving it a larger grid later."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from tracker.database.tables import Sweep
from tracker.errors import StateError
from tracker.pipelines.identity import canonical
from tracker.recording.place import Place
from tracker.registry.names import checked_name
from tracker.registry.params import flat
from tracker.registry.sweeps.catalog import (
    Point,
    add_trials,
    create_sweep,
    experiment_of,
    find_sweep,
    has_sweep,
    set_grid,
)
from tracker.registry.sweeps.trials import hashes_of
from tracker.sweeps.config import Config, parameters
from tracker.sweeps.grid import ConfigIter
from tracker.sweeps.grid.reading import Source
from tracker.sweeps.targets import RECIPE, Function, name_of, target_of


class Described(NamedTuple):
    """What a sweep is to be."""

    name: str
    experiment: str | None  # None: the default one
    default_experiment: str
    target: str
    metrics: Sequence[str] | None
    configs: ConfigIter


class Created(NamedTuple):
    """What came of a description."""

    name: str
    sweep_id: int
    is_new: bool
    added: int  # trials that were not there
    known: int  # those that were
    outside: int  # trials of an earlier grid that this one does not have
    # What its trials had to bring before, if this says otherwise; None: all counted.
    metrics_before: list[str] | None = None
    has_other_metrics: bool = False


def create(
    place: Place, described: Described, *, function: Function | None = None, fork: bool = False
) -> Created:
    """Makes the sweep, or adds to the one of this name the points that it does not have.

    StateError if that has another target or experiment, or other values in what all its trials
    share; with `fork`, a sweep of the next free name is made instead, or the one that was made so
    before.
    """
    checked_name("sweep", described.name)
    points = [Point(config, digest(config)) for config in described.configs]
    known = _known_hashes(place, described.name)
    fresh = [Config(point.config) for point in points if point.hash not in known]
    for config in fresh[:1]:  # all have the same keys
        list(flat(parameters(config)))
    target_of(described.target, place.root, function).check(fresh)
    with place.database.write() as session:
        name = described.name
        if fork:
            name = _name_to_fork(session, described)
        if has_sweep(session, name):
            return _enlarge(session, described._replace(name=name), points)
        sweep = create_sweep(
            session,
            name=name,
            experiment=described.experiment or described.default_experiment,
            target=described.target,
            grid=stored_grid(described.configs),
            grid_hash=digest(stored_grid(described.configs)),
            metrics=described.metrics,
        )
        added = add_trials(session, sweep.id, points)
        return Created(name, sweep.id, is_new=True, added=added, known=0, outside=0)


def check_first(directory: Path, config: Source, target: str | None) -> None:
    """Raises for what a sweep in this directory would be refused for, be there no lab in it yet."""
    target_of(name_of(target), directory).check(list(ConfigIter(config)))


def _enlarge(session: Session, described: Described, points: Sequence[Point]) -> Created:
    sweep = find_sweep(session, described.name)
    difference = _difference(session, sweep, described)
    if difference is not None:
        raise StateError(
            f"Sweep {sweep.name!r} {difference}. Give the sweep another name; `--fork` finds one"
            f" ({sweep.name}-2)."
        )
    before = hashes_of(session, sweep.id)
    now = {point.hash for point in points}
    added = add_trials(session, sweep.id, points)
    set_grid(
        session,
        sweep.id,
        stored_grid(described.configs),
        digest(stored_grid(described.configs)),
    )
    created = Created(described.name, sweep.id, False, added, len(now & before), len(before - now))
    if described.metrics is None or described.metrics == sweep.metrics:
        return created
    metrics_before, sweep.metrics = sweep.metrics, list(described.metrics)
    return created._replace(metrics_before=metrics_before, has_other_metrics=True)


def _difference(session: Session, sweep: Sweep, described: Described) -> str | None:
    """What of the sweep this description would change, in words."""
    if sweep.target != described.target == RECIPE:
        return f"tries {sweep.target}, and this names no target: add --target {sweep.target}"
    if sweep.target != described.target:
        return f"tries {sweep.target}, and this is {described.target}"
    experiment = experiment_of(session, sweep)
    if described.experiment not in (None, experiment):
        return f"has its runs in experiment {experiment!r}, and this is {described.experiment!r}"
    before, after = sweep.grid["static"], described.configs.static_configs.to_dict()
    fields = set(described.configs.grid_fields)
    for key in before:
        if key in after and canonical(before[key]) != canonical(after[key]):
            return f"has {key} = {before[key]!r} in all its trials, and this is {after[key]!r}"
        if key not in after and key not in fields:
            return f"has {key} = {before[key]!r} in all its trials, which is missing here"
    for key in after:
        if key not in before and key not in sweep.grid["fields"]:
            return f"has no {key}, which is {after[key]!r} here"
    return None


def _name_to_fork(session: Session, described: Described) -> str:
    """The first name, of this and `-2`, `-3`, that is free or whose sweep this could be."""
    name, number = described.name, 1
    while has_sweep(session, name) and _difference(session, find_sweep(session, name), described):
        number += 1
        name = f"{described.name}-{number}"
    return name


def _known_hashes(place: Place, name: str) -> set[str]:
    with place.database.read() as session:
        return (
            hashes_of(session, find_sweep(session, name).id) if has_sweep(session, name) else set()
        )


def stored_grid(configs: ConfigIter) -> dict[str, Any]:
    """The grid as the sweep's row holds it."""
    return {
        "static": configs.static_configs.to_dict(),
        "fields": list(configs.grid_fields),
        "grid": configs.grid,
    }


def digest(config: Mapping[str, Any]) -> str:
    """What a configuration, or a grid, is known by."""
    return hashlib.sha256(canonical(config).encode()).hexdigest()
