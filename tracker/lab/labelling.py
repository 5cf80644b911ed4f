"""Names, tags, notes and favourites."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tracker.lab.base import LabBase

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tracker.registry.choosing import Owner


class Labelling(LabBase):
    """What people call runs and pipelines, and say of them; of one or of many at once.

    `names` are of pipelines or runs; `pipelines` and `runs` are filters that describe more. Each
    method changes all that are meant or none, never asks, and returns how many they are.
    """

    def tag(
        self,
        names: str | Sequence[str] = (),
        tags: str | Sequence[str] = (),
        *,
        remove: str | Sequence[str] = (),
        pipelines: str | None = None,
        runs: str | None = None,
    ) -> int:
        """Puts tags on them, and takes those in `remove` off."""
        from tracker.registry.labelling import tag

        add, gone = _listed(tags), _listed(remove)
        return self._change(
            names, pipelines, runs, lambda session, owners: tag(session, owners, add, gone)
        )

    def note(
        self,
        names: str | Sequence[str] = (),
        text: str | None = None,
        *,
        pipelines: str | None = None,
        runs: str | None = None,
    ) -> int:
        """Replaces their note; an empty one takes it away."""
        from tracker.registry.labelling import write_note

        return self._change(names, pipelines, runs, lambda _, owners: write_note(owners, text))

    def mark(
        self,
        names: str | Sequence[str] = (),
        *,
        pipelines: str | None = None,
        runs: str | None = None,
    ) -> int:
        """Makes favourites of them, which have the tag `favourite`."""
        return self.tag(names, "favourite", pipelines=pipelines, runs=runs)

    def unmark(
        self,
        names: str | Sequence[str] = (),
        *,
        pipelines: str | None = None,
        runs: str | None = None,
    ) -> int:
        """Takes them out of the favourites."""
        return self.tag(names, remove="favourite", pipelines=pipelines, runs=runs)

    def rename(
        self,
        name: str | None = None,
        to: str = "",
        *,
        pipelines: str | None = None,
        runs: str | None = None,
    ) -> int:
        """Gives a pipeline or a run another name: TakenError if it is taken.

        With a filter, `to` has in braces what tells them apart, as in `mlp-{lr}`. A pipeline
        that is running is a StateError.
        """
        from tracker.registry.labelling import new_names, rename

        def change(session: "Session", owners: "Sequence[Owner]") -> None:
            names = [to] * len(owners) if name is not None else new_names(session, owners, to)
            rename(session, owners, names)

        return self._change([] if name is None else [name], pipelines, runs, change)

    def _change(
        self,
        names: str | Sequence[str],
        pipelines: str | None,
        runs: str | None,
        change: "Callable[[Session, Sequence[Owner]], object]",
    ) -> int:
        from tracker.registry.choosing import choose

        with self.database.write() as session:
            owners = choose(session, names, pipelines=pipelines, runs=runs)
            change(session, owners)
        return len(owners)


def _listed(words: str | Sequence[str]) -> list[str]:
    return [words] if isinstance(words, str) else list(words)
