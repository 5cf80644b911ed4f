"""Running a plan, a group or a phase, from its start or from where it stands."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.callbacks.experiment_callback import ExperimentCallback
from engine.errors import UnknownMetricError
from engine.experiment.position import Item, Position, RootKind, along
from engine.phases.base import ExperimentPhase
from engine.phases.calling import in_order, show_error
from engine.phases.group import GroupRun, PhaseGroup
from engine.phases.leaving import take_left
from engine.phases.reporting import Path, PhaseKind, Reporter, RunStatus, overriding
from engine.phases.running import PhaseRun, RunScope
from engine.phases.snapshot import Snapshot
from engine.results.group_results import PhaseGroupResults
from engine.results.phase_results import PhaseResults
from engine.results.runs import PhaseExecutionMeta, PhaseGroupExecutionMeta

if TYPE_CHECKING:
    from engine.experiment.experiment import Experiment

Place = tuple[str, ...]


@dataclass
class Outcome:
    """How something ended; until it has, it counts as failed."""

    status: RunStatus = "failed"
    error: BaseException | None = None
    results: PhaseResults | PhaseGroupResults | None = None

    def fail(self, error: BaseException) -> None:
        self.error = error
        self.status = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"


@dataclass(frozen=True)
class Spot:
    """One item's place in what is run, and where its results and times go."""

    path: Path
    place: Place
    results: PhaseGroupResults
    meta: PhaseGroupExecutionMeta


class Elsewhere(NamedTuple):
    """The epoch and batch that come next in a phase that runs in another process.

    `snapshots` are the best weights that its callbacks keep there.
    """

    position: tuple[int, int] = (0, 0)
    snapshots: Mapping[str, Snapshot] = MappingProxyType({})


