"""Names, tags, notes and favourites."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tracker.lab.base import LabBase

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tracker.registry.choosing import Owner


class Labelling(LabBase):
    """What people call runs and pipelines, and say of them; of one or of many at once.

    `names` are pipelines or runs; without them, `filter` describes runs, or with `pipelines`
    pipelines. Each changes all that are meant, or none, never asks, and returns how many it were.
    """

    def tag(
        self,
        names: str | Sequence[str] = (),
        tags: str | Sequence[str] = (),
        *,
        remove: str | Sequence[str] = (),
        filter: str | None = None,  # noqa: A002 - the word everywhere else
        pipelines: bool = False,
    ) -> int:
        """Puts tags on them, and takes those in `remove` off."""
        from tracker.registry.labelling import tag

        add, gone = _listed(tags), _listed(remove)
        return self._change(
            names, filter, pipelines, lambda session, owners: tag(session, owners, add, gone)
        )

    def note(
        self,
        names: str | Sequence[str] = (),
        text: str | None = None,
        *,
        filter: str | None = None,  # noqa: A002 - as above
        pipelines: bool = False,
    ) -> int:
        """Replaces their note; an empty one takes it away."""
        from tracker.registry.labelling import write_note

        return self._change(names, filter, pipelines, lambda _, owners: write_note(owners, text))

    def mark(
        self,
        names: str | Sequence[str] = (),
        *,
        filter: str | None = None,  # noqa: A002 - as above
        pipelines: bool = False,
    ) -> int:
        """Makes favourites of them, which have the tag `favourite`."""
        return self.tag(names, "favourite", filter=filter, pipelines=pipelines)

    def unmark(
        self,
        names: str | Sequence[str] = (),
        *,
        filter: str | None = None,  # noqa: A002 - as above
        pipelines: bool = False,
    ) -> int:
        """Takes them out of the favourites."""
        return self.tag(names, remove="favourite", filter=filter, pipelines=pipelines)

    def rename(
        self,
        name: str | None = None,
        to: str = "",
        *,
        filter: str | None = None,  # noqa: A002 - as above
        pipelines: bool = False,
    ) -> int:
        """Gives a pipeline or a run another name: TakenError if it is taken.

        With a filter, `to` has in braces what tells them apart, as in `mlp-{lr}`. A pipeline
        that is running is a StateError.
        """
        from tracker.registry.labelling import new_names, rename

        def change(session: "Session", owners: "Sequence[Owner]") -> None:
            names = [to] * len(owners) if filter is None else new_names(session, owners, to)
            rename(session, owners, names)

        return self._change([] if name is None else [name], filter, pipelines, change)

    def _change(
        self,
        names: str | Sequence[str],
        filter_: str | None,
        pipelines: bool,  # noqa: FBT001 - private
        change: "Callable[[Session, Sequence[Owner]], object]",
    ) -> int:
        from tracker.registry.choosing import choose

        with self.database.write() as session:
            owners = choose(session, names, filter=filter_, pipelines=pipelines)
            change(session, owners)
        return len(owners)


def _listed(words: str | Sequence[str]) -> list[str]:
    return [words] if isinstance(words, str) else list(words)
