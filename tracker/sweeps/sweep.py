"""A sweep: a grid of configurations, tried one by one by any number of workers."""

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from tracker.database.kinds import RunStatus
from tracker.errors import InvalidError, NotFoundError
from tracker.files.home import find_lab
from tracker.recording.place import Place, place_at
from tracker.recording.slots import fair_threads
from tracker.registry.sweeps import catalog as registry
from tracker.registry.sweeps.queue import settle_lost
from tracker.registry.sweeps.trashed import sweep_at
from tracker.registry.sweeps.trials import (
    UNFINISHED,
    TrialFacts,
    cancel,
    find_trial,
    list_trials,
    refuse_unknown,
    start_anew,
    take_up,
)
from tracker.registry.sweeps.workers import is_alive, workers_of
from tracker.sweeps.creating import Created, Described, create
from tracker.sweeps.crew import Crew, Death, Job
from tracker.sweeps.grid import ConfigIter
from tracker.sweeps.output import read_log
from tracker.sweeps.targets import RECIPE, Function, name_of
from tracker.sweeps.terms import Terms, terms_of
from tracker.sweeps.worker import Left, Worker

if TYPE_CHECKING:
    import pandas as pd

Source = ConfigIter | str | os.PathLike[str] | Mapping[str, Any]


class Outcome(NamedTuple):
    """How a sweep stands when workers have left."""

    counts: dict[RunStatus, int]
    left: list[Left]  # why each worker has left

    @property
    def finished(self) -> bool:
        """Whether every trial is."""
        return set(self.counts) <= {RunStatus.FINISHED}


