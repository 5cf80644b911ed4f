"""Running folds side by side, as if they ran one by one."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from engine.cross_validation.crew import Crew
from engine.cross_validation.fold import Fold
from engine.cross_validation.own_data import OwnData, as_they_are
from engine.cross_validation.relay import Event, Wanted
from engine.cross_validation.sending import Name, received
from engine.cross_validation.standing import Finished, FoldProgress, FoldsStanding, Standing
from engine.cross_validation.telling import Telling
from engine.cross_validation.worker import Assignment, Ended, Told
from engine.errors import FoldError
from engine.experiment.execution import Execution, Spot
from engine.experiment.position import Position
from engine.phases.group import GroupRun
from engine.phases.reporting import Path, RunStatus
from engine.phases.running import graph_of
from engine.results import FoldResults, PhaseGroupResults

# How often it is looked whether somebody wants the run to stop.
TICK_S = 0.1


class FoldsRun(GroupRun):
    """One execution of a cross-validation's folds."""

    def __init__(self, experiment: Any, folds: Sequence[Fold], saved: Any, *, workers: int) -> None:
        self._experiment = experiment
        self._folds = folds
        self._saved = saved
        self._workers = workers

    def run_items(self, execution: Execution, items: Sequence[Any], around: Spot) -> RunStatus:
        standing = self._standing(execution, around)
        if standing is None:
            return super().run_items(execution, items, around)
        self.state = standing
        return SideBySide(execution, standing, around, self._workers).run()

    def _standing(self, execution: Execution, around: Spot) -> FoldsStanding | None:
        """What is to be done by several processes; None if the folds run one by one, here."""
        if isinstance(self._saved, FoldsStanding):
            return replace(self._saved, told=around.results)
        resumed = execution.resumed
        if self._saved is not None and resumed is not None:
            told = resumed.finished_at(around.place)
            standing = FoldsStanding.from_state(self._folds, self._saved, told)  # type: ignore[arg-type]  # a group's
            return replace(standing, told=around.results)
        if resumed is None or not resumed.is_within(around.path):
            progress = [FoldProgress(fold) for fold in self._folds]
            standing = FoldsStanding(progress, self._experiment.step, around.results)
            return standing if self._workers > 1 else None
        return self._from_one_by_one(resumed, around)

    def _from_one_by_one(self, resumed: Position, around: Spot) -> FoldsStanding | None:
        """What is left of a run that was interrupted in one of the folds, which ran here."""
        told, number = resumed.finished_at(around.place), resumed.path[len(around.path)]
        known = told.group_results if isinstance(told, PhaseGroupResults) else {}
        found = [FoldProgress(fold) for fold in self._folds]
        for progress in found[:number]:
            results = known.get(progress.fold.label)
            if isinstance(results, FoldResults):
                progress.finished = Finished(0, results)
        # A checkpoint that a fold's own process has saved knows nothing of the others.
        if self._workers == 1 and all(one.finished is not None for one in found[:number]):
            return None
        if number < len(found) and resumed.is_within((*around.path, number)):
            self._go_on_with(found[number], resumed, (*around.path, number))
        return FoldsStanding(found, self._experiment.step, around.results)

    def _go_on_with(self, progress: FoldProgress, resumed: Position, fold: Path) -> None:
        graph = graph_of(self._experiment)
        progress.standing = Standing(0, 0, resumed, graph.get_state())
        graph.set_state(resumed.around[fold]["graph"])
        progress.open = [resumed.path[:depth] for depth in range(len(fold), len(resumed.path))]
        if resumed.phase is not None:
            progress.open.append(resumed.path)


class Named:
    """What the messages of one fold's process name: this process has it."""

    def __init__(self, experiment: Any, data: OwnData) -> None:
        self._results: dict[Path, Any] = {}
        self._by_kind: dict[str, Callable[[Any], Any]] = {
            "own": data.__getitem__,
            "data": lambda _: data,
            "node": experiment.ctx.get_node,
            "graph": lambda _: experiment.model_graph,
            "results": self._results.__getitem__,
        }

    def find(self, name: Name) -> Any:
        kind, key = name
        return self._by_kind[kind](key)

    def know(self, events: Sequence[Event]) -> None:
        """Results that were sent are named from then on."""
        ended = [event for event in events if event.name == "phase_ended"]
        self._results.update({event.path: event.facts["results"] for event in ended})


