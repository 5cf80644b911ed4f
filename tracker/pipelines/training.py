"""One training of a pipeline: what is asked of it, where it goes on, and how it ended."""

import secrets
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from engine.callbacks import Callback, EarlyStopping
from engine.context import ExperimentContext
from engine.phases import TrainPhase
from engine.phases.reporting import Reporter
from engine.seeding import derive_seed, generators
from tracker.database.kinds import RunStatus
from tracker.database.tables import Checkpoint
from tracker.errors import StateError
from tracker.pipelines.documents import Document, dotted
from tracker.pipelines.durations import parse_duration
from tracker.pipelines.gradients import keep_gradients
from tracker.pipelines.identity import config_hash
from tracker.pipelines.limits import Deadline, Interruption, Orphaned
from tracker.pipelines.logged import Logged
from tracker.pipelines.outcome import Outcome
from tracker.pipelines.recipes import recipe_of
from tracker.pipelines.recipes.base import Demands, Plan, Recipe, demanded, with_demand
from tracker.pipelines.remaining import Remaining
from tracker.pipelines.sources import fingerprints
from tracker.pipelines.standing import Standing, ready_to_train, to_go_on_from
from tracker.recording.place import Place
from tracker.recording.restoring import restore
from tracker.recording.run import RunHandle
from tracker.recording.signals import asking_first
from tracker.recording.starting import resume_run, start_run
from tracker.recording.tracking import tracking
from tracker.registry.pipelines import (
    current_run,
    find_pipeline,
    refuse_archived,
    set_current_run,
)
from tracker.registry.runs import NewRun, get_run

if TYPE_CHECKING:
    from engine.experiment import Experiment

EARLY_STOPPING = "early stopping"


@dataclass(frozen=True)
class Request:
    """What one training is asked to do."""

    demands: Demands = field(default_factory=Demands)
    time_limit: str | float | None = None
    fresh: bool = False
    # To what was asked of the run before, be it less than the configuration says.
    resume: bool = False
    reporters: Sequence[Reporter] = ()
    # Whether the engine may draw its own progress bars.
    progress: bool = True
    # Those that the engine's bars show, in place of the losses.
    metrics: Sequence[str] | None = None
    # Where this process writes what it prints, relative to the lab.
    log: str | None = None
    # The process that this one trains for; it stops when that is gone.
    parent: int | None = None


def train_pipeline(place: Place, name: str, request: Request) -> Outcome:
    """Trains to what is asked in total, from where the pipeline stands.

    What fails is recorded on the run and raised. A pipeline that has nothing left to do is
    left alone, and the outcome says so.
    """
    limit = None if request.time_limit is None else parse_duration(request.time_limit)
    standing = ready_to_train(place, name)
    if request.fresh:
        standing = replace(standing, run=None, params={}, candidates=[])
    training = _Training(place, standing, request, limit)
    idle = training.why_idle()
    if idle is not None:
        return training.outcome(idle=idle)
    training.run()
    return training.outcome()


def prepared(place: Place, name: str) -> "Experiment":
    """The experiment as the pipeline stands, in a context of its own. Records nothing."""
    return _Training(place, ready_to_train(place, name), Request(), None).prepared()


def remaining_of(place: Place, name: str, request: Request) -> Remaining:
    """What resuming it would do, read off its checkpoint and its plan. Changes nothing.

    The experiment is built and the checkpoint restored, so that what would keep it from
    going on is raised here too.
    """
    training = _Training(place, ready_to_train(place, name), request, None)
    return training.remaining()