class Sweep:
    """What is on record under one name; everything is looked up when it is asked for.

    def train(config, trial):
        for epoch in range(config.epochs):
            ...
            trial.log(loss=loss, step=epoch)
        return {"accuracy": accuracy}

    sweep = Sweep("sweep.yaml", train, metrics=["accuracy"], name="first")
    sweep.run(workers=2)
    sweep.results()
    """

    def __init__(
        self,
        config: Source,
        target: str | Function | None = None,
        metrics: Iterable[str] | None = None,
        *,
        name: str | None = None,
        lab: Any = None,
        experiment: str | None = None,
        fork: bool = False,
    ) -> None:
        """Makes the sweep, or adds to the one of this name the points that it does not have.

        `target` is a function `f(config)` or `f(config, trial)`, its location as
        `module:function`, or None for the recipe that the configuration names, whose keys the
        grid's fields then are: `optimizer.args.lr`. `metrics` are those that each trial has to
        bring. The name is that of the file, or of the function, unless it is given. `lab` is
        one, or its directory; the nearest without. Runs belong to `experiment`, which by
        default has the sweep's name.

        StateError if the sweep of this name has another target or experiment, or other values
        outside the grid; `fork` makes one of the next free name then. What is refused leaves
        nothing behind.
        """
        function = target if callable(target) else None
        named = name_of(target)
        configs = config if isinstance(config, ConfigIter) else ConfigIter(config)
        place = _place_of(lab)
        name = name or _default_name(config, named)
        described = Described(
            name=name,
            experiment=experiment,
            default_experiment=_experiment_of(configs, named) or name,
            target=named,
            metrics=None if metrics is None else _listed(metrics),
            configs=configs,
        )
        created = create(place, described, function=function, fork=fork)
        self._set(place, created.name, created.sweep_id, function, created)

    @classmethod
    def open(cls, name: str, *, target: Function | None = None, lab: Any = None) -> Self:
        """The sweep of this name; NotFoundError suggests the nearest.

        `target` is its function, where only the program that defines it can find it.
        """
        place = _place_of(lab)
        with place.database.read() as session:
            row = registry.find_sweep(session, name)
        sweep = cls.__new__(cls)
        sweep._set(place, row.name, row.id, target)  # noqa: SLF001 - our own
        return sweep

    def _set(
        self,
        place: Place,
        name: str,
        sweep_id: int,
        function: Function | None,
        created: Created | None = None,
    ) -> None:
        self.name = name
        self.id = sweep_id
        # What its description added, if it was described here.
        self.created = created
        self._place = place
        self._function = function

    def run(
        self,
        workers: int = 1,
        *,
        isolated: bool | None = None,
        ended: Callable[[TrialFacts], object] | None = None,
        died: Callable[[Death], object] | None = None,
        terms: Terms | None = None,
        **options: Any,
    ) -> Outcome:
        """Tries what is left: what waits, what was stopped or lost, and what failed if it says so.

        One worker works in this process, several in processes of their own. `isolated` says
        otherwise; it has to, for a limit to be enforced on code that does not heed it, so that
        `trial_time_limit` and `no_progress` imply it. Any number of other processes may do the
        same meanwhile. `ended` is told of each trial that ends, `died` of each worker in a process
        of its own that did not leave but died.

        Options: `split` ("2/5", or values of fields), `devices`, `threads`, `max_attempts`,
        `retry_on`, `retry_delay`, `time_limit` (of the workers), `trial_time_limit`,
        `no_progress`, `grace`, `max_failures`, `max_losses`, `wait`.
        """
        if workers < 1:
            raise InvalidError(f"A sweep is run by at least 1 worker, not {workers!r}.")
        terms = terms or terms_of(**options)
        self._check_fields(terms.share.fields)
        if terms.threads is None:
            terms = _with_threads(terms, workers)
        if isolated is None:
            limits = terms.limits
            isolated = workers > 1 or limits.trial_s is not None or limits.silence_s is not None
        elif not isolated and workers > 1:
            raise InvalidError("Several workers need processes of their own.")
        job = self._job(terms)
        self.take_up()
        if isolated:
            crew = Crew(self._place, job, workers, function=self._function, ended=ended, died=died)
            left = crew.work()
        else:
            left = [Worker(job.assignment(self._function), ended=ended).work()]
        return Outcome(self.counts, left)

    def _check_fields(self, names: Iterable[str]) -> None:
        with self._place.database.read() as session:
            grid = registry.find_sweep(session, self.name).grid
        known = [*grid["fields"], *grid["static"]]
        for name in names:
            if name not in known:
                raise NotFoundError("field", name, known)

    # Looking

    @property
    def counts(self) -> dict[RunStatus, int]:
        """How many trials stand how."""
        with self._place.database.read() as session:
            return registry.counts_of(session, self.id)

    @property
    def workers(self) -> int:
        """How many are at work, here and elsewhere."""
        with self._place.database.read() as session:
            return sum(map(is_alive, workers_of(session, self.id)))

    def facts(self) -> registry.SweepFacts:
        """How it stands: one line of a list of sweeps."""
        with self._place.database.read() as session:
            return registry.facts_of(session, registry.find_sweep(session, self.name))

    def crew(self) -> list[dict[str, Any]]:
        """The workers that are alive: process, host, device, started."""
        with self._place.database.read() as session:
            alive = [worker for worker in workers_of(session, self.id) if is_alive(worker)]
        return [
            {
                "process": worker.pid,
                "host": worker.host,
                "device": worker.device,
                "started": worker.started,
            }
            for worker in alive
        ]

    @property
    def fields(self) -> list[str]:
        """The fields of its grid, in the grid's order."""
        with self._place.database.read() as session:
            fields: list[str] = registry.find_sweep(session, self.name).grid["fields"]
        return fields

    def trials(self, *statuses: str) -> list[TrialFacts]:
        """Its trials, or those that stand so, in the order of the grid."""
        kinds = [_status(status) for status in statuses]
        with self._place.database.read() as session:
            return list_trials(session, self.id, kinds)

    def __len__(self) -> int:
        return sum(self.counts.values())

    def results(self, *statuses: str) -> "pd.DataFrame":
        """One row a trial: the grid's fields, what the trial brought, how it stands.

        Indexed by the trials' numbers. A field or metric that a trial does not have is NaN.
        """
        from tracker.sweeps.frames import results_frame  # noqa: PLC0415 - brings pandas

        return results_frame(self.trials(*statuses), self.fields)

    def log(self, number: int) -> str:
        """What a trial printed, in all of its attempts, and the tracebacks of its failures."""
        with self._place.database.read() as session:
            find_trial(session, registry.find_sweep(session, self.name), number)
        return read_log(self._place, self.id, number)

    # Orders, which any process may give

    def pause(self) -> None:
        """Has workers finish what they have and wait, until `resume`."""
        with self._place.database.write() as session:
            registry.pause(session, self.id)

    def drain(self) -> None:
        """Has the workers that there are finish what they have and leave."""
        with self._place.database.write() as session:
            registry.drain(session, self.id)

    def stop(self) -> None:
        """Has the workers that there are stop what they have, with a checkpoint, and leave."""
        with self._place.database.write() as session:
            registry.stop(session, self.id)

    def resume(self) -> int:
        """Lets workers go on; queues what was stopped, lost or cancelled. Returns how many."""
        with self._place.database.write() as session:
            registry.unpause(session, self.id)
            settle_lost(session, self.id)
            return len(take_up(session, self.id, UNFINISHED, cancelled=True))

    def take_up(self) -> int:
        """Queues what was stopped or lost, but not what was cancelled. Returns how many."""
        with self._place.database.write() as session:
            settle_lost(session, self.id)
            return len(take_up(session, self.id, UNFINISHED))

    def retry(
        self,
        numbers: Collection[int] | None = None,
        *,
        statuses: Collection[str] = ("failed",),
        fresh: bool = False,
    ) -> list[int]:
        """Queues trials that failed, or that stand so, again; returns their numbers.

        They go on from their checkpoints; with `fresh`, they begin anew.
        """
        kinds = [_status(status) for status in statuses]
        if numbers is not None:
            kinds = (
                [RunStatus.FAILED, RunStatus.FINISHED, *UNFINISHED]
                if fresh
                else [RunStatus.FAILED, *UNFINISHED]
            )
        with self._place.database.write() as session:
            if numbers is not None:
                refuse_unknown(session, registry.find_sweep(session, self.name), numbers)
            settle_lost(session, self.id)
            moved = take_up(session, self.id, kinds, numbers, cancelled=numbers is not None)
            files = start_anew(session, self.id, moved) if fresh else []
        for file in files:
            self._place.files.remove(file)
        return moved

    def cancel(self, numbers: Collection[int] | None = None) -> int:
        """Takes trials, or all, out of the queue, and stops those that run; returns how many."""
        with self._place.database.write() as session:
            if numbers is not None:
                refuse_unknown(session, registry.find_sweep(session, self.name), numbers)
            settle_lost(session, self.id)
            return cancel(session, self.id, numbers)

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {status}" for status, count in self.counts.items())
        return f"<Sweep {self.name}: {counts or 'no trials'}>"

    def _job(self, terms: Terms) -> Job:
        with self._place.database.read() as session:
            row = sweep_at(session, self.id)
            experiment = registry.experiment_of(session, row)
        return Job(self._place.root, self.id, self.name, experiment, row.metrics, row.target, terms)


