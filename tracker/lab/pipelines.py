"""Creating and training pipelines."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tracker.lab.base import LabBase

if TYPE_CHECKING:
    from engine.phases.reporting import Reporter
    from tracker.pipelines.detached import Detached
    from tracker.pipelines.outcome import Outcome
    from tracker.pipelines.pipeline import Pipeline


class Pipelines(LabBase):
    """Pipelines, created and trained."""

    def create(
        self,
        name: str,
        config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        *,
        overrides: Iterable[str] | Mapping[str, Any] = (),
        from_: str | None = None,
        force: bool = False,
        tags: Iterable[str] = (),
        note: str | None = None,
    ) -> "Pipeline":
        """Registers a pipeline with the configuration in a file or a mapping.

        Overrides are as on the command line, `["optimizer.args.lr=0.1"]`, or a mapping.
        `from_` names a pipeline that it derives from. Everything is checked first; the same
        configuration twice is a TakenError, unless `force` allows it.
        """
        from tracker.pipelines.creating import create_pipeline

        create_pipeline(
            self._place,
            name,
            config,
            overrides=overrides,
            from_=from_,
            force=force,
            tags=tags,
            note=note,
        )
        return self.pipeline(name)

    def pipeline(self, name: str) -> "Pipeline":
        """The pipeline of this name; NotFoundError suggests the nearest."""
        from tracker.pipelines.pipeline import Pipeline

        return Pipeline(self._place, name)

    def train(
        self,
        names: Sequence[str],
        *,
        workers: int = 1,
        threads: int | None = None,
        time_limit: str | float | None = None,
        reporters: "Callable[[str], Sequence[Reporter]] | None" = None,
        ended: "Callable[[Outcome], object] | None" = None,
        **options: Any,
    ) -> "list[Outcome]":
        """Trains pipelines, each as `Pipeline.train`; returns how each ended, in that order.

        One after the other, or so many `workers` at a time, each in a process of its own; those
        share the cores, unless `threads` says how many each may use. With the same number of
        threads, the results have the same bits either way.

        One that fails, or whose process is killed, does not keep the next from being trained;
        what failed is raised at the end, unless `ended`, called after each, takes care of it.
        The time limit is for all together; `reporters` makes those of a pipeline from its name,
        in the process that trains it.
        """
        from tracker.pipelines.sequence import train_all

        return train_all(
            self._place,
            names,
            workers=workers,
            threads=threads,
            time_limit=time_limit,
            reporters=reporters,
            ended=ended,
            **options,
        )

    def train_detached(self, names: Sequence[str], **options: Any) -> "Detached":
        """The same in the background; returns once the first step is done.

        What goes wrong before that is raised here. What is printed goes to a log file.
        """
        from tracker.pipelines.detached import train_detached

        return train_detached(self._place, names, **options)
