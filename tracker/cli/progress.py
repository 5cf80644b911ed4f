"""Live progress of training, on stderr: a bar on a terminal, else a plain line per epoch."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tqdm import tqdm

from engine.phases.reporting import Path, PhaseKind, Reporter, RunStatus
from tracker.cli.app import say
from tracker.cli.cells import printable

# On a bar: more would push the bar itself off the line.
MOST_METRICS = 4
UNKNOWN_WIDTH = 100
# Neither per cent nor what has passed: the metrics need the room.
BAR = "{desc} |{bar}| {n_fmt}/{total_fmt} [{remaining}, {rate_fmt}{postfix}]"
UNKNOWN_END = "{desc} {n_fmt} [{elapsed}, {rate_fmt}{postfix}]"


def progress(name: str, metrics: Sequence[str] = ()) -> "Progress":
    """The reporter that fits what stderr is; `metrics` are the ones to show, else all."""
    return ProgressBar(name, metrics) if sys.stderr.isatty() else ProgressLines(name, metrics)


class Reporting:
    """Makes the reporters of each pipeline, in whichever process it is trained.

    Of several at a time each tells in lines: their bars would draw over each other.
    """

    def __init__(self, metrics: Sequence[str] = (), *, lines: bool = False) -> None:
        self.metrics = tuple(metrics)
        self.lines = lines

    def __call__(self, name: str) -> list[Reporter]:
        if self.lines:
            return [ProgressLines(name, self.metrics)]
        return [progress(name, self.metrics)]


class Progress(Reporter):
    """Gathers an epoch's metrics, and says at the end which chosen one nobody logged."""

    def __init__(self, name: str, metrics: Sequence[str] = ()) -> None:
        self.name = printable(name)
        self.chosen = tuple(metrics)
        self.seen: set[str] = set()
        self.values: dict[str, float] = {}
        self.label = ""
        self.epochs: int | None = None
        self._on = True

    def counted(self, epoch: int) -> str:
        """`epoch 2 (3 of 20)`: its number, as histories have it, and how many it makes."""
        return f"epoch {epoch}" + (f" ({epoch + 1} of {self.epochs})" if self.epochs else "")

    def phase_started(self, phase: Any, *, path: Path, kind: PhaseKind, resumed: bool) -> None:  # noqa: ARG002 - the contract
        self.values = {}
        self.label = printable(phase.label)
        self.epochs = getattr(phase, "n_epochs", None)

    def metrics(
        self,
        values: dict[str, Any],
        *,
        path: Path,  # noqa: ARG002 - the contract
        epoch: int | None,  # noqa: ARG002 - the contract
        batch: int | None,
        step: int,  # noqa: ARG002 - the contract
    ) -> None:
        if batch is None:
            self.seen |= values.keys()
            self.values |= {name: float(value) for name, value in values.items()}

    def run_ended(self, experiment: Any, *, status: RunStatus, error: BaseException | None) -> None:  # noqa: ARG002 - the contract
        if status != "completed" or not self.seen:
            return
        from tracker.pipelines.logged import unlogged

        for name in self.chosen:
            if name not in self.seen:
                self.draw(partial(say, unlogged(name, self.seen)))

    def shown(self) -> dict[str, str]:
        """The chosen metrics, or all, as text."""
        names = self.chosen or tuple(self.values)
        return {name: f"{self.values[name]:.4g}" for name in names if name in self.values}

    def draw(self, drawing: Callable[[], object]) -> None:
        """Draws, as long as anybody can see it: a terminal that is gone must stop no training."""
        if not self._on:
            return
        try:
            drawing()
        except OSError:
            self._on = False


