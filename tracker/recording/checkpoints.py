"""Checkpoints of an experiment under way: written, registered, and which of them stay."""

import math
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from sqlalchemy.orm import Session

from tracker.database.kinds import CheckpointKind
from tracker.database.tables import Checkpoint
from tracker.errors import InvalidError, LabUnusableError, unusable
from tracker.files import StoredFile
from tracker.files.durable import make_folder
from tracker.recording.place import Place
from tracker.registry.checkpoints import checkpoints_of, register_checkpoint, retire

if TYPE_CHECKING:
    from engine.experiment import Experiment

SUFFIX = ".ckpt"


@dataclass(frozen=True, kw_only=True)
class CheckpointPolicy:
    """When checkpoints are written, and which stay.

    Always written are those at the end of a training, of a fit, and where a run is stopped.
    The best are the `top` ones by the value of `monitor`; without one, of what the phase's
    early stopping watches. What one of the rules keeps, stays, and so does what is pinned.
    """

    every: int = 1  # epochs
    every_seconds: float | None = None  # also within an epoch
    keep_last: int = 1
    keep_best: bool = True
    top: int = 1
    monitor: str | None = None
    mode: Literal["min", "max"] = "min"

    def __post_init__(self) -> None:
        for name in ("every", "keep_last", "top"):
            if (value := getattr(self, name)) < 1:
                raise InvalidError(f"{name} of checkpoints is at least 1, not {value!r}.")
        if self.every_seconds is not None and not self.every_seconds > 0:
            raise InvalidError(f"every_seconds is more than 0, not {self.every_seconds!r}.")
        if self.mode not in ("min", "max"):
            raise InvalidError(f"A metric is best at its 'min' or 'max', not {self.mode!r}.")


@dataclass(frozen=True)
class Monitored:
    """The value of the monitored metric after an epoch."""

    metric: str
    mode: str
    value: float
    epoch: int | None


@dataclass(frozen=True)
class Moment:
    """Where in its run an experiment stands, as a checkpoint is known by it."""

    step: int
    phase_result_id: int | None
    phase: str
    epoch: int | None = None
    batch: int | None = None  # of the epoch, if it has not ended

    @property
    def name(self) -> str:
        parts = [self.phase]
        if self.epoch is not None:
            parts.append(f"epoch-{self.epoch}")
        if self.batch is not None:
            parts.append(f"batch-{self.batch}")
        return "-".join(parts)


class CheckpointKeeper:
    """Writes the checkpoints of one run, and removes those that its policy does not keep.

    A file is whole and synced before it is registered, and unregistered before it is
    deleted. Only the run's own files are touched; the last state, and what is pinned, stay.
    """

    def __init__(self, place: Place, run_id: int, uuid: str, policy: CheckpointPolicy) -> None:
        self.policy = policy
        self._place = place
        self._run_id = run_id
        self._folder = f"{place.files.run_folder(uuid)}/checkpoints"
        self._written: Moment | None = None
        self._written_at = time.monotonic()

    def is_due(self, epoch: int | None, *, last: bool = False) -> bool:
        """Whether one is to be written at the end of this epoch, or within one (None)."""
        seconds = self.policy.every_seconds
        late = seconds is not None and time.monotonic() - self._written_at >= seconds
        return late or last or (epoch is not None and (epoch + 1) % self.policy.every == 0)

    def write(
        self,
        experiment: "Experiment",
        moment: Moment,
        *,
        monitored: Monitored | None = None,
        best: Monitored | None = None,
    ) -> None:
        """Writes one, unless the last one was written at this very moment.

        `monitored` is the metric's last value, `best` that of the best weights that the
        experiment keeps.
        """
        if moment == self._written:
            return
        state, weights = self._save(experiment, moment)
        with self._place.database.write() as session:
            unwanted = self._register(session, state, weights, moment, monitored, best)
        self._written, self._written_at = moment, time.monotonic()
        for file in unwanted:
            with suppress(LabUnusableError):  # doctor finds what could not be deleted
                self._place.files.remove(file)

    def _save(
        self, experiment: "Experiment", moment: Moment
    ) -> tuple[StoredFile, StoredFile | None]:
        safe = "".join(letter if letter.isalnum() else "-" for letter in moment.name)
        relative = f"{self._folder}/{safe[:80]}-{uuid4().hex[:12]}{SUFFIX}"
        path = self._place.files.path(relative)
        try:
            make_folder(path.parent)
            saved = experiment.write_checkpoint(path, meta={"run": self._run_id})
        except OSError as error:
            raise unusable(path, error) from error
        return self._stored(saved), None if saved.best is None else self._stored(saved.best)

    def _stored(self, file: Any) -> StoredFile:
        return StoredFile(self._place.files.relative(Path(file.path)), file.bytes, file.sha256)

    def _register(
        self,
        session: Session,
        state: StoredFile,
        weights: StoredFile | None,
        moment: Moment,
        monitored: Monitored | None,
        best: Monitored | None,
    ) -> list[str]:
        """Registers both files; returns those that are no longer wanted."""
        details: dict[str, Any] = {"step": moment.step, "phase_result_id": moment.phase_result_id}
        best_id = None
        if weights is not None:
            # The same weights as before keep the row that they have.
            best_id = register_checkpoint(
                session,
                self._run_id,
                weights,
                name=f"{moment.phase}-best",
                kind=CheckpointKind.BEST,
                epoch=None if best is None else best.epoch,
                **_value(best),
                **details,
            )
        register_checkpoint(
            session,
            self._run_id,
            state,
            name=moment.name,
            epoch=moment.epoch,
            batch=moment.batch,
            best_id=best_id,
            **_value(monitored),
            **details,
        )
        return self._retire(session, monitored.mode if monitored else self.policy.mode)

    def _retire(self, session: Session, mode: str) -> list[str]:
        states = checkpoints_of(session, self._run_id, CheckpointKind.STATE)
        weights = checkpoints_of(session, self._run_id, CheckpointKind.BEST)
        kept = {row.id for row in states[: self.policy.keep_last]}
        if self.policy.keep_best:
            kept |= {row.id for row in _best(states, mode)[: self.policy.top]}
        unwanted = {row.id for row in states} - kept
        # The newest weights stay for their own sake, others as long as a state needs them.
        return retire(session, self._run_id, unwanted | {row.id for row in weights[1:]})


def _value(monitored: Monitored | None) -> dict[str, Any]:
    if monitored is None:
        return {"metric": None, "value": None}
    return {"metric": monitored.metric, "value": monitored.value}


def _best(states: list[Checkpoint], mode: str) -> list[Checkpoint]:
    """From the best to the worst; of equals, the one that came first. NaN is never best."""
    sign = 1 if mode == "min" else -1
    valued = [(row.value, row) for row in states if row.value is not None]
    ranked = [(sign * value, row.id, row) for value, row in valued if not math.isnan(value)]
    return [row for _, _, row in sorted(ranked, key=lambda each: each[:2])]