def _place_of(lab: Any) -> Place:
    """Of a lab, of its directory, or of the nearest one."""
    place = getattr(lab, "_place", None)
    if isinstance(place, Place):
        return place
    from tracker.database.upgrade import prepare  # noqa: PLC0415 - a lab has done so

    place = place_at(find_lab(lab))
    prepare(place.database.path)
    return place


def _default_name(config: Source, target: str) -> str:
    if isinstance(config, str | os.PathLike):
        return Path(config).stem
    if target == RECIPE:
        raise InvalidError("A sweep over a recipe needs a name: Sweep(..., name='widths').")
    return target.rpartition(":")[2].rpartition(".")[2].strip("<>")


def _experiment_of(configs: ConfigIter, target: str) -> str | None:
    """What a pipeline's configuration says."""
    found = configs.static_configs.get("experiment") if target == RECIPE else None
    return found if isinstance(found, str) else None


def _listed(names: Iterable[str]) -> list[str]:
    if isinstance(names, str):
        raise InvalidError(f"Metrics are a list of names, not the text {names!r}: [{names!r}].")
    return list(names)


def _status(word: str) -> RunStatus:
    try:
        return RunStatus(word)
    except ValueError:
        known = ", ".join(RunStatus)
        raise InvalidError(f"A trial is never {word!r}; it is one of {known}.") from None


def _with_threads(terms: Terms, workers: int) -> Terms:
    return replace(terms, threads=fair_threads(workers))
