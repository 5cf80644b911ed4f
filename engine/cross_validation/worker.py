"""A fold in a process of its own, from that process's side."""

import contextvars
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path as FilePath
from typing import Any

from engine.cross_validation.fold import Fold
from engine.cross_validation.relay import Event, Relay, Wanted
from engine.cross_validation.sending import Name, Sender, sendable
from engine.cross_validation.standing import Finished, Standing
from engine.experiment.execution import Execution, Spot
from engine.experiment.position import Position
from engine.phases.base import ExperimentPhase
from engine.phases.reporting import Path, RunStatus
from engine.phases.running import graph_of
from engine.results import FoldResults, PhaseGroupResults
from engine.results.runs import PhaseGroupExecutionMeta

# Several bars would be drawn over each other.
QUIET = {
    "show_sampler_progress": False,
    "show_training_progress": False,
    "show_eval_progress": False,
}
STOP = b"stop"


@dataclass(frozen=True)
class Assignment:
    """What a forked process is to do: it has the rest in its memory."""

    execution: Execution
    fold: Fold
    path: Path
    place: tuple[str, ...]
    wanted: Wanted
    # Optimizer steps done before the first fold.
    first_step: int
    standing: Standing | None
    is_last: bool


@dataclass(frozen=True)
class Told:
    """Events, from number `first` on, and perhaps how the fold stands after them."""

    first: int
    events: list[Event]
    standing: Standing | None = None


@dataclass(frozen=True)
class Ended:
    """The last message of a fold's process."""

    status: RunStatus
    unfinished: list[tuple[Path, RunStatus]]
    finished: Finished | None = None
    standing: Standing | None = None
    results: FoldResults | None = None
    error: bytes = b""
    # The checkpoints that the fold has saved, by name.
    files: Mapping[str, FilePath] | None = None
    # What the last fold's callbacks and Checkpointings hold afterwards.
    left: Sequence[Mapping[str, Any]] = ()


