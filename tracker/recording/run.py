"""A run while it happens: what the code under way says about itself."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from html import escape
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from tracker.database.kinds import Axis, RunStatus
from tracker.errors import InvalidError, StateError, TrackerError
from tracker.recording.attachments import Attachments
from tracker.recording.endings import ASKED, RETURNED, Ending, ending_of
from tracker.recording.fingerprint import identify
from tracker.recording.histories import as_columns
from tracker.recording.place import Place
from tracker.recording.session import OpenSession
from tracker.recording.values import as_metrics, as_position
from tracker.registry.datasets import record_dataset
from tracker.registry.params import store_params
from tracker.registry.runs import set_note, set_progress
from tracker.registry.tags import add_tags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

ENDS = (RunStatus.FINISHED, RunStatus.STOPPED, RunStatus.FAILED)


class RunIdentity(NamedTuple):
    """Which run it is, in every way it can be called."""

    id: int
    uuid: str
    name: str
    experiment: str


class RunHandle:
    """One run, open for recording in this process.

    As a context manager it ends with its block: finished, failed with the exception's
    traceback, or stopped. Without one, call `finish()`. Threads may share it; a forked child
    may log to it, and cannot end it.
    """

    def __init__(self, place: Place, identity: RunIdentity, session: OpenSession) -> None:
        self.id, self.uuid, self.name, self.experiment = identity
        self.place = place
        self.session = session
        self._attachments = Attachments(place, identity.id, identity.uuid)
        self._status = RunStatus.RUNNING
        self._saw_stop = False
        self._remark: str | None = None
        self._error_before = sys.exception()

    def log(
        self,
        metrics: Mapping[str, Any] | None = None,
        /,
        *,
        step: int | None = None,
        epoch: int | None = None,
        **named: Any,
    ) -> None:
        """Stores metrics: `run.log(loss=0.3, step=7)`, or `run.log({"val/loss": x}, step=7)`.

        When it returns, they are in the database. Numbers, bools, numpy scalars and 0-d
        tensors are accepted, NaN and infinities too; on anything else an InvalidError, and
        nothing of the call is stored. Without a step: one after the run's last. With an epoch
        alone: points along epochs. The same metric twice at one step: the later value stands.
        """
        self._refuse_ended()
        self.session.points.write(
            as_metrics(metrics, named),
            step=as_position("step", step),
            epoch=as_position("epoch", epoch),
            axis=Axis.EPOCH if step is None and epoch is not None else Axis.STEP,
        )

    def log_history(self, history: Any) -> None:
        """Stores whole histories in one transaction, from a DataFrame or a mapping of columns.

        Columns named `step`, `epoch` and `time` say where the points stand, all others are
        metrics. NaN is a value; None and pandas' NA are points that are not there.
        """
        self._refuse_ended()
        self.session.points.write_history(as_columns(history))

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Adds parameters, nested mappings by dotted key; one that is there is replaced."""
        with self._writing() as session:
            store_params(session, self.id, params)

    def log_artifact(self, path: str | PathLike[str], name: str | None = None) -> str:
        """Keeps a copy of a file, or of every file in a directory; returns its name in the run.

        The same name again: the later file stands.
        """
        self._refuse_ended()
        return self._attachments.keep(Path(path), name)

    def log_figure(self, figure: Any, name: str) -> str:
        """Keeps a matplotlib figure as an artifact: PNG, or what the name's suffix says."""
        self._refuse_ended()
        return self._attachments.keep_figure(figure, name)

    def log_dataset(self, data: Any, name: str = "data") -> str:
        """Records which data the run saw, by content; returns its fingerprint.

        A DataFrame, Arrow table, array, tensor, mapping of columns, or a path to files. The
        data itself is not kept.
        """
        identity = identify(data)
        with self._writing() as session:
            record_dataset(session, self.id, name=name, **asdict(identity))
        return identity.fingerprint

    def tag(self, *names: str) -> None:
        with self._writing() as session:
            add_tags(session, names, run_id=self.id)

    def note(self, text: str | None) -> None:
        """Replaces the run's note; None takes it away."""
        with self._writing() as session:
            set_note(session, self.id, text)

    def set_progress(
        self, *, phase: str | None = None, epoch: int | None = None, batch: int | None = None
    ) -> None:
        """How far the run is, for those who list it."""
        with self._writing() as session:
            set_progress(session, self.id, phase=phase, epoch=epoch, batch=batch)

    @property
    def stop_requested(self) -> bool:
        """Whether somebody has asked the run to stop; a run that then ends is `stopped`."""
        if not self.session.ended and self.session.stop_asked():
            self._saw_stop = True
        return self._saw_stop

    def remark(self, reason: str) -> None:
        """Why the run will have ended as it does, if it finishes or is stopped."""
        self._remark = reason

    def mark_stopped(self) -> None:
        """The run has been stopped before its end; as if `stop_requested` had said so."""
        self._saw_stop = True

    def finish(self, status: str | None = None, *, reason: str | None = None) -> None:
        """Ends the run; a second call does nothing.

        Without a status: as the block of a `with` would, so inside an `except` or `finally`
        what is being raised counts.
        """
        error = sys.exception()
        ending = self._ending(None if error is self._error_before else error)
        if status is not None:
            if status not in ENDS:
                raise InvalidError(f"A run ends as {', '.join(ENDS)}, not as {status!r}.")
            same = ending.status == status
            ending = ending if same else Ending(RunStatus(status), "returned")
        self._end(ending if reason is None else ending._replace(reason=reason))

    def __enter__(self) -> Self:
        self._refuse_ended()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._end(self._ending(error))
        except TrackerError as trouble:
            if error is None:
                raise
            # What went wrong in the user's code is what the user must see.
            error.add_note(f"Labkeeper could not record the end of the run: {trouble}")

    def __repr__(self) -> str:
        return f"<Run {self.experiment}/{self.name} {self.uuid[:8]} {self._status}>"

    def _repr_html_(self) -> str:
        cells = {
            "run": self.name,
            "experiment": self.experiment,
            "uuid": self.uuid[:8],
            "status": self._status,
        }
        rows = "".join(
            f"<tr><th>{title}</th><td>{escape(text)}</td></tr>" for title, text in cells.items()
        )
        return f"<table>{rows}</table>"

    def _ending(self, error: BaseException | None) -> Ending:
        if error is not None:
            return ending_of(error)
        ending = ASKED if self._saw_stop else RETURNED
        return ending if self._remark is None else ending._replace(reason=self._remark)

    def _end(self, ending: Ending) -> None:
        if self.session.end(ending):
            self._status = ending.status

    @contextmanager
    def _writing(self) -> "Iterator[Session]":
        self._refuse_ended()
        with self.place.database.write() as session:
            yield session

    def _refuse_ended(self) -> None:
        if self.session.ended:
            raise StateError(
                f"Run {self.name!r} has ended as {self._status}; nothing more can be recorded in "
                "it. `lab.resume_run` goes on with it."
            )
