"""Looking at everything, and putting right what can be put right safely."""

from collections.abc import Collection

from sqlalchemy.orm import Session

from tracker.files import LabFiles
from tracker.registry.health import place, processes, rows, stored, trash
from tracker.registry.health.base import Check, Finding

INTEGRITY, *OTHER_ROWS = rows.CHECKS
# In an order in which each repair leaves nothing for an earlier one to do.
CHECKS = [*OTHER_ROWS, *processes.CHECKS, *trash.CHECKS, *stored.CHECKS]


def examine(session: Session, files: LabFiles, *, skip: Collection[str] = ()) -> list[Finding]:
    """Everything that is not as it should be, the gravest first; changes nothing.

    `damaged-files` reads every registered file; `skip` leaves checks out by name. Of a
    database that is damaged itself, only that is said.
    """
    checks: list[Check] = [*place.CHECKS, INTEGRITY]
    found = _run(checks, session, files, skip)
    if not any(finding.check == INTEGRITY.name for finding in found):
        found += _run(CHECKS, session, files, skip)
    gravest_first = ["error", "warning", "note"]
    return sorted(found, key=lambda finding: gravest_first.index(finding.severity))


def repair(session: Session, files: LabFiles, findings: Collection[Finding]) -> list[Finding]:
    """Puts right those of the findings that have a cure; returns them.

    `session` must be one that writes. What changed since it was found, is looked at again.
    """
    curable = [finding for finding in findings if finding.cure is not None]
    names = {finding.check for finding in curable}
    for check in (*CHECKS, *place.CHECKS):
        if check.name in names and check.fix is not None:
            check.fix(session, files)
            session.flush()
    return curable


def _run(
    checks: Collection[Check], session: Session, files: LabFiles, skip: Collection[str]
) -> list[Finding]:
    return [
        finding
        for check in checks
        if check.name not in skip
        for finding in check.find(session, files)
    ]
