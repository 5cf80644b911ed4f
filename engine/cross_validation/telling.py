"""Telling listeners of folds that run in other processes as if they ran here, one by one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from engine.cross_validation.relay import Event
from engine.cross_validation.standing import FoldProgress, FoldsStanding
from engine.experiment.execution import Elsewhere, Execution, Spot
from engine.experiment.position import along
from engine.phases.base import ExperimentPhase
from engine.phases.group import PhaseGroup
from engine.phases.reporting import Path, Reporter, RunStatus, happening_at, overriding

if TYPE_CHECKING:
    from engine.phases.snapshot import Snapshot


class Telling:
    """Tells every event once, in the order in which folds that run one by one have them.

    Of a fold that is ahead of its turn, the events wait. At every event the experiment's state is
    one from which a run goes on exactly, and what was told is not told again.
    """

    def __init__(self, execution: Execution, standing: FoldsStanding, around: Spot) -> None:
        self._execution = execution
        self._experiment = execution.experiment
        self._standing = standing
        self._around = around
        self._number = 0
        # Optimizer steps before the fold whose turn it is.
        self._before = standing.first_step
        # The best weights of the phase that is told, by the callbacks that keep them.
        self._snapshots: dict[str, Snapshot] = {}
        reporters = execution.reporters
        self._batch_metrics = overriding(
            [one for one in reporters if one.wants_batch_metrics], "metrics", Reporter
        )

    @property
    def _progress(self) -> FoldProgress | None:
        folds = self._standing.folds
        return folds[self._number] if self._number < len(folds) else None

    def begin(self) -> None:
        """Pass over what was told before, and open again what was left open."""
        while (progress := self._progress) is not None and progress.is_over:
            self._pass_on(progress, again=True)
        self._stand_at_fold()
        if progress is not None:
            self._experiment.step = self._before + progress.step
            for path in progress.open:
                self._open(path, resumed=True)

    def go_on(self, *, until_asked: bool = True) -> None:
        """Tell what has come, until somebody asks to stop."""
        while (progress := self._progress) is not None:
            while progress.waiting:
                observed = self._execution.observed and until_asked
                if observed and self._experiment.stop_requested:
                    return
                self._tell(progress, progress.waiting[0])
            if progress.finished is None:
                return
            self._pass_on(progress)
            self._stand_at_fold()

    def close(self, status: RunStatus = "stopped", *, over: BaseException | None = None) -> None:
        """Tell that the fold whose turn it is has been interrupted, by an error perhaps."""
        if (progress := self._progress) is not None:
            self._close(progress, [(path, status) for path in reversed(progress.open)], over)

    def fail(
        self, number: int, unfinished: Sequence[tuple[Path, RunStatus]], over: BaseException
    ) -> None:
        """Tell that this fold has failed, inside of what it had begun, the outermost first."""
        progress = self._standing.folds[number]
        self.go_on(until_asked=False)
        if number == self._number:
            unfinished = unfinished or [(path, "failed") for path in progress.open]
        else:
            # What it measured is not told: it comes after what folds before it have yet to do.
            self.close(over=over)
            unfinished = unfinished or [(self._fold_path(number), "failed")]
            for path, _ in unfinished:
                self._open(path)
        self._close(progress, list(reversed(unfinished)), over)

    # One event

    def _tell(self, progress: FoldProgress, event: Event) -> None:
        # Before anybody hears of it: a checkpoint that is saved meanwhile comes after it.
        progress.waiting.popleft()
        progress.told += 1
        progress.step = event.step
        self._experiment.step = self._before + event.step
        with happening_at(event.at):
            if event.name == "phase_started":
                progress.open.append(event.path)
                self._open(event.path)
            elif event.name == "phase_ended":
                progress.open.remove(event.path)
                self._end(event)
            elif event.name == "metrics":
                self._measure(event)
            else:
                self._move(event)

    def _open(self, path: Path, *, resumed: bool = False) -> None:
        item = self._item(path)
        is_group = isinstance(item, PhaseGroup)
        self._snapshots = {}
        self._stand(path, Elsewhere())
        self._execution.phase = item if isinstance(item, ExperimentPhase) else None
        if not resumed:
            self._execution.save("group_start" if is_group else "phase_start", item.label)
        self._execution.tell("phase_started", item, path=path, kind=item.kind, resumed=resumed)

    def _end(self, event: Event) -> None:
        item, results = self._item(event.path), event.facts["results"]
        is_fold = event.path == self._fold_path(self._number)
        if not is_fold:
            # What comes next in the group around it.
            self._stand((*event.path[:-1], event.path[-1] + 1), Elsewhere())
        self._execution.phase = None
        self._execution.tell(
            "phase_ended", item, path=event.path, status="completed", results=results
        )
        hook = "group_end" if isinstance(item, PhaseGroup) else "phase_end"
        if not is_fold:
            self._execution.save(hook, item.label, results)
            self._execution.tell("phase_done", item, path=event.path)

    def _measure(self, event: Event) -> None:
        facts = {key: value for key, value in event.facts.items() if key != "values"}
        hearing = self._batch_metrics
        if event.facts["batch"] is None:
            hearing = overriding(self._execution.reporters, "metrics", Reporter)
        for metrics in hearing:
            values = dict(event.facts["values"])
            metrics(values, path=event.path, step=self._experiment.step, **facts)

    def _move(self, event: Event) -> None:
        facts = dict(event.facts)
        known = self._snapshots | facts.pop("snapshots", {})
        self._snapshots = {key: one for key, one in known.items() if one is not None}
        epoch, batch = facts["epoch"], facts.get("batch")
        position = (epoch + 1, 0) if batch is None else (epoch, batch + 1)
        self._stand(event.path, Elsewhere(position, self._snapshots))
        self._execution.tell(event.name, path=event.path, step=self._experiment.step, **facts)

    # Around it

    def _pass_on(self, progress: FoldProgress, *, again: bool = False) -> None:
        """The fold has finished and been told: it is the next one's turn."""
        finished = progress.finished
        assert finished is not None  # noqa: S101 - as the caller made sure
        around, experiment = self._around, self._experiment
        around.results.set_result(finished.results)
        if not again:
            if finished.meta is not None:
                around.meta.add_child(finished.meta)
            experiment.add_history(finished.history)
        path = self._fold_path(self._number)
        self._number += 1
        self._before += finished.steps
        experiment.step = self._before
        if not again:
            self._stand_at_fold()
            self._execution.save("group_end", progress.fold.label, finished.results)
            self._execution.tell("phase_done", progress.fold, path=path)

    def _close(
        self,
        progress: FoldProgress,
        paths: Sequence[tuple[Path, RunStatus]],
        over: BaseException | None,
    ) -> None:
        for path, status in paths:
            found = _inside(progress, path[len(self._around.path) + 1 :])
            self._execution.tell(
                "phase_ended",
                self._item(path),
                over=over,
                path=path,
                status=status,
                results=found,
            )

    def _stand_at_fold(self) -> None:
        if self._number < len(self._standing.folds):
            self._stand(self._fold_path(self._number), Elsewhere())

    def _stand(self, path: Path, where: Elsewhere) -> None:
        place = tuple(item.label for item in along(self._execution.items, path))
        self._execution.path, self._execution.place = path, place
        self._execution.active = where

    def _fold_path(self, number: int) -> Path:
        return (*self._around.path, number)

    def _item(self, path: Path) -> Any:
        *_, item = along(self._execution.items, path)
        return item


def _inside(progress: FoldProgress, path: Path) -> Any:
    """The results at this place in the fold, as far as it got."""
    found: Any = progress.unfinished
    item: Any = progress.fold
    for number in path:
        item = item.get_item(number)
        if found is None or item.label not in found:
            return None
        found = found[item.label]
    return found