class ProgressLines(Progress):
    """`mlp  train  epoch 2 (3 of 20)  train_loss 0.231  val_loss 0.198  (412 batches/s)`."""

    def __init__(self, name: str, metrics: Sequence[str] = ()) -> None:
        super().__init__(name, metrics)
        self._step = 0
        self._began = time.monotonic()

    def phase_started(self, phase: Any, *, path: Path, kind: PhaseKind, resumed: bool) -> None:
        super().phase_started(phase, path=path, kind=kind, resumed=resumed)
        self._began = time.monotonic()

    def epoch_ended(self, *, path: Path, epoch: int, step: int) -> None:  # noqa: ARG002 - the contract
        speed = (step - self._step) / max(time.monotonic() - self._began, 1e-9)
        self._say(self.counted(epoch), f"({speed:.0f} batches/s)" if self._step else "")
        self.values = {}
        self._step, self._began = step, time.monotonic()

    def phase_ended(self, phase: Any, *, path: Path, status: RunStatus, results: Any) -> None:  # noqa: ARG002 - the contract
        if self.shown():
            self.label = printable(phase.label)
            self._say(status)
        self.values = {}

    def _say(self, *words: str) -> None:
        metrics = [f"{name} {value}" for name, value in self.shown().items()]
        line = "  ".join(filter(None, [self.name, self.label, words[0], *metrics, *words[1:]]))
        self.draw(lambda: say(line))


class ProgressBar(Progress):
    """One bar a phase, over its batches; the epoch and the metrics stand beside it."""

    def __init__(self, name: str, metrics: Sequence[str] = ()) -> None:
        super().__init__(name, metrics)
        self._bar: tqdm[Any] | None = None
        self._batches: int | None = None

    def phase_started(self, phase: Any, *, path: Path, kind: PhaseKind, resumed: bool) -> None:
        super().phase_started(phase, path=path, kind=kind, resumed=resumed)
        self._batches = None

    def batch_ended(self, *, path: Path, epoch: int, batch: int, step: int) -> None:  # noqa: ARG002 - the contract
        self.draw(lambda: self._advance(epoch, batch))

    def epoch_ended(self, *, path: Path, epoch: int, step: int) -> None:  # noqa: ARG002 - the contract
        self.draw(lambda: self._finish_epoch(epoch))
        self.values = {}

    def phase_ended(self, phase: Any, *, path: Path, status: RunStatus, results: Any) -> None:  # noqa: ARG002 - the contract
        self.draw(lambda: self._close(printable(phase.label), status))

    def _words(self, epoch: int) -> str:
        return f"{self.name} {self.label} {self.counted(epoch)}"

    def _advance(self, epoch: int, batch: int) -> None:
        if self._bar is None:
            self._bar = tqdm(
                desc=self._words(epoch),
                unit="batch",
                bar_format=UNKNOWN_END,
                file=sys.stderr,
                **_width(),
            )
            self._start_at(batch)
        done = epoch * (self._batches or 0) + batch + 1
        self._bar.update(done - self._bar.n)

    def _finish_epoch(self, epoch: int) -> None:
        """After the first epoch the number of batches is known, and so is the end."""
        if self._bar is None:
            return
        if self._batches is None:
            self._batches = int(self._bar.n)
            self._start_at((epoch + 1) * self._batches)
            if self.epochs:
                self._bar.total = self._batches * self.epochs
                self._bar.bar_format = BAR
        if epoch + 1 != self.epochs:
            self._bar.set_description_str(self._words(epoch + 1), refresh=False)
        self._show_metrics(self._bar)
        self._bar.refresh()

    def _show_metrics(self, bar: "tqdm[Any]") -> None:
        """As many as there is room for: a number that is cut off would be another number."""
        shown = list(self.shown().items())[:MOST_METRICS]
        bar.set_postfix(dict(shown), refresh=False)
        while shown and _needed(bar) > (bar.format_dict["ncols"] or UNKNOWN_WIDTH):
            shown.pop()
            bar.set_postfix(dict(shown), refresh=False)

    def _start_at(self, batches: int) -> None:
        """Counts from here: what an earlier session did is no part of the speed."""
        if self._bar is not None:
            self._bar.initial += batches - self._bar.n
            self._bar.n = self._bar.last_print_n = batches

    def _close(self, label: str, status: RunStatus) -> None:
        """A phase that had no bar says what it measured in a line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        elif self.shown():
            metrics = [f"{name} {value}" for name, value in self.shown().items()]
            say("  ".join([self.name, label, status, *metrics]))
        self.values = {}


def _needed(bar: "tqdm[Any]") -> int:
    """The columns of the line when the bar itself has given up all but one of its ten."""
    return len(bar.format_meter(**({**bar.format_dict, "ncols": None}))) - 9


def _width() -> dict[str, Any]:
    """As wide as the terminal is at any time; some say that they are 0 columns wide."""
    try:
        known = os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except OSError:
        known = False
    return {"dynamic_ncols": True} if known else {"ncols": UNKNOWN_WIDTH}
