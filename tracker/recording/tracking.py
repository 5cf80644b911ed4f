"""Recording an engine experiment while it runs: metrics, phases, checkpoints, progress, stop."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.phases.reporting import Reporter, happened_ns
from tracker.database.connection import driver_connection
from tracker.database.kinds import Axis
from tracker.recording.batch_values import BatchValues
from tracker.recording.checkpoints import CheckpointKeeper, CheckpointPolicy, Moment, Monitored
from tracker.recording.phases import Path, PhaseRecords, early_stoppings, summary_of
from tracker.recording.run import RunHandle
from tracker.recording.values import as_number
from tracker.registry.positions import first_step_of_phase
from tracker.registry.progress import note_phase_progress, note_progress
from tracker.registry.runs import get_run, set_progress

if TYPE_CHECKING:
    from engine.experiment import Cursor, Experiment
    from engine.phases.reporting import PhaseKind, RunStatus

# How often, within an epoch, the record says how far the run is and asks whether to stop.
POLL_S = 0.2


@contextmanager
def tracking(
    experiment: "Experiment", run: RunHandle, policy: CheckpointPolicy | None = None
) -> Iterator["Tracking"]:
    """Inside, what the experiment does is recorded in the run."""
    reporter = Tracking(run, policy)
    experiment.add_reporter(reporter)
    try:
        yield reporter
    finally:
        experiment.remove_reporter(reporter)


@dataclass
class PhaseUnderWay:
    """A phase or group that has begun."""

    phase: Any
    id: int
    parent_id: int | None
    first_step: int  # the optimizer steps done before it
    # The last value of each metric, as far as this process has heard of it.
    values: dict[str, float] = field(default_factory=dict)
    epochs: int | None = None

    @property
    def stopping(self) -> Any:
        """The early stopping among its callbacks, if there is one."""
        callbacks = getattr(self.phase, "callbacks", ())
        return next((one for one in callbacks if hasattr(one, "best_epoch")), None)

    def monitored(self, policy: CheckpointPolicy) -> Monitored | None:
        """The last value of what the policy or, without a word from it, early stopping watches."""
        metric, mode = policy.monitor, policy.mode
        if metric is None and self.stopping is not None:
            metric, mode = self.stopping.monitor, self.stopping.mode
        if metric is None or metric not in self.values or self.epochs is None:
            return None
        return Monitored(metric, mode, self.values[metric], self.epochs - 1)

    @property
    def watched(self) -> str | None:
        """The metric by which early stopping keeps the best weights."""
        return None if self.stopping is None else str(self.stopping.monitor)


class Tracking(Reporter):
    """Records what an experiment does as one run.

    An epoch's values are stored as they come, those of quick steps together (`BatchValues`); what
    a checkpoint goes on from is stored before it. The run is ended by its handle, not here.
    """

    wants_batch_metrics = True

    def __init__(self, run: RunHandle, policy: CheckpointPolicy | None = None) -> None:
        self._run = run
        self._points = run.session.points
        self._batches = BatchValues(self._points.write_points)
        self._keeper = CheckpointKeeper(run.place, run.id, run.uuid, policy or CheckpointPolicy())
        self._records = PhaseRecords(run.id)
        self._phases: dict[Path, PhaseUnderWay] = {}
        self._experiment: Any = None  # from the first run on
        self._next_poll = 0.0
        self._epoch: int | None = None
        self._stopped_early: str | None = None

    # Runs

    def run_started(self, experiment: "Experiment", *, resumed: bool) -> None:
        self._experiment = experiment
        with self._run.place.database.write() as session:
            if resumed and experiment.cursor is not None:
                self._records.go_on(session, experiment.cursor.path)
                self._epoch = get_run(session, self._run.id).epoch
            else:
                self._records.begin_execution(session)
        for label, data in experiment.ctx.available_featuresets.items():
            self._run.log_dataset(data, label)

    def run_ended(
        self, experiment: "Experiment", *, status: "RunStatus", error: BaseException | None
    ) -> None:
        if status == "completed":
            self._keeper.forget_passing()
            if self._stopped_early is not None:
                self._run.remark(self._stopped_early)
        if status == "stopped" and error is None:
            self._run.mark_stopped()
            if experiment.cursor is not None:
                self._checkpoint_at(experiment.cursor)

    # Phases

    def phase_started(self, phase: Any, *, path: Path, kind: "PhaseKind", resumed: bool) -> None:
        with self._run.place.database.write() as session:
            phase_id = self._records.begin(session, path, phase.label, kind, resumed=resumed)
            if kind not in ("group", "fold"):
                # An evaluation stands where the training before it ended.
                self._epoch = None if kind == "train" else self._epoch
                set_progress(session, self._run.id, phase=phase.label, epoch=self._epoch)
            known = first_step_of_phase(driver_connection(session), phase_id) if resumed else None
        above = self._phases.get(path[:-1])
        self._phases[path] = PhaseUnderWay(
            phase,
            phase_id,
            parent_id=above.id if above else None,
            first_step=self._step if known is None else known - 1,
        )

    def phase_ended(self, phase: Any, *, path: Path, status: "RunStatus", results: Any) -> None:
        self._batches.flush()
        under_way = self._phases[path]
        with self._run.place.database.write() as session:
            self._records.end(
                session,
                path,
                status,
                epochs=under_way.epochs,
                batches=(self._step - under_way.first_step) or None,
                summary=summary_of(results),
            )
            if under_way.epochs is not None:
                self._epoch = under_way.epochs - 1
                set_progress(session, self._run.id, phase=phase.label, epoch=self._epoch)
        for stopping in early_stoppings(results):
            if stopping.stopped_epoch is not None:
                self._stopped_early = f"early stopping after {stopping.stopped_epoch + 1} epochs"

    def phase_done(self, phase: Any, *, path: Path) -> None:
        if not getattr(phase, "is_pass", False):
            return  # the last epoch of a training, and what a group holds, have theirs
        under_way = self._phases[path]
        # The state is one after the phase: what it reopens is the group around it.
        moment = Moment(self._step, under_way.parent_id, phase.label)
        self._checkpoint(moment, under_way, None, passing=phase.kind == "eval")

    # Values

    def metrics(
        self,
        values: dict[str, Any],
        *,
        path: Path,
        epoch: int | None,
        batch: int | None,
        step: int,
    ) -> None:
        under_way = self._phases[path]
        if batch is not None:
            self._batches.add(values, phase_result_id=under_way.id, step=step, epoch=epoch)
            return
        self._batches.flush()
        numbers = {name: as_number(name, value) for name, value in values.items()}
        under_way.values.update(numbers)
        self._points.write(
            numbers,
            step=step,
            epoch=epoch,
            axis=Axis.STEP if epoch is None else Axis.EPOCH,
            phase_result_id=under_way.id,
            moment=happened_ns() // 1_000_000,
        )

    # Progress, stop, checkpoints

    def batch_ended(self, *, path: Path, epoch: int, batch: int, step: int) -> None:
        if time.monotonic() >= self._next_poll:
            self._poll(path, epoch, batch, step)
            if self._keeper.is_due(None):
                self._checkpoint_within(path, epoch, batch, step)
        if self._experiment.stop_requested:
            self._checkpoint_within(path, epoch, batch, step)

    def epoch_ended(self, *, path: Path, epoch: int, step: int) -> None:
        under_way = self._phases[path]
        under_way.epochs = epoch + 1
        if time.monotonic() >= self._next_poll:
            self._poll(path, epoch, None, step)
        phase = under_way.phase
        last = epoch + 1 >= phase.n_epochs or phase.stop_requested
        if self._keeper.is_due(epoch, last=last or self._experiment.stop_requested):
            monitored = under_way.monitored(self._keeper.policy)
            self._checkpoint(Moment(step, under_way.id, phase.label, epoch), under_way, monitored)

    def _poll(self, path: Path, epoch: int, batch: int | None, step: int) -> None:
        self._next_poll = time.monotonic() + POLL_S
        self._batches.flush()
        under_way, self._epoch = self._phases[path], epoch

        def note(connection: Any) -> None:
            label = under_way.phase.label
            note_progress(connection, self._run.id, phase=label, epoch=epoch, batch=batch)
            batches = step - under_way.first_step
            note_phase_progress(connection, under_way.id, epochs=under_way.epochs, batches=batches)

        self._points.write_rows(note)
        if self._run.stop_requested:
            self._experiment.request_stop()

    def _checkpoint_within(self, path: Path, epoch: int, batch: int, step: int) -> None:
        under_way = self._phases[path]
        label = under_way.phase.label
        # The monitored value is that of the epoch before: it does not belong to this state.
        self._checkpoint(Moment(step, under_way.id, label, epoch, batch + 1), under_way, None)

    def _checkpoint_at(self, cursor: "Cursor") -> None:
        """One of wherever the experiment has come to a stop."""
        under_way = self._phases.get(cursor.path)
        if under_way is None:  # between two phases
            above = self._phases.get(cursor.path[:-1])
            moment = Moment(cursor.step, above.id if above else None, self._experiment.label)
        elif cursor.batch or not cursor.epoch:
            place = (cursor.epoch, cursor.batch) if cursor.batch else (None, None)
            moment = Moment(cursor.step, under_way.id, under_way.phase.label, *place)
        else:
            moment = Moment(cursor.step, under_way.id, under_way.phase.label, cursor.epoch - 1)
        self._checkpoint(moment, under_way, None)

    def _checkpoint(
        self,
        moment: Moment,
        under_way: PhaseUnderWay | None,
        monitored: Monitored | None,
        *,
        passing: bool = False,
    ) -> None:
        self._batches.flush()
        watched = None if under_way is None else under_way.watched
        self._keeper.write(
            self._experiment, moment, monitored=monitored, watched=watched, passing=passing
        )

    @property
    def _step(self) -> int:
        return int(self._experiment.step)
