"""Which metrics a training logs, so that one that was asked for in vain can be named."""

from collections.abc import Iterable
from typing import Any

from engine.phases.reporting import Reporter
from tracker.errors import did_you_mean


class Logged(Reporter):
    """Notes the names of what is logged for a whole epoch, or of a phase without any."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def metrics(
        self,
        values: dict[str, Any],
        *,
        path: tuple[int, ...],  # noqa: ARG002 - the contract
        epoch: int | None,  # noqa: ARG002 - the contract
        batch: int | None,
        step: int,  # noqa: ARG002 - the contract
    ) -> None:
        if batch is None:
            self.names |= values.keys()

    def missing(self, chosen: Iterable[str]) -> list[str]:
        """A line for each of these that nobody logged, with the nearest that somebody did."""
        return [unlogged(name, self.names) for name in chosen if name not in self.names]


def unlogged(name: str, logged: Iterable[str]) -> str:
    """What to say of a metric that was chosen and that nobody logged."""
    known = sorted(logged)
    hint = did_you_mean(name, known) or f" Logged were: {', '.join(known) or 'none'}."
    return f"Nobody logged the metric {name!r}.{hint}"