class SideBySide:
    """The folds that are not done yet, in as many processes at a time as there are workers."""

    def __init__(
        self, execution: Execution, standing: FoldsStanding, around: Spot, workers: int
    ) -> None:
        self._execution = execution
        self._experiment = execution.experiment
        self._standing = standing
        self._around = around
        self._workers = workers
        self._telling = Telling(execution, standing, around)
        self._crew = Crew()
        graph_of(self._experiment).build()
        self._sources = as_they_are(standing.folds[0].fold, self._experiment.ctx)
        self._wanted = Wanted.of(
            execution.reporters, saving=self._experiment.checkpointing is not None
        )
        self._left = [number for number, one in enumerate(standing.folds) if one.finished is None]
        self._failed: tuple[int, Ended | FoldError] | None = None
        self._stopping = False
        self._last: Ended | None = None
        self._named: dict[int, Named] = {}

    def run(self) -> RunStatus:
        """All that are left; KeyboardInterrupt when they have stopped after one."""
        try:
            with _interrupts_noted() as interrupted:
                self._work(interrupted)
                return self._end(interrupted=bool(interrupted))
        finally:
            self._crew.kill()

    def _work(self, interrupted: list[int]) -> None:
        try:
            self._telling.begin()
            self._go_on(lambda: self._is_to_stop() or bool(interrupted))
        except BaseException as error:
            # After a second Ctrl-C, folds that have not stopped by now begin again.
            self._execution.goes_on = isinstance(error, KeyboardInterrupt)
            status: RunStatus = "stopped" if self._execution.goes_on else "failed"
            self._telling.close(status, over=error)
            raise

    def _is_to_stop(self) -> bool:
        return self._failed is not None or (
            self._execution.observed and self._experiment.stop_requested
        )

    def _go_on(self, is_to_stop: Callable[[], bool]) -> None:
        """Until all is done, or what runs has been stopped."""
        self._telling.go_on()
        while not is_to_stop():
            self._start()
            if not self._crew.members:
                return
            self._hear()
            if self._failed is None:
                self._telling.go_on()
        self._stopping = True
        self._crew.ask_to_stop()
        while self._crew.members:
            self._hear()

    def _end(self, *, interrupted: bool) -> RunStatus:
        if self._failed is not None:
            raise self._shown(*self._failed)
        if self._standing.is_over and not interrupted:
            self._take_over_callbacks()
            self._telling.go_on()
            return "completed"
        self._keep_unfinished()
        self._telling.close()
        if interrupted:
            self._execution.goes_on = True
            raise KeyboardInterrupt
        return "stopped"

    def _shown(self, number: int, failed: Ended | FoldError) -> BaseException:
        """The error of a fold, once it has been told; what is left can be gone on with."""
        self._execution.goes_on = True
        if isinstance(failed, FoldError):
            error: BaseException = failed
            unfinished: list[tuple[Path, RunStatus]] = []
        else:
            error, unfinished = received(failed.error), failed.unfinished
        self._telling.fail(number, unfinished, error)
        self._keep_unfinished()
        return error

    def _keep_unfinished(self) -> None:
        """Let the results hold what folds have that did not finish, or were not told."""
        for progress in self._standing.folds:
            results = progress.unfinished
            if progress.finished is not None:
                results = progress.finished.results
            if results is not None:
                self._around.results.set_result(results)

    # One fold

    def _start(self) -> None:
        while self._left and len(self._crew.members) < self._workers:
            number = self._left.pop(0)
            progress = self._standing.folds[number]
            data = OwnData(progress.fold, self._sources)
            assignment = Assignment(
                execution=self._execution,
                fold=progress.fold,
                path=(*self._around.path, number),
                place=(*self._around.place, progress.fold.label),
                wanted=self._wanted,
                first_step=self._standing.first_step,
                standing=progress.standing,
                is_last=number == len(self._standing.folds) - 1,
            )
            self._named[number] = Named(self._experiment, data)
            self._crew.start(number, assignment, self._named[number].find)

    def _hear(self) -> None:
        for number, message in self._crew.receive(TICK_S):
            progress = self._standing.folds[number]
            if isinstance(message, Told):
                progress.take(message.events, message.first)
                progress.latest = message.standing or progress.latest
                self._named[number].know(message.events)
            elif isinstance(message, Ended):
                self._take(number, progress, message)
            else:
                self._failed = self._failed or (number, message)

    def _take(self, number: int, progress: FoldProgress, ended: Ended) -> None:
        progress.finished, progress.unfinished = ended.finished, ended.results
        if ended.status == "stopped":
            progress.standing, progress.latest = ended.standing, None
            if not self._stopping:  # asked by one of its own callbacks
                self._experiment.request_stop()
        elif ended.status == "failed":
            self._failed = self._failed or (number, ended)
        if ended.finished is not None and number == len(self._standing.folds) - 1:
            self._last = ended
        self._experiment.know_checkpoints(ended.files or {})

    def _take_over_callbacks(self) -> None:
        """Leave callbacks as they are when folds run one by one: as the last fold left them."""
        last = self._standing.folds[-1]
        left = {} if last.finished is None else last.finished.left
        self._execution.left.update(left)
        if self._last is None:
            self._execution.take_left(left)
            return
        fold = last.fold
        for phase, own in zip(fold.flatten(), self._last.left, strict=True):
            for callback, (state, snapshot) in zip(phase.callbacks, own["callbacks"], strict=True):
                callback.set_snapshot(snapshot)
                callback.set_state(state)
            if own["stop"]:
                phase.request_stop()
            else:
                phase.withdraw_stop()
            checkpointing = getattr(phase, "checkpointing", None)
            if checkpointing is not None:
                checkpointing.take_over(own["checkpointing"])


@contextmanager
def _interrupts_noted() -> Iterator[list[int]]:
    """Inside, the first Ctrl-C is noted, where nobody else sees to it; the second interrupts."""
    noted: list[int] = []
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield noted
        return

    def note(number: int, frame: Any) -> None:
        if noted:
            signal.default_int_handler(number, frame)
        noted.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
