"""When a training phase's Checkpointing saves, under which name, and what was measured there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import UnknownMetricError

if TYPE_CHECKING:
    from engine.callbacks.checkpointing import Checkpointing
    from engine.phases.training import TrainRun


@dataclass(frozen=True)
class Due:
    """A checkpoint that is to be saved now, and the values of the metrics that are watched."""

    key: int | str
    name: str
    values: Mapping[str, float] = field(default_factory=dict)
    # The labels down to the innermost fold around the phase: folds save the same names.
    folds: tuple[str, ...] = ()

    @property
    def known_as(self) -> str:
        """The name by which the experiment knows it."""
        return "/".join((*self.folds, self.name))


class TrainingCheckpoints:
    """What one execution of a training phase does for the phase's Checkpointing."""

    def __init__(self, run: "TrainRun") -> None:
        self._run = run

    @property
    def _active(self) -> "Checkpointing | None":
        run = self._run
        return run.phase.checkpointing if run.experiment.checkpointing_enabled else None

    def begin(self) -> None:
        """Count anew. What would fail at the first save is an error now, before the training."""
        checkpointing = self._active
        if checkpointing is not None:
            self.folder()
            checkpointing.check_name(phase=self._run.phase.label, epoch=0, batch=0)
            checkpointing.reset()

    def at(self, hook: str) -> None:
        """Save if the Checkpointing says so."""
        checkpointing, run = self._active, self._run
        if checkpointing is None or not checkpointing.should_save(hook):
            return
        # After an epoch's or a batch's end, the one that ended gives the name.
        epoch = run.epoch - 1 if hook == "epoch_end" else run.epoch
        batch = run.batch - 1 if hook == "batch_end" else run.batch
        name = checkpointing.format_name(phase=run.phase.label, epoch=epoch, batch=batch)
        known = self._values() if checkpointing.best else {}
        values = {metric: known[metric] for metric in checkpointing.best if metric in known}
        due = Due(epoch if hook == "epoch_end" else name, name, values, run.scope.folds)
        run.experiment.save_training_state(run.phase, due)

    def _values(self) -> dict[str, float]:
        """What was measured last: of the batch before, or where an epoch begins, of that before."""
        run, store = self._run, self._run.results.metric_store
        if run.batch:
            return {**run.batch_losses(), **store.at_batch(run.epoch, run.batch - 1)}
        return {name: values[-1] for name, values in store.at_epoch(run.epoch - 1).items()}

    def at_batches(self) -> bool:
        """Whether any may be due within an epoch."""
        checkpointing = self._active
        return checkpointing is not None and any(
            hook.startswith("batch") for hook in checkpointing.save_on
        )

    def check_monitored(self) -> None:
        """UnknownMetricError if an epoch is over and nothing logs what the best are chosen by."""
        checkpointing, run = self._active, self._run
        known = {*run.results.metric_store.names, *run.phase.metric_names}
        for metric in checkpointing.best if checkpointing is not None else ():
            if metric not in known:
                raise UnknownMetricError(metric, known)

    def folder(self) -> Path | None:
        """Where the Checkpointing saves, if it saves to disk."""
        checkpointing, run = self._run.phase.checkpointing, self._run
        if checkpointing is None or checkpointing.mode != "disk":
            return None
        folder: Path = run.experiment.training_folder(run.phase, run.scope.folds)
        return folder

    def get_state(self) -> Mapping[str, Any] | None:
        checkpointing = self._run.phase.checkpointing
        return None if checkpointing is None else checkpointing.get_progress(self.folder())

    def left(self) -> Mapping[str, Any] | None:
        """The state at the end of the phase, if anything was to be saved."""
        return None if self._active is None else self.get_state()

    def set_state(self, state: Mapping[str, Any] | None) -> None:
        checkpointing, run = self._run.phase.checkpointing, self._run
        if checkpointing is not None and state is not None:
            folder, folds = self.folder(), run.scope.folds
            run.experiment.take_up_checkpointing(checkpointing, folder, state, folds)