class Execution:
    """One call of run, run_phase, run_group or resume: what has finished, and what is done now."""

    def __init__(
        self,
        experiment: "Experiment",
        kind: RootKind,
        root: Item,
        flags: Mapping[str, Any],
        *,
        resumed: Position | None = None,
        observed: bool = True,
    ) -> None:
        """`observed`: whether the experiment's reporters, callbacks and checkpoints answer."""
        self.experiment = experiment
        self.kind = kind
        self.root = root
        self.flags = flags
        self.resumed = resumed
        self.reporters: tuple[Reporter, ...] = tuple(experiment.reporters) if observed else ()
        self.observed = observed
        # What has finished, in the shape of the plan; the last item may be unfinished.
        self.results = PhaseGroupResults(root.label)
        self.meta = PhaseGroupExecutionMeta(root.label, datetime.now(UTC))
        self.path: Path = (0,) if resumed is None else resumed.path
        self.place: Place = () if resumed is None else resumed.place
        # The groups around what is done now.
        self.around: dict[Path, GroupRun] = {}
        self.phase: ExperimentPhase | None = None
        self._active: PhaseRun | Elsewhere | None = None
        # Where it is still gone on from: nothing has been done since.
        self._untouched = resumed
        # What phases that have finished have left on themselves, for a checkpoint.
        self.left: dict[Path, Mapping[str, Any]] = {} if resumed is None else dict(resumed.left)
        # Whether there is something to go on with, by the end: also after some errors.
        self.goes_on = False

    @property
    def items(self) -> list[Item]:
        if self.kind == "plan" and isinstance(self.root, PhaseGroup):
            return self.root.all
        return [self.root]

    @property
    def active(self) -> PhaseRun | Elsewhere | None:
        """The phase that is being run, or where else it is; None between two."""
        return self._active

    @active.setter
    def active(self, active: PhaseRun | Elsewhere | None) -> None:
        self._active, self._untouched = active, None

    def position(self) -> Position:
        """What comes next, for a checkpoint."""
        if self._untouched is not None:
            return self._untouched
        active = (
            self.active if isinstance(self.active, PhaseRun) and self.active.has_begun else None
        )
        return Position(
            kind=self.kind,
            label=self.root.label,
            path=self.path,
            place=self.place,
            finished=self.results,
            phase=None if active is None else active.state,
            root=self.root,
            results=None if active is None else active.results,
            left=dict(self.left),
            is_live=True,
            elsewhere=self.active.snapshots if isinstance(self.active, Elsewhere) else {},
            around={path: run.state for path, run in self.around.items() if run.state is not None},
        )

    # Running

    def run(self) -> RunStatus:
        """Run to the end, or until the experiment is asked to stop."""
        if self.resumed is not None:
            self.resumed.check_against(self.items)
            if not self.resumed.is_live:
                self.take_left(self.resumed.left)
        outcome = Outcome()
        try:
            self.tell("run_started", self.experiment, resumed=self.resumed is not None)
            outcome.status = self._run_all()
            self.goes_on = outcome.status == "stopped"
        except BaseException as error:
            outcome.fail(error)
            self._call_back("on_exception", over=error, phase=self.phase, exception=error)
            raise
        finally:
            self.meta.ended_at, self.meta.status = datetime.now(UTC), outcome.status
            self.tell(
                "run_ended",
                self.experiment,
                over=outcome.error,
                status=outcome.status,
                error=outcome.error,
            )
        return outcome.status

    def take_left(self, left: Mapping[Path, Mapping[str, Any]]) -> None:
        """Have the phases that had finished in another process be as they were left there."""
        for path, one in left.items():
            items = list(along(self.items, path))
            if len(items) == len(path) and isinstance(items[-1], ExperimentPhase):
                take_left(self.experiment, items[-1], one, self._folds_around(path))

    def _run_all(self) -> RunStatus:
        top = Spot((), (), self.results, self.meta)
        if self.kind != "plan":
            return self.run_items(self.items, top)
        if self.resumed is None:
            self.experiment.count_checkpoints_anew()
            self._call_back("on_experiment_start")
            self.save("experiment_start", "START")
        status = self.run_items(self.items, top)
        if status == "completed":
            self._call_back("on_experiment_end")
            self.save("experiment_end", "END", self.results)
        return status

    def run_items(self, items: Sequence[Item], around: Spot) -> RunStatus:
        for number, item in enumerate(items):
            spot = Spot(
                (*around.path, number), (*around.place, item.label), around.results, around.meta
            )
            if self.resumed is not None and self.resumed.is_before(spot.path):
                around.results.set_result(self.resumed.finished_at(spot.place))
                continue
            if self.observed and self.experiment.stop_requested:
                return "stopped"
            run = self.run_group if isinstance(item, PhaseGroup) else self._run_phase
            status = run(item, spot)  # type: ignore[arg-type]  # chosen by the item's type
            if status != "completed":
                return status
        return "completed"

    def run_group(self, group: PhaseGroup, spot: Spot) -> RunStatus:
        resumed = self.resumed is not None and self.resumed.is_within(spot.path)
        results = group.new_results()
        spot.results.set_result(results)
        meta = PhaseGroupExecutionMeta(group.label, datetime.now(UTC))
        if not resumed:
            self.path, self.place = (*spot.path, 0), spot.place
            self._call_back("on_group_start", phase_group=group)
            self.save("group_start", group.label)
        with self._watched(group, group.kind, spot, meta, resumed=resumed) as outcome:
            outcome.results = results
            saved = self.resumed.around.get(spot.path) if resumed and self.resumed else None
            run = group.begin(self.experiment, saved)
            self.around[spot.path] = run
            try:
                inside = Spot(spot.path, spot.place, results, meta)
                outcome.status = run.run_items(self, group.all, inside)
            finally:
                run.leave(outcome.status, results)
                if outcome.status != "stopped" and not self.goes_on:
                    del self.around[spot.path]
        if outcome.status == "completed":
            self._call_back("on_group_end", phase_group=group)
            self.save("group_end", group.label, results)
            self.tell("phase_done", group, path=spot.path)
        return outcome.status

    def _run_phase(self, phase: ExperimentPhase, spot: Spot) -> RunStatus:
        before = self.resumed
        going_on = before is not None and before.leads_through(spot.path)
        saved = before.phase if going_on and before is not None else None
        self.phase, self.path, self.place = phase, spot.path, spot.place
        meta = PhaseExecutionMeta(phase.label, datetime.now(UTC))
        self._call_back("on_phase_start", phase=phase)
        if saved is None:
            self.save("phase_start", phase.label)
        scope = RunScope(
            path=spot.path,
            place=spot.place,
            folds=self._folds_around(spot.path),
            flags=self.flags,
            reporters=self.reporters,
            saved=saved,
            results=before.results if saved is not None and before is not None else None,
        )
        with self._watched(phase, phase.kind, spot, meta, resumed=saved is not None) as outcome:
            self.active = active = self._begin(phase, scope)
            outcome.results = active.results
            outcome.status = active.execute()
        if outcome.status == "completed":
            if self.observed:
                self.left[spot.path] = active.left()
            self._call_back("on_phase_end", phase=phase)
            self.save("phase_end", phase.label, outcome.results)
            self.tell("phase_done", phase, path=spot.path)
            self.phase = None
        return outcome.status

    def _begin(self, phase: ExperimentPhase, scope: RunScope) -> PhaseRun:
        try:
            return phase.begin(self.experiment, scope)
        except BaseException as error:
            # There is no execution yet that could tell the phase's own callbacks.
            show_error(
                error,
                in_order(phase.callbacks),
                self.experiment.inside_callback,
                experiment=self.experiment,
                phase=phase,
                exec_ctx=None,
            )
            raise

    @contextmanager
    def _watched(
        self,
        item: Item,
        kind: PhaseKind,
        spot: Spot,
        meta: PhaseExecutionMeta | PhaseGroupExecutionMeta,
        *,
        resumed: bool,
    ) -> Iterator[Outcome]:
        """Reporters hear of the beginning and, whatever happens, of the end."""
        spot.meta.add_child(meta)
        outcome = Outcome()
        try:
            self.tell("phase_started", item, path=spot.path, kind=kind, resumed=resumed)
            yield outcome
        except BaseException as error:
            outcome.fail(error)
            raise
        finally:
            meta.ended_at, meta.status = datetime.now(UTC), outcome.status
            if outcome.results is not None:
                spot.results.set_result(outcome.results)
            if outcome.status == "completed":
                self.active = None
                self.path, self.place = (*spot.path[:-1], spot.path[-1] + 1), spot.place[:-1]
            self.tell(
                "phase_ended",
                item,
                over=outcome.error,
                path=spot.path,
                status=outcome.status,
                results=outcome.results,
            )

    # Who looks on

    def tell(self, event: str, *args: Any, over: BaseException | None = None, **facts: Any) -> None:
        """Tell the reporters; `over` is an error on its way, on which a second one is noted."""
        for hear in overriding(self.reporters, event, Reporter):
            with _noting(over, hear):
                hear(*args, **facts)

    def _call_back(self, hook: str, *, over: BaseException | None = None, **facts: Any) -> None:
        """Call the experiment's callbacks, as `tell` tells the reporters."""
        if not self.observed:
            return
        for call in overriding(self.experiment.exp_callbacks, hook, ExperimentCallback):
            with _noting(over, call), self.experiment.inside_callback():
                call(experiment=self.experiment, **facts)

    def save(
        self, hook: str, label: str, ended: PhaseResults | PhaseGroupResults | None = None
    ) -> None:
        if not self.observed:
            return
        if ended is not None:
            self._check_monitored()
        measured = {} if ended is None else ended.last_metrics()
        self.experiment.save_at(hook, label, measured)

    def _check_monitored(self) -> None:
        """UnknownMetricError if nothing here logs what the best checkpoints are chosen by."""
        checkpointing = self.experiment.checkpointing
        if checkpointing is None or not checkpointing.best:
            return
        known = set(self.results.last_metrics())
        for item in self.items:
            for phase in item.flatten() if isinstance(item, PhaseGroup) else [item]:
                known.update(phase.metric_names)
        for metric in checkpointing.best:
            if metric not in known:
                raise UnknownMetricError(metric, known)

    def _folds_around(self, path: Path) -> Place:
        items = list(along(self.items, path))
        folds = (level for level, item in enumerate(items, 1) if item.kind == "fold")
        return tuple(item.label for item in items[: max(folds, default=0)])


@contextmanager
def _noting(error: BaseException | None, what: Any) -> Iterator[None]:
    """Keep a second error from hiding the first."""
    if error is None:
        yield
        return
    try:
        yield
    except Exception as second:  # noqa: BLE001 - the first error is the one to be seen
        error.add_note(f"{getattr(what, '__qualname__', what)} failed too: {second!r}")
