"""One execution of a training phase: the loop."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from engine.batches import ExecutionContext
from engine.errors import PhaseError
from engine.phases.checkpoints_due import TrainingCheckpoints
from engine.phases.devices import move_to
from engine.phases.display import TRAIN_FLAGS, TrainDisplay, chosen, train_display
from engine.phases.epoch_losses import EpochLosses
from engine.phases.mid_epoch import epoch_settings
from engine.phases.optimization import Optimization
from engine.phases.reporting import Reporter, RunStatus, overriding
from engine.phases.running import PhaseRun, RunScope
from engine.results.callback_results import CallbackResult, MetricResult
from engine.results.metric_store import TRAIN_LOSS
from engine.results.recording import ResultRecording
from engine.results.states import phase_state, take_back
from engine.results.train_results import TrainResults
from engine.seeding import capture_generators, restore_generators

if TYPE_CHECKING:
    from engine.phases.train import TrainPhase


class TrainRun(PhaseRun):
    """Where a training phase stands: the epoch and batch that come next, the losses so far.

    At every batch's and every epoch's end, `get_state` holds all that the rest of the phase depends
    on.
    """

    phase: "TrainPhase"
    results: TrainResults

    def __init__(self, experiment: Any, phase: "TrainPhase", scope: RunScope) -> None:
        super().__init__(experiment, phase, scope)
        self.results = TrainResults(phase.label, _topology=self.topology)
        if isinstance(scope.results, TrainResults):
            self.results = scope.results
        self.epoch = 0
        self.batch = 0
        # Whether the epoch's start was announced: between batch 0 and the epoch's end.
        self._begun = False
        self._n_batches = 0
        # The first epoch whose batches are all here: half an epoch's are not recorded.
        self._whole_from = 0
        self._losses = EpochLosses(phase.label, phase.non_finite)
        # What the hooks of the batch at hand have measured.
        self._extra: dict[str, float] = {}
        device = move_to(self.graph, phase.device)
        self._feed = phase.open_feed(
            self.graph, seed=experiment.seed, place=scope.place, device=device
        )
        self._optimization = Optimization(self.graph, phase, device)
        self._checkpoints = TrainingCheckpoints(self)
        wanting = [one for one in scope.reporters if one.wants_batch_metrics]
        self._batch_metrics = overriding(wanting, "metrics", Reporter)
        self._batch_ended = overriding(scope.reporters, "batch_ended", Reporter)
        self._epoch_ended = overriding(scope.reporters, "epoch_ended", Reporter)

    @property
    def position(self) -> tuple[int, int]:
        return (self.epoch, self.batch)

    @property
    def is_last_batch(self) -> bool:
        return self.exec_ctx is not None and self.exec_ctx.batch_idx == self._n_batches - 1

    # The loop

    def _execute(self) -> RunStatus:
        with self._optimization.engaged():
            self._optimization.step.check_turns(self._feed.turns)
            self._step = self.phase.make_step(self._optimization.step, self.graph)
            self._begin()
            return self._run_epochs()

    def _run_epochs(self) -> RunStatus:
        display = train_display(
            self.phase.label, self.phase.n_epochs, chosen(self.scope.flags, TRAIN_FLAGS)
        )
        try:
            # A stop that was asked for within an epoch lets that epoch end.
            while self.epoch < self.phase.n_epochs and (
                self._begun or not self.phase.stop_requested
            ):
                self._run_epoch(display)
                if self.experiment.stop_requested:
                    return "stopped"
        finally:
            self._log_batches()
            if display is not None:
                display.close()
        self._checkpoints.at("phase_end")
        self.announce("on_phase_end")
        return "completed"

    def _begin(self) -> None:
        if self.scope.saved is not None:
            self.announce("on_phase_resume")
            # Last, whatever has drawn from them on the way here.
            restore_generators(self.scope.saved["generators"])
            return
        self.phase.withdraw_stop()
        self._checkpoints.begin()
        self._checkpoints.at("phase_start")
        self.announce("on_phase_start")
        self.has_begun = True

    def _run_epoch(self, display: TrainDisplay | None) -> None:
        self._n_batches = self._feed.begin_epoch(self.epoch)
        if not self._n_batches:
            raise PhaseError(
                f"The phase {self.phase.label!r} has no batch to train on: its samples do not fill "
                "one (see batch_size and drop_last of its sampler)."
            )
        if not self._begun:
            self._announce_epoch()
        if display is not None:
            display.epoch_started(self.epoch, self._n_batches, self.batch)
        if self._run_batches(display):
            self._end_epoch(display)

    def _announce_epoch(self) -> None:
        self._checkpoints.at("epoch_start")
        self.exec_ctx = self._context(0)
        self.hooks.epoch("on_epoch_start", self.exec_ctx)
        self._begun = True

    def _context(self, batch: int) -> ExecutionContext:
        inputs, _ = self._feed.step(batch)
        return ExecutionContext(self.phase.label, self.epoch, batch, inputs)

    def _run_batches(self, display: TrainDisplay | None) -> bool:  # noqa: C901 - one flat loop
        """Train on the rest of the epoch's batches; False if the experiment is to stop."""
        # Bound to local names: this loop's own cost is paid at every step.
        experiment, hooks, epoch, label = self.experiment, self.hooks, self.epoch, self.phase.label
        feed, add_loss = self._feed.step, self._losses.add
        train = self._step
        record = self._recorder()
        saves = self._checkpoints.at_batches()
        reporting = bool(self._batch_metrics)
        descent = self._optimization.descent
        for batch in range(self.batch, self._n_batches):
            inputs, n_samples = feed(batch)
            self.exec_ctx = context = ExecutionContext(label, epoch, batch, inputs)
            if saves:
                self._checkpoints.at("batch_start")
            if hooks.batch_start:
                hooks.batch(hooks.batch_start, "start", context)
            if descent is not None:
                descent.at(batch, self._n_batches)
            loss = add_loss(train(context), n_samples)
            experiment.step += 1
            self.batch = batch + 1
            if record is not None:
                record(context)
            if hooks.batch_end:
                hooks.batch(hooks.batch_end, "end", context)
            if reporting:
                self._report_batch(loss, batch)
            if display is not None:
                display.batch_done()
            if saves:
                self._checkpoints.at("batch_end")
            for ended in self._batch_ended:
                ended(path=self.scope.path, epoch=epoch, batch=batch, step=experiment.step)
            if experiment.stop_requested:
                return False
        return True

    def _report_batch(self, loss: Any, batch: int) -> None:
        values = {TRAIN_LOSS: loss, **self._extra}
        for metrics in self._batch_metrics:
            metrics(
                values,
                path=self.scope.path,
                epoch=self.epoch,
                batch=batch,
                step=self.experiment.step,
            )
        if self._extra:
            self._extra = {}

    # The end of an epoch

    def _end_epoch(self, display: TrainDisplay | None) -> None:
        epoch, store = self.epoch, self.results.metric_store
        self._log_batches()
        store.log(name=TRAIN_LOSS, value=self._losses.mean(), epoch_idx=epoch)
        # After a resume that fell on the end of an epoch, the last batch's context is an empty one.
        context = self.exec_ctx or self._context(self._n_batches - 1)
        self.hooks.epoch("on_epoch_end", context)
        values = {name: logged[-1] for name, logged in store.at_epoch(epoch).items()}
        self._optimization.end_epoch(values)
        self.report(values, epoch=epoch)
        self._checkpoints.check_monitored()
        self._keep_recorded()
        if display is not None:
            display.epoch_ended(values)
        self.epoch, self.batch, self._begun = epoch + 1, 0, False
        self._losses.begin(self.epoch)
        self.exec_ctx = None
        self._checkpoints.at("epoch_end")
        for ended in self._epoch_ended:
            ended(path=self.scope.path, epoch=epoch, step=self.experiment.step)

    def _log_batches(self) -> None:
        self._losses.read()
        self.results.metric_store.log_batches(
            name=TRAIN_LOSS, values=self._losses.values, epoch_idx=self.epoch
        )

    # What is recorded

    def _recorder(self) -> Callable[[ExecutionContext], None] | None:
        if self.phase.result_recording is ResultRecording.NONE or self.epoch < self._whole_from:
            return None
        return self.results.add_execution_context

    def _keep_recorded(self) -> None:
        if self.phase.result_recording is not ResultRecording.LAST:
            return
        kept = [one.kept_epoch for one in self.hooks.callbacks if one.kept_epoch is not None]
        self.results.keep_epoch(kept[0] if kept else self.epoch)

    @property
    def latest_epoch(self) -> int:
        return self.epoch - 1

    def keep_result(self, result: CallbackResult) -> None:
        if result.batch_idx is not None and isinstance(result, MetricResult):
            self._extra[result.metric_name] = result.metric_value
        super().keep_result(result)

    def records(self, result: CallbackResult) -> bool:
        # An evaluation's results hold execution contexts as the phase's own do.
        recording = self.phase.result_recording
        return result.kind != "evaluation" or recording is not ResultRecording.NONE

    def batch_losses(self) -> dict[str, float]:
        """The loss of the last batch."""
        self._losses.read()
        return {TRAIN_LOSS: self._losses.values[-1]} if self._losses.values else {}

    # State

    def get_state(self) -> dict[str, Any]:
        return {
            **super().get_state(),
            "epoch": self.epoch,
            "batch": self.batch,
            "begun": self._begun,
            "settings": epoch_settings(self.phase),
            "stop": self.phase.stop_requested,
            "losses": self._losses.get_state(),
            "feed": self._feed.get_state(),
            "optimization": self._optimization.get_state(),
            "generators": capture_generators(),
            **phase_state(self.results),
            "measured": self.results.metric_store.get_latest(),
            "callbacks": self.hooks.get_state(),
            "snapshots": {
                key: snapshot
                for key, one in self.hooks.by_key.items()
                if (snapshot := one.get_snapshot()) is not None
            },
            "checkpointing": self._checkpoints.get_state(),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        super().set_state(state)
        self.epoch, self.batch, self._begun = state["epoch"], state["batch"], state["begun"]
        self._feed.set_state(state["feed"], self.phase.label)
        self._losses.set_state(state["losses"], self.epoch)
        if self.scope.results is None:
            take_back(self.results, state)
            # Checkpoints of earlier versions know nothing of it.
            if "measured" in state:
                self.results.metric_store.set_latest(state["measured"])
            self._whole_from = self.epoch + bool(self.batch)
        self._set_stop(stopped=state["stop"])
        for key, callback in self.hooks.by_key.items():
            callback.set_snapshot(state["snapshots"].get(key))
            # Last: patience that has grown meanwhile withdraws the stop.
            if key in state["callbacks"]:
                callback.set_state(state["callbacks"][key])
        self._optimization.set_state(state["optimization"])
        self._checkpoints.set_state(state["checkpointing"])

    def _set_stop(self, *, stopped: bool) -> None:
        if stopped:
            self.phase.request_stop()
        else:
            self.phase.withdraw_stop()

    def left(self) -> dict[str, Any]:
        return {
            **super().left(),
            "stop": self.phase.stop_requested,
            "checkpointing": self._checkpoints.left(),
        }
