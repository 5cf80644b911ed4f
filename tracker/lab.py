"""A lab: found, made, opened; and what can be done in one from Python."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from html import escape
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tracker.database.connection import Database
from tracker.database.kinds import Goal
from tracker.database.upgrade import prepare
from tracker.errors import InvalidError
from tracker.files import LabFiles
from tracker.files.home import FOLDER, find_lab, making_home
from tracker.registry.names import checked_name

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from engine.experiment import Experiment
    from engine.phases.reporting import Reporter
    from tracker.pipelines.detached import Detached
    from tracker.pipelines.outcome import Outcome
    from tracker.pipelines.pipeline import Pipeline
    from tracker.recording.checkpoints import CheckpointPolicy
    from tracker.recording.place import Place
    from tracker.recording.run import RunHandle
    from tracker.registry.backups import Backup
    from tracker.registry.health import Finding


class Lab:
    """The record of everything that ran in one place. Open one with `Lab.open` or `Lab.init`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = LabFiles(root / FOLDER)
        self.database = Database(root / FOLDER / "lab.db")

    @classmethod
    def init(cls, path: str | os.PathLike[str] = ".") -> Self:
        """Makes a lab in this directory, or opens the one that is there.

        Any number of processes may do so at once. What is made is whole, or nothing.
        """
        root = Path(path).expanduser().absolute()
        with making_home(root):
            prepare(root / FOLDER / "lab.db")
        return cls(root)

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None = None) -> Self:
        """Opens the lab in this directory, or the nearest from here upward.

        Without a directory, $LABKEEPER_LAB counts before what is near. An older version's
        lab is upgraded, after a backup. NoLabError if there is none.
        """
        root = find_lab(path)
        prepare(root / FOLDER / "lab.db")
        return cls(root)

    def close(self) -> None:
        """Closes the database; it opens again when needed."""
        self.database.close()

    # Recording

    def run(
        self,
        name: str = "run",
        *,
        experiment: str = "default",
        params: Mapping[str, Any] | None = None,
        tags: Iterable[str] = (),
        seed: int | None = None,
    ) -> "RunHandle":
        """Begins a run, for `with` or until its `finish()`.

        A name that is taken in the experiment gets `-2`. The seed is recorded, not set. Code,
        packages and machine are recorded without being asked for.
        """
        from tracker.recording.starting import start_run  # noqa: PLC0415 - listing needs none of it

        return start_run(
            self._place, name=name, experiment=experiment, params=params, tags=tags, seed=seed
        )

    def resume_run(
        self, name: str, *, experiment: str | None = None, step: int | None = None
    ) -> "RunHandle":
        """Goes on with a run that has ended, by its name or the beginning of its uuid.

        With a step, what was recorded beyond it goes (-1: everything); without, all stays.
        StateError if a process works on the run.
        """
        from tracker.recording.starting import resume_run  # noqa: PLC0415 - as above

        return resume_run(self._place, name, experiment=experiment, resume_from=step)

    @contextmanager
    def track(
        self,
        experiment: "Experiment",
        *,
        name: str | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Iterable[str] = (),
        checkpoints: "CheckpointPolicy | None" = None,
        resume: bool = False,
    ) -> "Iterator[RunHandle]":
        """Records what an engine experiment runs inside the block as one run.

        Metrics, phases and progress are recorded, checkpoints written, data named by its
        content; `labkeeper stop` stops it after a batch. The run has the experiment's label,
        unless `name` says otherwise, and its seed.

        With `resume`, the run that has this name goes on: build the experiment as it was, and
        call `experiment.resume()` in the block. Its state is that of the last good checkpoint;
        what was recorded beyond goes. A damaged checkpoint is warned of.
        """
        from tracker.recording.restoring import resume_tracked  # noqa: PLC0415 - as above
        from tracker.recording.tracking import tracking  # noqa: PLC0415 - brings the engine

        label = experiment.label
        if resume:
            run = resume_tracked(self._place, experiment, name or label, label)
            run.log_params(params or {})
            run.tag(*tags)
        else:
            run = self.run(
                name or label, experiment=label, params=params, tags=tags, seed=experiment.seed
            )
        with run, tracking(experiment, run, checkpoints):
            yield run

    # Pipelines

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
        from tracker.pipelines.creating import create_pipeline  # noqa: PLC0415 - brings torch

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
        from tracker.pipelines.pipeline import Pipeline  # noqa: PLC0415 - opening needs none of it

        return Pipeline(self._place, name)

    def train(
        self,
        names: Sequence[str],
        *,
        time_limit: str | float | None = None,
        reporters: "Callable[[str], Sequence[Reporter]] | None" = None,
        ended: "Callable[[Outcome], object] | None" = None,
        **options: Any,
    ) -> "list[Outcome]":
        """Trains pipelines one after the other, each as `Pipeline.train`; returns how each ended.

        One that fails does not keep the next from being trained; what failed is raised at the
        end, unless `ended`, called after each, takes care of it. The time limit is for all
        together; `reporters` makes those of a pipeline from its name.
        """
        from tracker.pipelines.sequence import train_all  # noqa: PLC0415 - as above

        return train_all(
            self._place,
            names,
            time_limit=time_limit,
            reporters=reporters,
            ended=ended,
            **options,
        )

    def train_detached(self, names: Sequence[str], **options: Any) -> "Detached":
        """The same in the background; returns once the first step is done.

        What goes wrong before that is raised here. What is printed goes to a log file.
        """
        from tracker.pipelines.detached import train_detached  # noqa: PLC0415 - as above

        return train_detached(self._place, names, **options)

    def pipelines(
        self,
        filter: str | None = None,  # noqa: A002 - the word everywhere else
        *,
        sort: str | Sequence[str] | None = None,
        limit: int | None = None,
        columns: Sequence[str] | None = None,
        archived: bool | None = False,
    ) -> "pd.DataFrame":
        """The pipelines that a filter describes, one row each; `archived` None lists all.

        What only runs have is that of the pipeline's current run.
        """
        from tracker.registry.frames import pipelines_frame  # noqa: PLC0415 - as above

        with self.database.read() as session:
            return pipelines_frame(
                session, filter=filter, sort=sort, limit=limit, columns=columns, archived=archived
            )

    # Looking back

    def runs(
        self,
        filter: str | None = None,  # noqa: A002 - the word everywhere else
        *,
        sort: str | Sequence[str] | None = None,
        limit: int | None = None,
        columns: Sequence[str] | None = None,
    ) -> "pd.DataFrame":
        """The runs that a filter describes, the newest first: one row a run.

        Without columns, everything there is: parameters as `params.lr`, metrics' last values
        as `metrics.val_loss` and best ones as `best(val_loss)`. Each column's name is an
        expression that filters, `sort` and `columns` understand.
        """
        from tracker.registry.frames import runs_frame  # noqa: PLC0415 - opening needs no filters

        with self.database.read() as session:
            return runs_frame(session, filter=filter, sort=sort, limit=limit, columns=columns)

    def histories(
        self,
        filter: str | None = None,  # noqa: A002 - as above
        *,
        metrics: Iterable[str] | None = None,
    ) -> "pd.DataFrame":
        """Metric histories: `run`, `metric`, `step`, `epoch`, `value`, `time`, one row a point.

        Of a metric logged per epoch and per step, the points per epoch. NotFoundError for a
        metric that none of the runs has.
        """
        from tracker.registry.frames import histories_frame  # noqa: PLC0415 - as above
        from tracker.registry.listing import find_runs  # noqa: PLC0415 - as above

        with self.database.read() as session:
            ids = find_runs(session, filter=filter).ids
            return histories_frame(session, ids, metrics)

    def plot(
        self,
        metrics: str | Sequence[str],
        filter: str | None = None,  # noqa: A002 - as above
        *,
        names: Sequence[str] = (),
        pipelines: bool = False,
        path: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> "Figure":
        """Curves of these metrics, a panel for each, of the runs that a filter describes.

        Or of the runs and pipelines called `names`; with `pipelines`, the filter is about
        pipelines, whose current runs are drawn. `options` are those of
        `tracker.plots.CurveOptions`: `x`, `kind`, `group_by`, `log_y` and so on. With a path,
        the picture is written there too, as PNG, SVG or PDF.
        """
        from tracker.plots import (  # noqa: PLC0415 - brings matplotlib
            CurveChoice,
            CurveOptions,
            check_picture_path,
            draw_curves,
            read_curves,
            save_figure,
        )

        metrics = [metrics] if isinstance(metrics, str) else metrics
        chosen = CurveOptions(**options)
        if path is not None:
            check_picture_path(Path(path))
        with self.database.read() as session:
            curves = read_curves(session, metrics, CurveChoice(names, filter, pipelines), chosen)
        figure = draw_curves(
            curves.history, curves.runs, metrics, goals=curves.goals, options=chosen
        )
        if path is not None:
            save_figure(figure, Path(path))
        return figure

    def goal(self, metric: str, goal: str | None = None) -> str | None:
        """Whether a metric is better low (`min`) or high (`max`); with `goal`, says so."""
        from tracker.registry.goals import goal_of, set_goal  # noqa: PLC0415 - as above

        if goal is None:
            with self.database.read() as session:
                return goal_of(session, metric)
        if goal not in ("min", "max"):
            raise InvalidError(f"A metric is better at its 'min' or 'max', not {goal!r}.")
        with self.database.write() as session:
            set_goal(session, checked_name("metric", metric), Goal(goal))
        return goal

    # Health

    def doctor(self, *, repair: bool = False) -> "list[Finding]":
        """What is not as it should be, the gravest first. Reads every registered file.

        With `repair`, those that have a cure are put right.
        """
        from tracker.registry import health  # noqa: PLC0415 - as above

        if not repair:
            with self.database.read() as session:
                return health.examine(session, self.files)
        with self.database.write() as session:
            found = health.examine(session, self.files)
            health.repair(session, self.files, found)
            return found

    def backup(self, target: str | os.PathLike[str]) -> "Backup":
        """Copies the whole lab while it is in use, into a directory that is a lab itself.

        Into a new directory, or into one of its own in a directory that is there. All or nothing.
        """
        from tracker.registry.backups import back_up  # noqa: PLC0415 - as above

        return back_up(self.database, self.files, Path(target).expanduser())

    # Leaving

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Lab {self.root}>"

    def _repr_html_(self) -> str:
        columns = ["name", "experiment", "status", "created"]
        return f"<p>{escape(str(self.root))}</p>{self.runs(limit=10, columns=columns).to_html()}"

    @cached_property
    def _place(self) -> "Place":
        from tracker.recording.place import Place  # noqa: PLC0415 - as above

        return Place(self.root, self.database, self.files)
