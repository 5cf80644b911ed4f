"""Comparing our code with the bare thing, side by side in one process.

Both sides run in turn, so that a busy machine slows both; the figure is the median.
"""

import gc
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

UNITS = ((1e-6, 1e9, "ns"), (1e-3, 1e6, "us"), (1.0, 1e3, "ms"), (float("inf"), 1.0, "s"))


@dataclass(frozen=True)
class Row:
    """One line of the report. Seconds, unless `unit` says otherwise."""

    name: str
    ours: float
    bare: float | None = None  # None: the budget is an absolute amount
    budget: float | None = None  # a ratio to `bare`, or an amount; None: for information
    unit: str = "time"

    @property
    def ratio(self) -> float | None:
        return self.ours / self.bare if self.bare else None

    @property
    def held(self) -> bool:
        """Whether the budget was kept; a row without one always holds."""
        if self.budget is None:
            return True
        return (self.ours if self.ratio is None else self.ratio) <= self.budget


def compare(
    name: str,
    ours: Callable[[], object],
    bare: Callable[[], object],
    budget: float | None,
    *,
    repeat: int = 7,
    number: int = 1,
    warmup: int = 1,
    before: Callable[[], object] = lambda: None,
) -> Row:
    """The median time of one call of `ours` against one of `bare`; `budget` is the ratio allowed.

    Each of `repeat` rounds times `number` calls of both, and which goes first alternates. `before`
    is called, untimed, before each of the two.
    """
    for call in (ours, bare) * warmup:
        before()
        call()
    times: dict[Callable[[], object], list[float]] = {ours: [], bare: []}
    with _collector_off():
        for turn in range(repeat):
            for call in (ours, bare) if turn % 2 else (bare, ours):
                before()
                times[call].append(_seconds(call, number))
    return Row(name, median(times[ours]), median(times[bare]), budget)


def latencies(
    name: str,
    ours: Callable[[int], object],
    bare: Callable[[int], object],
    budget: float | None,
    *,
    calls: int = 10_000,
    block: int = 500,
) -> list[Row]:
    """Median and 99th percentile of single calls; each gets its number as argument."""
    times: dict[Callable[[int], object], list[float]] = {ours: [], bare: []}
    with _collector_off():
        for start in range(0, calls, block):
            for call in (bare, ours):
                times[call] += _each(call, range(start, start + block))
    return [
        Row(f"{name}, {label}", _quantile(times[ours], q), _quantile(times[bare], q), budget)
        for label, q in (("median", 0.5), ("p99", 0.99))
    ]


def absolute(
    name: str, ours: Callable[[], object], budget: float | None, *, repeat: int = 7, warmup: int = 1
) -> Row:
    """The median time of one call against a number of seconds."""
    for _ in range(warmup):
        ours()
    with _collector_off():
        return Row(name, median(_seconds(ours, 1) for _ in range(repeat)), budget=budget)


def report(rows: Iterable[Row], title: str = "") -> bool:
    """Print the rows as a Markdown table; whether every budget was kept."""
    rows = list(rows)
    cells = [("what", "ours", "bare", "ratio", "budget", "")]
    cells += [_cells(row) for row in rows]
    widths = [max(len(line[place]) for line in cells) for place in range(len(cells[0]))]
    if title:
        print(f"\n### {title}\n")
    for place, line in enumerate(cells):
        print(
            "| "
            + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            + " |"
        )
        if place == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return all(row.held for row in rows)


def _cells(row: Row) -> tuple[str, ...]:
    budget, ratio = "", ""
    if row.ratio is not None:
        ratio = f"{row.ratio:.2f}x"
        budget = "" if row.budget is None else f"{row.budget:g}x"
    elif row.budget is not None:
        budget = _amount(row.budget, row.unit)
    bare = "" if row.bare is None else _amount(row.bare, row.unit)
    verdict = "" if row.budget is None else ("kept" if row.held else "MISSED")
    return (row.name, _amount(row.ours, row.unit), bare, ratio, budget, verdict)


def _amount(value: float, unit: str) -> str:
    if unit != "time":
        return f"{value:.4g} {unit}"
    for limit, factor, suffix in UNITS:
        if value < limit:
            return f"{value * factor:.3g} {suffix}"
    return f"{value:.3g} s"


def _seconds(call: Callable[[], object], number: int) -> float:
    started = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - started) / number


def _each(call: Callable[[int], object], numbers: Iterable[int]) -> list[float]:
    times = []
    for number in numbers:
        started = time.perf_counter()
        call(number)
        times.append(time.perf_counter() - started)
    return times


def _quantile(times: list[float], quantile: float) -> float:
    return sorted(times)[int(len(times) * quantile)]


@contextmanager
def _collector_off() -> Iterator[None]:
    # A collection in the middle would be charged to whoever happened to run.
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
