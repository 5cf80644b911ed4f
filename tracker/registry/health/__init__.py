"""What `labkeeper doctor` looks at."""

from tracker.registry.health.base import Finding, Severity
from tracker.registry.health.examination import examine, repair

__all__ = ["Finding", "Severity", "examine", "repair"]
