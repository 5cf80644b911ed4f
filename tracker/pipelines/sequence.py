"""Training several pipelines, one after the other."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tracker.database.kinds import RunStatus
from tracker.errors import InvalidError
from tracker.pipelines.durations import parse_duration
from tracker.pipelines.outcome import Outcome
from tracker.pipelines.pipeline import Pipeline
from tracker.recording.place import Place

if TYPE_CHECKING:
    from engine.phases.reporting import Reporter


def train_all(
    place: Place,
    names: Sequence[str],
    *,
    resume: bool = False,
    time_limit: str | float | None = None,
    reporters: "Callable[[str], Sequence[Reporter]] | None" = None,
    ended: Callable[[Outcome], object] | None = None,
    **options: Any,
) -> list[Outcome]:
    """Trains each pipeline as `Pipeline.train`, or with `resume` as that; returns how each ended.

    Every name is looked up before the first one is trained. One that fails does not keep the
    next from being trained. What was to come after a Ctrl-C, or after the time limit, which
    is for all together, is left out. What failed is raised at the end, a single error as it
    is; with `ended`, called after each, it is only in the outcomes.
    """
    if not names or isinstance(names, str):
        raise InvalidError("Name the pipelines to train in a list.")
    pipelines = [Pipeline(place, name) for name in dict.fromkeys(names)]
    seconds = None if time_limit is None else parse_duration(time_limit)
    began, outcomes = time.monotonic(), []
    for pipeline in pipelines:
        if seconds is not None:
            options["time_limit"] = max(seconds - (time.monotonic() - began), 0.001)
        listeners = () if reporters is None else reporters(pipeline.name)
        outcome = _trained(pipeline, resume=resume, reporters=listeners, **options)
        outcomes.append(outcome)
        if ended is not None:
            ended(outcome)
        if outcome.interrupted or (seconds is not None and time.monotonic() - began >= seconds):
            break
    if ended is None:
        _raise_failures(outcomes)
    return outcomes


def _trained(pipeline: Pipeline, *, resume: bool, **options: Any) -> Outcome:
    try:
        return pipeline.resume(**options) if resume else pipeline.train(**options)
    except Exception as error:  # noqa: BLE001 - it is in the outcome, and recorded on the run
        return Outcome(pipeline.name, pipeline.run, RunStatus.FAILED, error=error)


def _raise_failures(outcomes: Sequence[Outcome]) -> None:
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        failed = ", ".join(outcome.pipeline for outcome in outcomes if outcome.error is not None)
        raise ExceptionGroup(f"These pipelines failed: {failed}", errors)
