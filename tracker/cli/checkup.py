"""What `doctor` found, as a table and as a verdict."""

from collections.abc import Sequence
from typing import NamedTuple

from tracker.cli.cells import counted
from tracker.cli.output import Table
from tracker.registry.health import Finding, Severity


class Summary(NamedTuple):
    """Whether the lab is well, in one sentence."""

    is_well: bool
    words: str


def table_of(findings: Sequence[Finding], *, repaired: bool) -> Table:
    """A row per finding; the last column says what a repair does about it, or has done."""
    return Table(
        ["severity", "check", "message", "repaired" if repaired else "repair"],
        [(one.severity, one.check, one.message, one.cure) for one in findings],
    )


def summary_of(findings: Sequence[Finding], *, repaired: bool) -> Summary:
    """What is left of the findings; notes are no fault."""
    faults = [finding for finding in findings if finding.severity is not Severity.NOTE]
    curable = [finding for finding in faults if finding.cure is not None]
    left = len(faults) - len(curable) if repaired else len(faults)
    if left == 0:
        done = f" {counted(len(curable), 'fault')} put right." if repaired and curable else ""
        return Summary(is_well=True, words=f"The lab is in order.{done}")
    hint = "" if repaired or not curable else " `labkeeper doctor --repair` puts right what it can."
    return Summary(is_well=False, words=f"{counted(left, 'fault')} found.{hint}")
