"""A trial while it runs: what the function under trial may say and ask."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import ModuleType
from typing import Any
from uuid import uuid4

from tracker.database.tables import Checkpoint
from tracker.errors import LabUnusableError, StateError, unusable
from tracker.files import StoredFile
from tracker.files.durable import make_folder
from tracker.recording.restoring import trusting
from tracker.recording.run import RunHandle
from tracker.recording.values import as_position
from tracker.registry.checkpoints import checkpoints_of, register_checkpoint, retire
from tracker.registry.positions import REACHED
from tracker.registry.sessions import beat
from tracker.sweeps.config import Config

KIND = "trial state"


class TrialStopped(BaseException):
    """Leaves the function under trial once its state is saved; not to be caught."""


class Trial:
    """One attempt at one configuration.

    `run` is its run in the lab: artifacts, figures, datasets and notes go there.
    """

    def __init__(
        self,
        *,
        number: int,
        config: Config,
        attempt: int,
        device: str | None,
        run: RunHandle,
        sign: Callable[[], None],
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.number = number
        self.config = config
        self.attempt = attempt
        # Where it is to compute, if its worker has a device of its own.
        self.device = device
        self.run = run
        self.saw_stop = False
        # What it took to import what saves states: no time of the trial's.
        self.imports_s = 0.0
        self.sign = sign
        # What it goes on from; None where it begins.
        self.restored = checkpoint
        self._asked = False
        self._listeners: list[Callable[[], object]] = []

    def log(
        self,
        metrics: Mapping[str, Any] | None = None,
        /,
        *,
        step: int | None = None,
        epoch: int | None = None,
        **named: Any,
    ) -> None:
        """Stores metrics as `run.log` does; they are visible at once."""
        self.run.log(metrics, step=step, epoch=epoch, **named)
        self.sign()

    def checkpoint(self, state: Any, *, step: int | None = None, epoch: int | None = None) -> None:
        """Saves what an interrupted trial goes on from; leaves the function if it is to stop.

        `state` is nested plain values, arrays, tensors and scikit-learn estimators. It stands
        for everything logged up to `step`, by default up to now: what is logged later goes
        when the trial goes on from here. The last one is kept.
        """
        self._save(state, as_position("step", step), as_position("epoch", epoch))
        self.sign()
        if self.stop_requested:
            raise TrialStopped

    @property
    def resumed(self) -> Any:
        """The state that `checkpoint` saved last, in an attempt before this one; else None."""
        if self.restored is None:
            return None
        place, sha256 = self.run.place, self.restored.sha256
        with trusting(place, self.restored) as trusted:
            path = place.files.path(self.restored.path)
            return self._saving().read_file(path, KIND, sha256=sha256, trusted=trusted)[0]

    @property
    def stop_requested(self) -> bool:
        """Whether it is to stop. A trial that then returns is `stopped`, not finished."""
        if self._asked or self.run.stop_requested:
            self.saw_stop = True
        return self.saw_stop

    def request_stop(self) -> None:
        """Asks it to stop at its next checkpoint."""
        self._asked = True
        for listener in list(self._listeners):
            listener()

    def on_stop(self, listener: Callable[[], object]) -> None:
        """Calls the listener when it is asked to stop; at once, if it has been."""
        self._listeners.append(listener)
        if self._asked:
            listener()

    def _saving(self) -> ModuleType:
        began = time.monotonic()
        from engine import saving  # noqa: PLC0415 - brings torch

        self.imports_s += time.monotonic() - began
        return saving

    def _save(self, state: Any, step: int | None, epoch: int | None) -> None:
        write_file = self._saving().write_file
        place = self.run.place
        folder = f"{place.files.run_folder(self.run.uuid)}/checkpoints"
        path = place.files.path(f"{folder}/trial-{uuid4().hex}.ckpt")
        try:
            make_folder(path.parent)
            saved = write_file(path, KIND, state, meta={"trial": self.number})
        except OSError as error:
            raise unusable(path, error) from error
        file = StoredFile(place.files.relative(saved.path), saved.bytes, saved.sha256)
        if step is None:
            (step,) = self.run.session.points.ask(REACHED, (self.run.id,)) or (-1,)
        for old in self._register(file, step, epoch):
            with suppress(LabUnusableError):  # doctor finds what could not be deleted
                place.files.remove(old)

    def _register(self, file: StoredFile, step: int, epoch: int | None) -> list[str]:
        """Registers the file in place of the one before; refused once the run is another's."""
        with self.run.place.database.write() as session:
            if beat(session, self.run.session.id).superseded:
                raise StateError(
                    f"Trial {self.number} is another worker's by now; no checkpoint is written."
                )
            name = f"step-{step}" if epoch is None else f"epoch-{epoch}"
            new = register_checkpoint(session, self.run.id, file, name=name, step=step, epoch=epoch)
            return retire(
                session,
                self.run.id,
                {row.id for row in checkpoints_of(session, self.run.id) if row.id != new},
            )
