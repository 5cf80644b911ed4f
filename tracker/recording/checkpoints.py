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
    from engine.experiment import Experiment, SavedCheckpoint

SUFFIX = ".ckpt"


@dataclass(frozen=True, kw_only=True)
class CheckpointPolicy:
    """When checkpoints are written, and which stay.

    Always written are those at the end of every phase, and where a run is stopped.
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
        # Those of phases that changed nothing: of use until the plan is done.
        self._passing: list[int] = []
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
        watched: str | None = None,
        passing: bool = False,
    ) -> None:
        """Writes one, unless the last one was written at this very moment.

        `monitored` is the metric's last value, `watched` the metric by which the experiment keeps
        its best weights. A `passing` one comes after a phase that has learned nothing: what it
        shares with the one before is not written again, and it goes once the plan is done.
        """
        if moment == self._written:
            return
        saved = self._save(experiment, moment, passing=passing)
        with self._place.database.write() as session:
            unwanted = self._register(session, saved, moment, monitored, watched, passing=passing)
        self._written, self._written_at = moment, time.monotonic()
        self._remove(unwanted)

    def forget_passing(self) -> None:
        """The plan is done: removes the passing ones, if there is another state."""
        if not self._passing:
            return
        with self._place.database.write() as session:
            states = checkpoints_of(session, self._run_id, CheckpointKind.STATE)
            others = [row for row in states if row.id not in self._passing and not row.abandoned]
            unwanted = retire(session, self._run_id, self._passing) if others else []
        self._passing.clear()
        self._remove(unwanted)

    def _remove(self, files: list[str]) -> None:
        for file in files:
            with suppress(LabUnusableError):  # doctor finds what could not be deleted
                self._place.files.remove(file)

    def _save(
        self, experiment: "Experiment", moment: Moment, *, passing: bool
    ) -> "SavedCheckpoint":
        safe = "".join(letter if letter.isalnum() else "-" for letter in moment.name)
        relative = f"{self._folder}/{safe[:80]}-{uuid4().hex[:12]}{SUFFIX}"
        path = self._place.files.path(relative)
        try:
            make_folder(path.parent)
            return experiment.write_checkpoint(
                path, meta={"run": self._run_id}, share_graph=passing
            )
        except OSError as error:
            raise unusable(path, error) from error

    def _stored(self, file: Any) -> StoredFile:
        return StoredFile(self._place.files.relative(Path(file.path)), file.bytes, file.sha256)

    def _register(
        self,
        session: Session,
        saved: "SavedCheckpoint",
        moment: Moment,
        monitored: Monitored | None,
        watched: str | None,
        *,
        passing: bool,
    ) -> list[str]:
        """Registers the files; returns those that are no longer wanted."""
        details: dict[str, Any] = {"step": moment.step, "phase_result_id": moment.phase_result_id}
        needed = saved.best or saved.graph
        needed_id = None
        if needed is not None:
            best = None if watched is None else saved.snapshot
            # A file that was there before keeps the row that it has.
            needed_id = register_checkpoint(
                session,
                self._run_id,
                self._stored(needed),
                name=f"{moment.phase}-best",
                kind=CheckpointKind.BEST,
                epoch=None if best is None else best.epoch,
                metric=watched,
                value=None if best is None else best.value,
                **details,
            )
        state_id = register_checkpoint(
            session,
            self._run_id,
            self._stored(saved),
            name=moment.name,
            epoch=moment.epoch,
            batch=moment.batch,
            best_id=needed_id,
            **_value(monitored),
            **details,
        )
        if passing:
            self._passing.append(state_id)
        return self._retire(session, monitored.mode if monitored else self.policy.mode)

    def _retire(self, session: Session, mode: str) -> list[str]:
        states = checkpoints_of(session, self._run_id, CheckpointKind.STATE)
        weights = checkpoints_of(session, self._run_id, CheckpointKind.BEST)
        # Of those between two phases only the newest is gone on from. Those of a training stay
        # beside it: should it be asked for more epochs, they are what it goes on from.
        kept = {row.id for row in (*states[:1], *_of_training(states)[: self.policy.keep_last])}
        if self.policy.keep_best:
            kept |= {row.id for row in _best(states, mode)[: self.policy.top]}
        unwanted = {row.id for row in states} - kept
        # The newest weights stay for their own sake, others as long as a state needs them.
        return retire(session, self._run_id, unwanted | {row.id for row in weights[1:]})


def _of_training(states: list[Checkpoint]) -> list[Checkpoint]:
    return [row for row in states if row.epoch is not None]


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
