"""Sweeps: grids of configurations, tried by workers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tracker.lab.base import LabBase

if TYPE_CHECKING:
    import os

    from tracker.registry.keeping import Change
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

    def sweeps(self, *, deleted: bool = False) -> "list[SweepFacts]":
        """How each sweep stands, or each in the trash, the newest first."""
        from tracker.registry.sweeps.catalog import list_sweeps

        with self.database.read() as session:
            return list_sweeps(session, deleted=deleted)

    def delete_sweeps(
        self,
        names: str | Sequence[str],
        *,
        dry_run: bool = False,
        shown: "Change | None" = None,
    ) -> "Change":
        """Puts sweeps into the trash with the runs of their trials; their names are free then.

        All of them, or none: StateError if one has workers. `dry_run` changes nothing, and
        returns what would be changed; given back as `shown`, it makes sure that it is what
        happens: a StateError if the lab has changed meanwhile.
        """
        from tracker.registry.sweeps.trash import delete_sweeps

        return self._changing(
            lambda session: delete_sweeps(session, self.files, _listed(names)),
            dry_run=dry_run,
            shown=shown,
        )

    def restore_sweeps(
        self, names: str | Sequence[str], *, as_: str | None = None, dry_run: bool = False
    ) -> "Change":
        """Takes sweeps out of the trash, with the runs that went there with them.

        Of several that had one name, a name means the last that was deleted. TakenError if its
        name is taken by now: `as_` gives another.
        """
        from tracker.registry.sweeps.trash import restore_sweeps

        return self._changing(
            lambda session: restore_sweeps(session, _listed(names), name=as_), dry_run=dry_run
        )

    def purge_sweeps(
        self,
        names: str | Sequence[str],
        *,
        pinned: bool = False,
        dry_run: bool = False,
        shown: "Change | None" = None,
    ) -> "Change":
        """Deletes sweeps in the trash for good, with their runs there, and gives the space back.

        Names mean all in the trash that had them. StateError if a checkpoint is pinned, unless
        `pinned` says so. `purge(everything=True)` empties the trash of sweeps, too.
        """
        from tracker.registry.sweeps.trash import purge_sweeps

        change = self._changing(
            lambda session: purge_sweeps(session, self.files, _listed(names), pinned=pinned),
            dry_run=dry_run,
            shown=shown,
        )
        if not dry_run:
            self._give_space_back()
        return change


def _listed(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)
