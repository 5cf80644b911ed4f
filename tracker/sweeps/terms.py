"""On which terms workers work: their share, their limits, and what is tried again."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tracker.errors import InvalidError
from tracker.pipelines.durations import parse_duration
from tracker.pipelines.yaml_values import parse_scalar
from tracker.registry.sweeps.queue import EVERYTHING, Share

TIMEOUT, STUCK = "timeout", "stuck"
# What no second attempt would change.
HOPELESS = "InvalidError"


@dataclass(frozen=True, kw_only=True)
class Retrying:
    """Which failed attempts are followed by another one, from the last checkpoint.

    `on` names classes of failures: those of exceptions (a base class counts for all of its
    own), `timeout` and `stuck`. Empty: all but a configuration that makes no sense.
    """

    attempts: int = 1  # in all
    on: Collection[str] = ()
    delay_s: float = 0.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise InvalidError(f"A trial has at least 1 attempt, not {self.attempts!r}.")

    def again(self, failures: int, classes: Sequence[str]) -> bool:
        """Whether one whose `failures`-th failure is of these classes is tried again."""
        if failures >= self.attempts:
            return False
        if self.on:
            return any(name in self.on for name in classes)
        return HOPELESS not in classes


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long things may take, in seconds; None: as long as they like."""

    trial_s: float | None = None  # one attempt of a trial
    silence_s: float | None = None  # without a word from a trial: log, checkpoint, a batch
    worker_s: float | None = None  # a worker, from its start
    # From being asked to stop until being killed.
    grace_s: float = 30.0

    def broken(self, now: float, began: float, last_sign: float) -> str | None:
        """The class of failure of an attempt that has passed a limit; times are monotonic."""
        if self.trial_s is not None and now - began > self.trial_s:
            return TIMEOUT
        if self.silence_s is not None and now - max(began, last_sign) > self.silence_s:
            return STUCK
        return None

    def words(self, failure: str) -> str:
        """Why an attempt with this failure was ended."""
        if failure == TIMEOUT:
            return f"time limit of {_seconds(self.trial_s)} for a trial"
        return f"no progress for {_seconds(self.silence_s)}"

    @property
    def hand_in_s(self) -> float | None:
        """From a worker's start until it is asked to stop, so that there is time to save."""
        if self.worker_s is None:
            return None
        return self.worker_s - self._last_s(self.worker_s)

    def patience_s(self, *, at_deadline: bool) -> float:
        """From being asked to stop until being killed: less where a worker's time is short."""
        if not at_deadline or self.worker_s is None:
            return self.grace_s
        return self._last_s(self.worker_s)

    def _last_s(self, worker_s: float) -> float:
        return min(self.grace_s, worker_s / 2)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What all workers of one command have in common."""

    share: Share = EVERYTHING
    retrying: Retrying = field(default_factory=Retrying)
    limits: Limits = field(default_factory=Limits)
    devices: Sequence[str] = ()
    threads: int | None = None
    # A worker whose trials fail so often in a row leaves: it may be what is wrong.
    most_failures: int | None = 10
    # A trial whose worker vanished so often is left alone: it may be what kills them.
    most_losses: int | None = 5
    # Whether to stay while others' trials, which may be lost or fail, run.
    wait: bool = True


def terms_of(  # noqa: PLR0913 - one word each, all of them by name
    *,
    split: str | Mapping[str, Any] | None = None,
    max_attempts: int = 1,
    retry_on: Collection[str] = (),
    retry_delay: str | float | None = None,
    time_limit: str | float | None = None,
    trial_time_limit: str | float | None = None,
    no_progress: str | float | None = None,
    grace: str | float | None = None,
    devices: Sequence[str] = (),
    threads: int | None = None,
    max_failures: int | None = 10,
    max_losses: int | None = 5,
    wait: bool = True,
) -> Terms:
    """The terms that people's words mean: `split="2/5"`, `time_limit="1h30m"`."""
    for name, value in (
        ("threads", threads),
        ("max_failures", max_failures),
        ("max_losses", max_losses),
    ):
        if value is not None and value < 1:
            raise InvalidError(f"{name} is at least 1, not {value!r}.")
    return Terms(
        share=share_of(split),
        retrying=Retrying(
            attempts=max_attempts, on=tuple(retry_on), delay_s=_duration(retry_delay) or 0.0
        ),
        limits=Limits(
            trial_s=_duration(trial_time_limit),
            silence_s=_duration(no_progress),
            worker_s=_duration(time_limit),
            grace_s=_duration(grace) or Limits.grace_s,
        ),
        devices=tuple(devices),
        threads=threads,
        most_failures=max_failures,
        most_losses=max_losses,
        wait=wait,
    )


def share_of(split: str | Mapping[str, Any] | None) -> Share:
    """`2/5` is every fifth trial from the second on; `opt=sgd,adam seed=1` is by values."""
    if split is None:
        return EVERYTHING
    if isinstance(split, Mapping):
        return Share(fields={name: _listed(value) for name, value in split.items()})
    parts = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", split)
    if parts is not None:
        part, of = int(parts[1]), int(parts[2])
        if not 1 <= part <= of:
            raise InvalidError(f"{split!r} is no part: the parts of {of} are 1/{of} to {of}/{of}.")
        return Share(part - 1, of)
    fields = {}
    for word in split.split():
        name, equals, values = word.partition("=")
        if not equals or not name or not values or '"' in name:
            raise InvalidError(
                f"{split!r} is no split; write 2/5, or values of fields: 'opt=sgd,adam seed=1'."
            )
        fields[name] = [
            parse_scalar(value, source=f"--split {split}") for value in values.split(",")
        ]
    if not fields:
        raise InvalidError("A split names a part, as 2/5, or values of fields.")
    return Share(fields=fields)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple | set) else [value]


def _duration(value: str | float | None) -> float | None:
    return None if value is None else parse_duration(value)


def _seconds(value: float | None) -> str:
    return f"{value:.4g} s"
