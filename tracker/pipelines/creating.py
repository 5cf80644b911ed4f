"""Registering a pipeline: everything that can be checked is checked before anything is written."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from tracker.database.kinds import Goal
from tracker.errors import NotFoundError
from tracker.pipelines.configuration import Overrides, read_configuration
from tracker.pipelines.identity import config_hash
from tracker.pipelines.recipes import recipe_of
from tracker.pipelines.sources import fingerprints
from tracker.recording.place import Place
from tracker.registry.goals import suggest_goal
from tracker.registry.names import checked_name
from tracker.registry.pipelines import (
    find_pipeline,
    find_twins,
    refuse_taken_name,
    register_pipeline,
    set_note,
)

DEFAULT_EXPERIMENT = "default"


def create_pipeline(
    place: Place,
    name: str,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    overrides: Overrides = (),
    from_: str | None = None,
    force: bool = False,
    tags: Iterable[str] = (),
    note: str | None = None,
) -> None:
    """Registers a pipeline with the configuration in a file or a mapping.

    `from_` names a pipeline whose configuration it derives from. Components are imported
    and their arguments checked. TakenError if the name is taken, or if a pipeline has the
    same configuration and code, unless `force` allows the twin. What is refused leaves
    nothing behind.
    """
    checked_name("pipeline", name)
    base = None
    with place.database.read() as session:
        refuse_taken_name(session, name)
        if from_ is not None:
            base = find_pipeline(session, from_).config
    config, identity = _checked(place.root, config, overrides, base, from_ or "")
    with place.database.write() as session:
        pipeline = register_pipeline(
            session,
            name=name,
            experiment=config.get("experiment") or DEFAULT_EXPERIMENT,
            recipe=config["recipe"],
            config=config,
            config_hash=identity,
            tags=tags,
            force=force,
        )
        set_note(pipeline, note)
        _suggest_goal(session, config.get("strategy") or {})


def check_first_pipeline(
    root: Path,
    name: str,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    overrides: Overrides = (),
    from_: str | None = None,
) -> None:
    """Refuses what `create_pipeline` would refuse in a lab that is still to be made at `root`."""
    checked_name("pipeline", name)
    if from_ is not None:
        raise NotFoundError("pipeline", from_, [])
    _checked(root, config, overrides, None, "")


def find_configured(
    place: Place,
    config: str | os.PathLike[str] | Mapping[str, Any],
    *,
    overrides: Overrides = (),
) -> list[str]:
    """The names of the pipelines that have this configuration and code, the oldest first.

    What `create_pipeline` would refuse is refused.
    """
    _, identity = _checked(place.root, config, overrides, None, "")
    with place.database.read() as session:
        return [pipeline.name for pipeline in find_twins(session, identity)]


def _checked(
    root: Path,
    config: str | os.PathLike[str] | Mapping[str, Any] | None,
    overrides: Overrides,
    base: Mapping[str, Any] | None,
    base_name: str,
) -> tuple[dict[str, Any], str]:
    """The whole configuration and the hash of it and its components' source."""
    document = read_configuration(config, overrides=overrides, base=base, base_name=base_name)
    recipe = recipe_of(document)
    document = recipe.normal(document)
    recipe.check(document, root)
    sources = fingerprints(recipe.components(document.data), root)
    return document.data, config_hash(document.data, sources)


def _suggest_goal(session: Session, strategy: Mapping[str, Any]) -> None:
    """What a strategy says of its metric counts in lists too, unless told otherwise."""
    if strategy.get("monitor") and strategy.get("mode"):
        suggest_goal(session, strategy["monitor"], Goal(strategy["mode"]))
