"""Sweeps: grids of configurations, tried by workers."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tracker.lab.base import LabBase

if TYPE_CHECKING:
    import os

    from tracker.registry.sweeps.catalog import SweepFacts
    from tracker.sweeps import ConfigIter, Sweep


class Sweeping(LabBase):
    """Sweeps, made and found."""

    def sweep(
        self,
        name: str,
        config: "ConfigIter | str | os.PathLike[str] | Mapping[str, Any] | None" = None,
        target: str | Callable[..., Any] | None = None,
        *,
        metrics: Iterable[str] | None = None,
        experiment: str | None = None,
        fork: bool = False,
    ) -> "Sweep":
        """The sweep of this name; with a configuration, made or given what is new in its grid.

        `target` is a function `f(config)` or `f(config, trial)`, its location as
        `module:function`, or None for the recipe that the configuration names. `metrics` are
        those that each trial has to bring. StateError where the sweep has another target or
        other values outside its grid, unless `fork` may make one of the next free name.
        NotFoundError, without a configuration, for a name that is not there.
        """
        from tracker.errors import InvalidError
        from tracker.sweeps import Sweep

        if config is not None:
            return Sweep(
                config,
                target,
                metrics,
                name=name,
                lab=self,
                experiment=experiment,
                fork=fork,
            )
        if isinstance(target, str):
            raise InvalidError(f"Sweep {name!r} knows its target; give its configuration with it.")
        return Sweep.open(name, target=target, lab=self)

    def sweeps(self) -> "list[SweepFacts]":
        """How each sweep stands, the newest first."""
        from tracker.registry.sweeps.catalog import list_sweeps

        with self.database.read() as session:
            return list_sweeps(session)
