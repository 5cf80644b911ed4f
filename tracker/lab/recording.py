"""Recording what runs."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tracker.lab.base import LabBase

if TYPE_CHECKING:
    from engine.experiment import Experiment
    from tracker.recording.checkpoints import CheckpointPolicy
    from tracker.recording.run import RunHandle


class Recording(LabBase):
    """Runs of any code, and of engine experiments."""

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
        from tracker.recording.starting import start_run

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
        from tracker.recording.starting import resume_run

        return resume_run(self._place, name, experiment=experiment, resume_from=step)

    def stop(self, *names: str) -> None:
        """Asks the processes that work on runs or pipelines to stop, each after its batch or step.

        All of them are asked or, if one is not running, none: StateError. Returns at once;
        `status` in `runs` says when they have stopped.
        """
        from tracker.registry.details import runs_named
        from tracker.registry.sessions import ask_stop

        with self.database.write() as session:
            for run in runs_named(session, names):
                ask_stop(session, run.id)

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
        from tracker.recording.restoring import resume_tracked
        from tracker.recording.tracking import tracking

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