def be_worker(
    assignment: Assignment,
    messages: Connection,
    orders: Connection,
    others: Sequence[Connection],
) -> None:
    """Runs the fold, tells what happens, and ends: also when the other process has gone."""
    os.setpgid(0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for connection in others:
        connection.close()
    experiment = assignment.execution.experiment
    threading.Thread(target=_obey, args=(orders, experiment), daemon=True).start()
    # Not in this thread: OpenMP keeps for it the threads of the process it was forked from, which
    # are not there, and would wait for them forever. For a new thread it makes new ones.
    context = contextvars.copy_context()
    folding = threading.Thread(target=context.run, args=(_FoldWork(assignment, messages).run,))
    folding.start()
    folding.join()


def _obey(orders: Connection, experiment: Any) -> None:
    """Stops after the current batch when told to; ends at once if nobody is there to tell."""
    with suppress(EOFError, OSError):
        while orders.recv_bytes() == STOP:
            experiment.request_stop()
    # With all that the fold has started.
    os.killpg(0, signal.SIGKILL)


class _FoldWork:
    """One fold, as this process sees it."""

    def __init__(self, assignment: Assignment, messages: Connection) -> None:
        self._given = assignment
        self._execution = assignment.execution
        self._experiment = assignment.execution.experiment
        self._graph = graph_of(self._experiment)
        self._n_runs = len(self._experiment.history)
        self._known_files = set(self._experiment.available_checkpoints)
        self._sender = Sender(messages, assignment.fold.label, self._known())
        standing = assignment.standing
        self._relay = Relay(
            self._experiment,
            assignment.wanted,
            number=0 if standing is None else standing.number,
            first_step=assignment.first_step,
            send=self._tell,
            stand=self._stand,
        )
        self._next = self._relay.number
        self._results = PhaseGroupResults(assignment.execution.root.label)
        self._meta = PhaseGroupExecutionMeta(assignment.fold.label, datetime.now(UTC))

    def run(self) -> None:
        try:
            ended = self._run()
        except BaseException as error:  # noqa: BLE001 - shown where the run was started
            ended = self._failed(error)
        try:
            self._sender.send(ended)
        except Exception as error:  # noqa: BLE001 - as above
            # A fold's own error is the one to be seen, with or without what was recorded.
            if ended.error:
                ended = replace(ended, results=None)
            else:
                ended = Ended("failed", [], error=sendable(error, self._given.fold.label))
            self._sender.send(ended)

    def _run(self) -> Ended:
        given, execution = self._given, self._execution
        self._begin()
        spot = Spot(given.path, given.place, self._around(), self._meta)
        with self._experiment.ctx.activate():
            status = execution.run_group(given.fold, spot)
        self._relay.flush()
        self._know_data()
        results = self._found()
        if status == "stopped":
            standing = self._standing(self._relay.number, execution.position())
            return Ended(status, self._relay.unfinished, standing=standing, results=results)
        finished = Finished(
            self._experiment.step - given.first_step,
            results or FoldResults(given.fold.label),
            self._fold_meta(),
            self._experiment.history[self._n_runs :],
            execution.left,
        )
        return Ended(status, [], finished=finished, files=self._files(), left=self._left())

    def _begin(self) -> None:
        """Make the execution that was forked this fold's alone."""
        given, execution, experiment = self._given, self._execution, self._experiment
        execution.reporters = (self._relay,)
        execution.flags = {**execution.flags, **QUIET}
        execution.results = self._results
        execution.around, execution.active, execution.resumed = {}, None, None
        execution.left = {}
        # Its checkpoints are of the whole run.
        experiment.attach_checkpointing(None)
        experiment.step = given.first_step
        if given.standing is None:
            return
        experiment.step += given.standing.step
        around = {given.path: {"graph": self._graph.get_state()}}
        self._graph.set_state(given.standing.graph)
        execution.resumed = replace(given.standing.position, around=around)
        execution.left = dict(execution.resumed.left)
        execution.take_left(execution.left)

    def _around(self) -> PhaseGroupResults:
        """The results of the groups around the fold."""
        around = self._results
        for label in self._given.place[:-1]:
            inner = PhaseGroupResults(label)
            around.add_result(inner)
            around = inner
        return around

    # Telling

    def _known(self) -> list[tuple[Name, Any]]:
        known: list[tuple[Name, Any]] = [
            (("node", label), node) for label, node in self._experiment.ctx.available_nodes.items()
        ]
        return [*known, (("graph", None), self._graph)]

    def _know_data(self) -> None:
        """The fold's own data is made again where it is wanted."""
        # A fold that has failed has left its results only.
        holder = self._execution.around.get(self._given.path) or self._found()
        own = getattr(holder, "feature_sets", {})
        for label, feature_set in own.items():
            self._sender.know(("own", label), feature_set)
        if own:
            self._sender.know(("data", None), own)

    def _tell(self, events: list[Event], standing: Standing | None) -> None:
        self._know_data()
        self._sender.send(Told(self._next, events, standing))
        self._next += len(events)
        for event in events:
            if event.name == "phase_ended":
                self._sender.know(("results", event.path), event.facts["results"])

    def _stand(self, number: int) -> Standing:
        # Without recorded batches, as a checkpoint is.
        position = self._execution.position()
        kept = Position.from_state({**position.get_state(), "around": []})
        return self._standing(number, kept)

    def _standing(self, number: int, position: Position) -> Standing:
        position = replace(position, root=None, around={})
        step = self._experiment.step - self._given.first_step
        graph = self._graph.get_state(copy=False)
        return Standing(number, step, position, graph)

    def _found(self) -> FoldResults | None:
        found: Any = self._results
        for label in self._given.place:
            if label not in found:
                return None
            found = found[label]
        return found if isinstance(found, FoldResults) else None

    def _failed(self, error: BaseException) -> Ended:
        label = self._given.fold.label
        self._know_data()
        with suppress(Exception):
            self._relay.flush()
        return Ended(
            "failed", self._relay.unfinished, results=self._found(), error=sendable(error, label)
        )

    def _fold_meta(self) -> PhaseGroupExecutionMeta | None:
        found = dict(self._meta.items()).get(self._given.fold.label)
        return found if isinstance(found, PhaseGroupExecutionMeta) else None

    def _files(self) -> dict[str, FilePath]:
        there = self._experiment.available_checkpoints
        return {name: path for name, path in there.items() if name not in self._known_files}

    def _left(self) -> list[Mapping[str, Any]]:
        """The states of callbacks and Checkpointings, as they would be left here."""
        if not self._given.is_last:
            return []
        return [_left_by(phase) for phase in self._given.fold.flatten()]


def _left_by(phase: ExperimentPhase) -> dict[str, Any]:
    checkpointing = getattr(phase, "checkpointing", None)
    return {
        "stop": phase.stop_requested,
        "callbacks": [(one.get_state(), one.get_snapshot()) for one in phase.callbacks],
        "checkpointing": None if checkpointing is None else checkpointing.handed_over(),
    }
