"""Training several pipelines, one after the other or side by side."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from tracker.errors import InvalidError
from tracker.pipelines.durations import parse_duration
from tracker.pipelines.outcome import Outcome
from tracker.pipelines.pipeline import Pipeline
from tracker.pipelines.side_by_side import Asked, Reporters, SideBySide, trained
from tracker.recording.place import Place


def train_all(
    place: Place,
    names: Sequence[str],
    *,
    resume: bool = False,
    time_limit: str | float | None = None,
    reporters: Reporters | None = None,
    ended: Callable[[Outcome], object] | None = None,
    workers: int = 1,
    threads: int | None = None,
    **options: Any,
) -> list[Outcome]:
    """Trains each pipeline as `Pipeline.train`, or with `resume` as that; returns how each ended.

    Every name is looked up before the first one is trained. One that fails does not keep the
    next from being trained. What was to come after a Ctrl-C, or after the time limit, which
    is for all together, is left out. What failed is raised at the end, a single error as it
    is; with `ended`, called after each, it is only in the outcomes.

    With several `workers`, so many are trained at a time, each in a process of its own, and one
    that is killed is in the outcomes too. They share the cores, unless `threads` says how many
    each may use.
    """
    if not names or isinstance(names, str):
        raise InvalidError("Name the pipelines to train in a list.")
    pipelines = [Pipeline(place, name) for name in dict.fromkeys(names)]
    if workers < 1:
        raise InvalidError(f"Pipelines are trained by at least 1 worker, not {workers!r}.")
    if workers == 1 and threads is not None:
        raise InvalidError("threads is for several workers; in this process torch has its own.")
    seconds = None if time_limit is None else parse_duration(time_limit)
    asked = Asked(place.root, resume, threads, reporters, options)
    if workers == 1:
        outcomes = _one_by_one(pipelines, asked, seconds=seconds, ended=ended)
    else:
        found = [pipeline.name for pipeline in pipelines]
        outcomes = SideBySide(
            place, found, workers, seconds=seconds, ended=ended, asked=asked
        ).run()
    if ended is None:
        _raise_failures(outcomes)
    return outcomes


def _one_by_one(
    pipelines: Sequence[Pipeline],
    asked: Asked,
    *,
    seconds: float | None,
    ended: Callable[[Outcome], object] | None,
) -> list[Outcome]:
    began, outcomes, options = time.monotonic(), [], dict(asked.options)
    for pipeline in pipelines:
        if seconds is not None:
            options["time_limit"] = max(seconds - (time.monotonic() - began), 0.001)
        if asked.reporters is not None:
            options["reporters"] = asked.reporters(pipeline.name)
        outcome = trained(pipeline, resume=asked.resume, **options)
        outcomes.append(outcome)
        if ended is not None:
            ended(outcome)
        if outcome.interrupted or (seconds is not None and time.monotonic() - began >= seconds):
            break
    return outcomes


def _raise_failures(outcomes: Sequence[Outcome]) -> None:
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        failed = ", ".join(outcome.pipeline for outcome in outcomes if outcome.error is not None)
        raise ExceptionGroup(f"These pipelines failed: {failed}", errors)
