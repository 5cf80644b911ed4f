"""Out of the way, into the trash, back, and really gone."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from tracker.errors import InvalidError, UnsaidError
from tracker.lab.base import LabBase

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from tracker.registry.keeping import Change, Wanted


class Keeping(LabBase):
    """Keeping a lab in order. Nothing here ever asks.

    `names` are of pipelines, else of runs; `pipelines` and `runs` are filters that describe
    more. All that is meant is changed, or nothing. `dry_run` changes nothing, and returns
    what would be changed; given back as `shown`, it makes sure that it is what happens: a
    StateError if the lab has changed meanwhile.
    """

    def archive(
        self,
        names: str | Sequence[str] = (),
        *,
        pipelines: str | None = None,
        runs: str | None = None,
        dry_run: bool = False,
    ) -> "Change":
        """Takes pipelines, with their runs, and runs out of the lists, pictures and completions.

        Names stay taken. StateError if one is running.
        """
        from tracker.registry import keeping

        def work(session: "Session", wanted: "Wanted") -> "Change":
            return keeping.archive(session, keeping.choose_visible(session, wanted))

        return self._put(work, keeping.Wanted(names, pipelines, runs), dry_run=dry_run)

    def unarchive(
        self,
        names: str | Sequence[str] = (),
        *,
        pipelines: str | None = None,
        runs: str | None = None,
        dry_run: bool = False,
    ) -> "Change":
        """Brings archived pipelines and runs back; the filters describe archived ones."""
        from tracker.registry import keeping

        def work(session: "Session", wanted: "Wanted") -> "Change":
            chosen = keeping.choose_visible(session, wanted, archived=True)
            return keeping.unarchive(session, chosen)

        return self._put(work, keeping.Wanted(names, pipelines, runs), dry_run=dry_run)

    def delete(
        self,
        names: str | Sequence[str] = (),
        *,
        pipelines: str | None = None,
        runs: str | None = None,
        archived: bool = False,
        dry_run: bool = False,
        shown: "Change | None" = None,
    ) -> "Change":
        """Puts pipelines, with their runs, and runs into the trash; their names are free then.

        A filter describes what is not archived or, with `archived`, only what is. StateError
        if one is running.
        """
        from tracker.registry import keeping

        def work(session: "Session", wanted: "Wanted") -> "Change":
            chosen = keeping.choose_visible(session, wanted, archived=archived)
            return keeping.delete(session, self.files, chosen)

        wanted = keeping.Wanted(names, pipelines, runs)
        return self._put(work, wanted, dry_run=dry_run, shown=shown)

    def restore(
        self,
        names: str | Sequence[str] = (),
        *,
        pipelines: str | None = None,
        runs: str | None = None,
        as_: str | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> "Change":
        """Takes pipelines, with their runs, and runs out of the trash.

        Of several that had one name, a name means the last that was deleted. TakenError if its
        name is taken by now: `as_` gives another. A pipeline whose configuration there is again
        is one as well, unless `force` allows the twin.
        """
        from tracker.registry import keeping

        def work(session: "Session", wanted: "Wanted") -> "Change":
            if wanted.is_nothing:
                raise UnsaidError
            chosen = keeping.choose_deleted(session, wanted, newest=True)
            return keeping.restore(session, chosen, name=as_, force=force)

        return self._put(work, keeping.Wanted(names, pipelines, runs), dry_run=dry_run)

    def purge(
        self,
        names: str | Sequence[str] = (),
        *,
        pipelines: str | None = None,
        runs: str | None = None,
        older_than: str | timedelta | None = None,
        everything: bool = False,
        pinned: bool = False,
        dry_run: bool = False,
        shown: "Change | None" = None,
    ) -> "Change":
        """Deletes what is in the trash for good, and gives its space back to the disk.

        Names and filters mean what is in the trash; `older_than` ("30d", "12 hours") only what
        came there before that time. Without names and filters, sweeps go as well. `everything`
        empties it. StateError if a checkpoint is
        pinned, unless `pinned` says so.
        """
        from tracker.database.types import now
        from tracker.registry import keeping
        from tracker.registry.sweeps.trash import purge_sweeps

        before = None if older_than is None else now() - _age(older_than)

        def work(session: "Session", wanted: "Wanted") -> "Change":
            if wanted.is_nothing and before is None and not everything:
                raise UnsaidError(
                    "Say what to purge: names, a filter (--pipelines or --runs), an age"
                    " (--older-than), or --everything."
                )
            swept = None
            if wanted.is_nothing:
                swept = purge_sweeps(session, self.files, before=before, pinned=pinned)
            chosen = keeping.choose_deleted(session, wanted, before=before)
            change = keeping.purge(session, self.files, chosen, pinned=pinned)
            return change if swept is None else swept.joined(change)

        change = self._put(
            work, keeping.Wanted(names, pipelines, runs), dry_run=dry_run, shown=shown
        )
        if not dry_run:
            self._give_space_back()
        return change

    def _put(
        self,
        work: "Callable[[Session, Wanted], Change]",
        wanted: "Wanted",
        *,
        dry_run: bool,
        shown: "Change | None" = None,
    ) -> "Change":
        return self._changing(lambda session: work(session, wanted), dry_run=dry_run, shown=shown)


def _age(text: str | timedelta) -> timedelta:
    from tracker.filters.moments import read_seconds

    if isinstance(text, timedelta):
        return text
    seconds = read_seconds(text)
    if seconds is None:
        raise InvalidError(f"{text!r} is no age; write '30d', '12 hours' or '2 weeks'.")
    return timedelta(seconds=seconds)
