"""Pipelines, runs and sweeps from lab to lab."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tracker.errors import InvalidError
from tracker.lab.base import LabBase

if TYPE_CHECKING:
    from tracker.transfer import Exported, Imported, Inside

Rule = Literal["refuse", "rename", "skip", "replace"]


class Transferring(LabBase):
    """Bundles: written, looked into, taken in."""

    def export_bundle(
        self,
        path: str | os.PathLike[str],
        *names: str,
        pipelines: str | None = None,
        runs: str | None = None,
        everything: bool = False,
        checkpoints: bool = True,
        sources: bool = False,
        move: bool = False,
    ) -> "Exported":
        """Writes pipelines, runs and sweeps with all that belongs to them into one new file.

        They are named, or described by filters over `pipelines` and over `runs`; `everything`
        is what is not in the trash. A pipeline comes with its runs, a run with its pipeline, a
        sweep with its trials' runs. With `sources` the source files of pipelines' components
        come along. With `move` the originals are deleted, after the file was read again and
        found whole. StateError if one of the runs is running.
        """
        from tracker.transfer import Wanted, export_bundle
        from tracker.transfer.components import source_files
        from tracker.transfer.moving import remove_originals

        if move and not checkpoints:
            raise InvalidError("What is moved takes its checkpoints along; prune them first.")
        target = Path(path).expanduser()
        exported, chosen = export_bundle(
            self._place,
            target,
            Wanted(names, pipelines, runs, everything),
            checkpoints=checkpoints,
            find_sources=source_files if sources else None,
        )
        if move:
            remove_originals(self.database, self.files, target, chosen)
        return exported

    def import_bundle(
        self,
        path: str | os.PathLike[str],
        *,
        taken: Rule = "refuse",
        trust: bool = False,
        dry_run: bool = False,
    ) -> "Imported":
        """Takes in everything in a bundle that is not here yet, or nothing.

        `taken` says what is done where a name is taken, or where a run has gone on here or
        there: `rename` what comes (names only), `skip` it, or `replace` what is here, which
        goes to the trash. With `trust`, scikit-learn estimators of any type may be loaded
        from its files. With `dry_run` the same is checked and told, and nothing is done.
        BundleError if the bundle is not sound.
        """
        from tracker.transfer import Taken, import_bundle

        if taken not in set(Taken):
            known = ", ".join(repr(rule.value) for rule in Taken)
            raise InvalidError(f"taken is one of {known}, not {taken!r}.")
        return import_bundle(
            self.database,
            self.files,
            Path(path).expanduser(),
            taken=Taken(taken),
            trust=trust,
            dry_run=dry_run,
        )

    def trust(self, *names: str, pipelines: str | None = None, runs: str | None = None) -> int:
        """Lets scikit-learn estimators of any type be loaded from files that came in bundles.

        Rebuilding such an estimator can run code of whoever wrote the bundle. Returns how many
        files were not trusted before.
        """
        from tracker.transfer import Wanted, trust

        return trust(self.database, self.files, Wanted(names, pipelines, runs))

    def look_inside_bundle(self, path: str | os.PathLike[str]) -> "Inside":
        """What a bundle holds, each entry compared with its hash; nothing is taken in."""
        from tracker.transfer import look_inside

        return look_inside(Path(path).expanduser())
