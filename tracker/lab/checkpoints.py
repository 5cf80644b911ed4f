"""What runs can go back to: looked at, pinned, pruned, verified."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tracker.lab.base import LabBase

if TYPE_CHECKING:
    import pandas as pd

    from tracker.registry.keeping import Change
    from tracker.registry.verifying import Verified


class Checkpoints(LabBase):
    """The checkpoints of pipelines' current runs, and of runs."""

    def checkpoints(self, name: str) -> "pd.DataFrame":
        """What a pipeline or a run can go back to, the newest first: a row each."""
        import pandas as pd

        from tracker.registry.details import CHECKPOINT_COLUMNS, checkpoint_details, runs_named

        with self.database.read() as session:
            (run,) = runs_named(session, [name])
            rows = checkpoint_details(session, run.id)
        return pd.DataFrame.from_records(rows, columns=list(CHECKPOINT_COLUMNS))

    def pin(self, name: str, *which: str | int) -> list[str]:
        """Pins checkpoints, so that they stay whatever else goes; returns their names.

        Which: an epoch, a name, "last" or "best". Of several from one epoch or of one name, the
        newest is meant.
        """
        from tracker.registry.checkpoints import pin
        from tracker.registry.details import runs_named

        with self.database.write() as session:
            (run,) = runs_named(session, [name])
            return [pin(session, run.id, each).name for each in which]

    def unpin(self, name: str, *which: str | int) -> list[str]:
        """Takes the pins off these checkpoints, or off all; returns the names of those."""
        from tracker.registry.checkpoints import unpin
        from tracker.registry.details import runs_named

        with self.database.write() as session:
            (run,) = runs_named(session, [name])
            return [row.name for row in unpin(session, run.id, which)]

    def prune(
        self,
        names: str | Sequence[str] = (),
        *,
        pipelines: str | None = None,
        runs: str | None = None,
        dry_run: bool = False,
        shown: "Change | None" = None,
        **kept: Any,
    ) -> "Change":
        """Removes the checkpoints that no rule keeps, and gives their space back.

        Kept are the `last` states (1), of each metric in `best` the `top` (1) best, the one
        after each `every`-th epoch; what is pinned, models, and the newest best weights. The
        state that training goes on from stays, unless `last` is 0. A pipeline stands for all its
        runs; names and filters are as for `archive`, and so are `dry_run` and `shown`. StateError
        if one is running.
        """
        from tracker.registry import keeping

        policy = keeping.Retention(**kept)
        if not dry_run:
            keeping.delete_leftovers(self.database, self.files)
        with self.database.write() as session:
            chosen = keeping.choose_visible(session, keeping.Wanted(names, pipelines, runs))
            change = keeping.prune(session, self.files, chosen, policy)
            keeping.refuse_other(change, shown)
            if dry_run:
                session.rollback()
        if not dry_run:
            keeping.delete_leftovers(self.database, self.files)
        return change

    def verify(
        self,
        names: str | Sequence[str] = (),
        *,
        pipelines: str | None = None,
        runs: str | None = None,
    ) -> "Verified":
        """Reads every file of these runs, and says which are missing or not what was written.

        A pipeline stands for all its runs; without any of them, the whole lab is meant, with
        what is archived and what is in the trash.
        """
        from tracker.registry import keeping
        from tracker.registry.registered import registered_files
        from tracker.registry.verifying import verify

        wanted, of = keeping.Wanted(names, pipelines, runs), None
        with self.database.read() as session:
            if not wanted.is_nothing:
                of = [run.id for run in keeping.choose_visible(session, wanted).all_runs]
            registered = list(registered_files(session, of))
        # Reading files takes long: nobody's database should wait for it.
        found = verify(registered, self.files)
        with self.database.read() as session:
            still = {file.path for file in registered_files(session, of)}
        return found._replace(faults=[fault for fault in found.faults if fault.path in still])
