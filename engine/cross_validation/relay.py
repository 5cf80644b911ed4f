"""What happens in a fold of another process, told to this one."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.phases.reporting import Path, PhaseKind, Reporter, RunStatus, overriding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.cross_validation.standing import Standing
    from engine.phases.snapshot import Snapshot

# So long events wait for others to be sent with, and so many at most.
HOLD_S, MOST_HELD = 0.05, 256
# So often a fold says how it stands, where somebody writes checkpoints.
STANDING_EVERY_S = 5.0


class Event(NamedTuple):
    """One call of a Reporter's method; `step` counts the steps of this fold till then.

    A fold's events depend on nothing but the fold, so that their numbers tell which of them have
    been heard before.
    """

    name: str
    path: Path
    step: int
    facts: Mapping[str, Any]
    # When it happened, in nanoseconds since 1970.
    at: int


@dataclass(frozen=True)
class Wanted:
    """What the listeners in the other process want to hear of."""

    batch_metrics: bool
    batch_ends: bool
    standings: bool

    @classmethod
    def of(cls, reporters: "Iterable[Reporter]", *, saving: bool) -> "Wanted":
        listeners = list(reporters)
        wanting = [one for one in listeners if one.wants_batch_metrics]
        ends = bool(overriding(listeners, "batch_ended", Reporter))
        return cls(
            batch_metrics=bool(overriding(wanting, "metrics", Reporter)),
            batch_ends=ends,
            standings=saving
            or ends
            or any(overriding(listeners, one, Reporter) for one in ("epoch_ended", "phase_done")),
        )


class Relay(Reporter):
    """Hears a fold where it runs, and passes on what was not heard before it was interrupted."""

    def __init__(
        self,
        experiment: Any,
        wanted: Wanted,
        *,
        number: int,
        first_step: int,
        send: Callable[[list[Event], "Standing | None"], None],
        stand: Callable[[int], "Standing"],
    ) -> None:
        """The next event has this number; `stand` gives the fold's state after that many."""
        self.number = number
        # The phases that began and did not end, the outermost first.
        self.unfinished: list[tuple[Path, RunStatus]] = []
        self.wants_batch_metrics = wanted.batch_metrics
        self._experiment = experiment
        self._first_step = first_step
        self._send = send
        self._stand = stand if wanted.standings else None
        self._held: list[Event] = []
        self._phase: Any = None
        # The best weights that were sent last, by the callbacks that keep them.
        self._snapshots: dict[str, Snapshot] = {}
        self._sent = self._stood = time.monotonic()
        if wanted.batch_ends:
            # Nobody's otherwise, so that it costs no step anything.
            self.batch_ended = self._batch_ended  # type: ignore[method-assign]  # as said

    def phase_started(self, phase: Any, *, path: Path, kind: PhaseKind, resumed: bool) -> None:  # noqa: ARG002 - a Reporter's
        self._phase, self._snapshots = phase, {}
        if not resumed:
            self._add("phase_started", path)

    def phase_ended(self, phase: Any, *, path: Path, status: RunStatus, results: Any) -> None:
        if status == "completed":
            self._hold("phase_ended", path, results=results)
            if not self._stands_after(phase):
                self.flush()
        else:
            self.unfinished.insert(0, (path, status))

    def phase_done(self, phase: Any, *, path: Path) -> None:  # noqa: ARG002 - a Reporter's
        if self._stands_after(phase):
            # Together with its end: a checkpoint that is written then does not run it again.
            self.flush(stand=True)

    def _stands_after(self, phase: Any) -> bool:
        # The end of an epoch says how a training stands.
        return self._stand is not None and getattr(phase, "is_pass", False)

    def metrics(
        self,
        values: Mapping[str, Any],
        *,
        path: Path,
        epoch: int | None,
        batch: int | None,
        step: int,  # noqa: ARG002 - a Reporter's
    ) -> None:
        self._add("metrics", path, values=dict(values), epoch=epoch, batch=batch)

    def _batch_ended(self, *, path: Path, epoch: int, batch: int, step: int) -> None:  # noqa: ARG002 - a Reporter's
        self._add("batch_ended", path, epoch=epoch, batch=batch)

    def epoch_ended(self, *, path: Path, epoch: int, step: int) -> None:  # noqa: ARG002 - a Reporter's
        self._add("epoch_ended", path, epoch=epoch, **self._new_snapshots())
        if self._stand is not None and time.monotonic() - self._stood >= STANDING_EVERY_S:
            self.flush(stand=True)

    def _new_snapshots(self) -> dict[str, Any]:
        """The best weights that are others than before, for the checkpoints of this epoch."""
        if self._stand is None:
            return {}
        kept = {one.state_key: one.get_snapshot() for one in self._phase.callbacks}
        new = {
            key: snapshot
            for key, snapshot in kept.items()
            if snapshot is not None and snapshot is not self._snapshots.get(key)
        }
        self._snapshots.update(new)
        return {"snapshots": new} if new else {}

    def _add(self, name: str, path: Path, **facts: Any) -> None:
        self._hold(name, path, **facts)
        if len(self._held) >= MOST_HELD or time.monotonic() - self._sent >= HOLD_S:
            self.flush()

    def _hold(self, name: str, path: Path, **facts: Any) -> None:
        step = self._experiment.step - self._first_step
        self._held.append(Event(name, path, step, facts, time.time_ns()))
        self.number += 1

    def flush(self, *, stand: bool = False) -> None:
        """Send what is held, and with it how the fold stands now."""
        standing = None
        if stand and self._stand is not None:
            standing, self._stood = self._stand(self.number), time.monotonic()
        if self._held or standing is not None:
            held, self._held = self._held, []
            self._send([_in_numbers(event) for event in held], standing)
        self._sent = time.monotonic()


def _in_numbers(event: Event) -> Event:
    """Without tensors, which may be on a device: reading one waits for it."""
    if event.name != "metrics":
        return event
    values = {name: float(value) for name, value in event.facts["values"].items()}
    return event._replace(facts={**event.facts, "values": values})