class _Training:
    """One training from its request to its outcome."""

    def __init__(
        self, place: Place, standing: Standing, request: Request, limit: float | None
    ) -> None:
        self.place = place
        self.standing = standing
        self.request = request
        self.name = standing.pipeline.name
        self.recipe: Recipe = recipe_of(Document(standing.pipeline.config))
        self.notices: list[str] = []
        self.config = self._demanded_config()
        self.deadline = None if limit is None else Deadline(limit)
        self.orphaned = None if request.parent is None else Orphaned(request.parent)
        self.logged = Logged()
        self.interruption = Interruption()
        self.handle: RunHandle | None = None

    # What is asked

    def _demanded_config(self) -> dict[str, Any]:
        """The configuration with what this training, or an earlier one of the run, asks for."""
        config = dict(self.standing.pipeline.config)
        demands = self._accepted_demands(config)
        for key, path in self.recipe.demanded_at.items():
            value = demands.get(key, self.standing.params.get(dotted(path)))
            configured = demanded(config, path)
            if key == "epochs" and key not in demands and not self.request.resume:
                # A short first training does not shorten those that do not say how long.
                value = max((one for one in (value, configured) if one is not None), default=None)
            if value is not None:
                config = with_demand(config, path, value)
        return config

    def _accepted_demands(self, config: dict[str, Any]) -> dict[str, Any]:
        demands = {
            key: value for key, value in self.request.demands._asdict().items() if value is not None
        }
        if not demands:
            return {}
        refused = self.recipe.refused_demands(config, self.place.root)
        for key in [key for key in demands if key in refused]:
            self.notices.append(f"{self.name}: {key} is left out: {refused[key]}.")
            del demands[key]
        return demands

    def _to_go_on_from(self) -> tuple[Checkpoint | None, list[str]]:
        return to_go_on_from(self.place, self.standing, to_train_on=self._grew())

    def _grew(self) -> bool:
        """Whether a training is to be longer than it was asked to be before."""
        return self._is_more("epochs") or (self._stopped_early() and self._is_more("patience"))

    def _is_more(self, key: str) -> bool:
        path = self.recipe.demanded_at[key]
        now, before = demanded(self.config, path), self.standing.params.get(dotted(path))
        return now is not None and (before is None or now > before)

    def why_idle(self) -> str | None:
        """Why there is nothing to do, in words; None if there is."""
        run = self.standing.run
        if run is None:
            return None
        total = demanded(self.config, self.recipe.demanded_at["epochs"])
        done = _epochs_begun(self.standing.candidates)
        if run.status is not RunStatus.FINISHED:
            if total is None or done <= total:
                return None
            return f"{self.name} is in its epoch {done} already; ask for more than {total} in all."
        if self._grew():
            return None
        reason = f" ({run.reason})" if run.reason else ""
        more = ""
        if total is not None:
            more = f"--epochs above {max(total, done)} or more --patience make it go on, "
        return f"{self.name} is finished{reason}: {more}--fresh starts another run."

    def _stopped_early(self) -> bool:
        run = self.standing.run
        return run is not None and (run.reason or "").startswith(EARLY_STOPPING)

    # Doing it

    def run(self) -> None:
        checkpoint, damaged = self._to_go_on_from()
        self.notices += damaged
        self._note_changed_code()
        with self._begun(checkpoint) as handle, ExperimentContext().activate():
            self.handle = handle
            plan = self._plan(handle.id)
            self._listen(plan, handle)
            with (
                tracking(plan.experiment, handle, plan.policy),
                asking_first(lambda _: self.interruption.stop()),
            ):
                self._execute(handle, plan.experiment, checkpoint)

    def prepared(self) -> "Experiment":
        checkpoint = None
        if self.standing.run is not None:
            checkpoint, damaged = to_go_on_from(self.place, self.standing)
            for words in damaged:
                warnings.warn(words, stacklevel=4)
        with ExperimentContext().activate():
            experiment = self._plan(
                None if self.standing.run is None else self.standing.run.id
            ).experiment
            if experiment.model_graph is not None:
                experiment.model_graph.build()
            if checkpoint is not None:
                self._restore(experiment, checkpoint)
        return experiment

    def remaining(self) -> Remaining:
        run = self.standing.run
        if run is None:
            raise StateError(f"{self.name} has no run.")
        idle = self.why_idle()
        if idle is not None:
            return Remaining(self.name, run.name, None, (), tuple(self.notices), idle)
        checkpoint, damaged = self._to_go_on_from()
        self.notices += damaged
        self._note_changed_code()
        with ExperimentContext().activate():
            experiment = self._plan(run.id).experiment
            if checkpoint is not None:
                self._restore(experiment, checkpoint)
            entries = experiment.planned() if checkpoint is None else experiment.remaining()
        name = None if checkpoint is None else checkpoint.name
        return Remaining(self.name, run.name, name, entries, tuple(self.notices))

    @contextmanager
    def _begun(self, checkpoint: Checkpoint | None) -> Iterator[RunHandle]:
        """The run, begun or gone on with; what goes wrong in the block is recorded on it."""
        run = self.standing.run
        if run is None:
            handle = self._new_run()
        else:
            # Without a checkpoint nothing can be gone on with: what was recorded goes.
            resume_from = -1 if checkpoint is None else checkpoint
            handle = resume_run(self.place, run, resume_from=resume_from, log=self.request.log)
        with handle:
            handle.log_params(self.config)
            yield handle

    def _new_run(self) -> RunHandle:
        seed = self.config.get("seed")
        return start_run(
            self.place,
            log=self.request.log,
            also=self._make_current,
            name=self.name,
            experiment=self.config.get("experiment") or "default",
            params=self.config,
            seed=secrets.randbits(31) if seed is None else seed,
            pipeline_id=self.standing.pipeline.id,
        )

    def _make_current(self, session: Session, run: NewRun) -> None:
        """In the transaction that makes the run, so that two trainings cannot both begin one."""
        pipeline = find_pipeline(session, self.name)
        refuse_archived(pipeline)
        current = current_run(session, pipeline)
        if current is not None and current.status is RunStatus.RUNNING:
            raise StateError(f"Pipeline {self.name!r} is running already: run {current.name!r}.")
        set_current_run(session, pipeline, run.id)

    def _plan(self, run_id: int | None) -> Plan:
        seed = self._seed(run_id)
        # What a component draws while it is made, its first weights say, depends on the seed too.
        with generators(derive_seed(seed, "build")):
            return self.recipe.plan(self.config, self.place.root, seed)

    def _seed(self, run_id: int | None) -> int:
        if run_id is None:
            return self.config.get("seed") or 0
        with self.place.database.read() as session:
            return get_run(session, run_id).seed or 0

    def _listen(self, plan: Plan, handle: RunHandle) -> None:
        keep_gradients(plan, handle)
        own = (self.logged, self.interruption, self.deadline, self.orphaned)
        for reporter in (*filter(None, own), *self.request.reporters):
            plan.experiment.add_reporter(reporter)

    def _execute(
        self, handle: RunHandle, experiment: "Experiment", checkpoint: Checkpoint | None
    ) -> None:
        chosen = self.request.metrics
        flags: dict[str, Any] = {"show_training_progress": self.request.progress}
        if chosen is not None:
            flags["shown_metrics"] = chosen
        if checkpoint is None:
            experiment.run(**flags)
        else:
            self._restore(experiment, checkpoint)
            experiment.resume(**flags)
        reason = self._why_stopped()
        stopped = experiment.last_run is not None and experiment.last_run.status == "stopped"
        if stopped and reason is not None:
            handle.remark(reason)
        if not stopped and chosen is not None:
            self.notices += self.logged.missing(chosen)

    def _restore(self, experiment: "Experiment", checkpoint: Checkpoint) -> None:
        if self._stopped_early() and self._is_more("epochs"):
            _be_patient_anew(experiment)
        restore(self.place, checkpoint, experiment)

    def _why_stopped(self) -> str | None:
        if self.interruption.reached:
            return "interrupted"
        if self.orphaned is not None and self.orphaned.reached:
            return "whoever started its process is gone"
        if self.deadline is None or not self.deadline.reached:
            return None
        limit = self.request.time_limit
        return f"time limit of {limit if isinstance(limit, str) else f'{limit:.3g} s'}"

    def _note_changed_code(self) -> None:
        sources = fingerprints(
            self.recipe.components(self.standing.pipeline.config), self.place.root
        )
        found = config_hash(self.standing.pipeline.config, sources)
        if found != self.standing.pipeline.config_hash:
            self.notices.append(
                f"{self.name}: the code of its components has changed since it was created"
                f" ({', '.join(sources) or 'none of it is in the lab any more'})."
            )

    # How it ended

    def outcome(self, *, idle: str | None = None) -> Outcome:
        identity = self.handle or self.standing.run
        if identity is None:
            raise StateError(f"{self.name} has no run.")
        with self.place.database.read() as session:
            run = get_run(session, identity.id)
        return Outcome(
            pipeline=self.name,
            run=run.name,
            status=run.status,
            reason=run.reason,
            notices=tuple(self.notices),
            idle=idle,
            interrupted=self.interruption.reached,
        )


def _epochs_begun(candidates: Sequence[Checkpoint]) -> int:
    """How many epochs the newest checkpoint has begun, or finished."""
    return next((row.epoch + 1 for row in candidates if row.epoch is not None), 0)


class _AnotherChance(Callback):
    """Lets early stopping count its patience anew, in a run that is to go on all the same."""

    def withdraws_stop(self, state: Any) -> bool:  # noqa: ARG002 - the contract
        return True

    def on_phase_resume(self, *, phase: Any, **_facts: Any) -> None:
        for callback in phase.callbacks:
            if isinstance(callback, EarlyStopping):
                callback.set_state({**callback.get_state(), "waited": 0})


def _be_patient_anew(experiment: "Experiment") -> None:
    for phase in experiment.execution_plan.flatten():
        if isinstance(phase, TrainPhase):
            phase.add_callback(_AnotherChance())
