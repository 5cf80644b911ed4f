"""Which checkpoints of a run stay, and the others removed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from tracker.database.kinds import Axis, CheckpointKind, Goal
from tracker.database.tables import Checkpoint, Metric, Run, Series
from tracker.errors import DamagedFileError, InvalidError, NotFoundError
from tracker.files import LabFiles, StoredFile
from tracker.filters.goals import goal_of
from tracker.registry.checkpoints import checkpoints_of, retire
from tracker.registry.details import metric_names
from tracker.registry.keeping.change import Change
from tracker.registry.keeping.choosing import Chosen, refuse_running, run_label
from tracker.registry.keeping.holdings import sizes_of
from tracker.registry.keeping.leftovers import note_leftovers


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Which states of a run stay: whatever one of the rules keeps.

    The `last` ones, which training goes on from (0: not even one); of each metric in `best`
    the `top` best; the one after each `every`-th epoch. What is pinned stays anyway, and so do
    models, the newest file of best weights, and those that a state which stays goes on from.
    """

    last: int = 1
    best: str | Sequence[str] = ()
    top: int = 1
    every: int | None = None

    @property
    def metrics(self) -> Sequence[str]:
        return [self.best] if isinstance(self.best, str) else self.best

    def __post_init__(self) -> None:
        for name, value, least in (
            ("last", self.last, 0),
            ("top", self.top, 1),
            ("every", self.every, 1),
        ):
            if value is not None and value < least:
                raise InvalidError(f"{name!r} of what is kept is at least {least}, not {value!r}.")


def prune(session: Session, files: LabFiles, chosen: Chosen, policy: Retention) -> Change:
    """Removes the checkpoints of these runs that the policy does not keep, or none.

    Their files are written down; `delete_leftovers` deletes them once this is committed. A
    state whose file is damaged or missing does not count as one to go on from. StateError if a
    run is running, NotFoundError for a metric that none of the runs has.
    """
    refuse_running(session, chosen, "prune")
    goals = _goals(session, chosen, policy.metrics)
    runs: list[str] = []
    names: list[str] = []
    paths: list[str] = []
    for run in chosen.all_runs:
        before = checkpoints_of(session, run.id)
        unwanted = _unwanted(session, files, run, policy, goals)
        gone = retire(session, run.id, unwanted, to_the_last=policy.last == 0)
        if gone:
            runs.append(run_label(session, run))
            names += [f"{runs[-1]} {row.name}" for row in before if row.removed is not None]
            paths += gone
    note_leftovers(session, paths)
    sizes = sizes_of(files, paths)
    return Change([], runs, len(sizes), sum(sizes.values()), checkpoints=tuple(names))


def _unwanted(
    session: Session, files: LabFiles, run: Run, policy: Retention, goals: dict[str, Goal]
) -> set[int]:
    """The states that no rule keeps, and older files of best weights."""
    states = checkpoints_of(session, run.id, CheckpointKind.STATE)
    kept = _last(files, states, policy.last)
    if policy.every is not None:
        kept |= {row.id for row in states if _ends_epoch(row, policy.every)}
    for metric, goal in goals.items():
        values = _values(session, run.id, metric, states)
        kept |= set(_best(values, goal)[: policy.top])
    weights = checkpoints_of(session, run.id, CheckpointKind.BEST)
    return {row.id for row in states} - kept | {row.id for row in weights[1:]}


def _last(files: LabFiles, states: Sequence[Checkpoint], number: int) -> set[int]:
    """So many of the newest that training can go on from, and those above them that it cannot."""
    kept: set[int] = set()
    sound = 0
    for row in states:
        if sound == number:
            break
        if row.abandoned is None:
            kept.add(row.id)
            sound += _is_sound(files, row)
    return kept


def _is_sound(files: LabFiles, row: Checkpoint) -> bool:
    try:
        files.verify(StoredFile(row.path, row.bytes, row.sha256))
    except (DamagedFileError, InvalidError):
        return False
    return True


def _ends_epoch(row: Checkpoint, every: int) -> bool:
    return row.batch is None and row.epoch is not None and (row.epoch + 1) % every == 0


def _best(values: dict[int, float], goal: Goal) -> list[int]:
    """Ids from the best to the worst; of equals, the one that came first."""
    sign = 1 if goal is Goal.MIN else -1
    return sorted(values, key=lambda id_: (sign * values[id_], id_))


def _values(
    session: Session, run_id: int, metric: str, states: Collection[Checkpoint]
) -> dict[int, float]:
    """The metric where each state was saved, if it is known and a number."""
    found: dict[int, float] = {}
    for row in states:
        value = row.value if row.metric == metric else _logged(session, run_id, metric, row)
        if value is not None:  # as NaN is stored, too
            found[row.id] = value
    return found


def _logged(session: Session, run_id: int, metric: str, row: Checkpoint) -> float | None:
    """What was logged at the state's step, or for the epoch whose end it is."""
    same_epoch = and_(Series.axis == Axis.EPOCH, Metric.epoch == row.epoch)
    here = Metric.step == row.step
    return session.scalars(
        select(Metric.value)
        .join(Series, Series.id == Metric.series_id)
        .where(
            Series.run_id == run_id,
            Series.name == metric,
            or_(here, same_epoch) if row.batch is None else here,
        )
        .order_by((Series.phase_result_id == row.phase_result_id).desc(), Series.axis, here.desc())
        .limit(1)
    ).first()


def _goals(session: Session, chosen: Chosen, metrics: Sequence[str]) -> dict[str, Goal]:
    if not metrics:
        return {}
    known = metric_names(session, [run.id for run in chosen.all_runs])
    goals: dict[str, Goal] = {}
    for metric in metrics:
        if metric not in known:
            raise NotFoundError("metric", metric, known)
        goal = goal_of(session, metric)
        if goal is None:
            raise InvalidError(
                f"Is {metric!r} better low or high? Say `labkeeper goal {metric} max` (or min) "
                "once."
            )
        goals[metric] = goal
    return goals
