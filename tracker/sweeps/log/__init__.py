"""What came out of a sweep, as a table."""

from tracker.sweeps.log.experiment_log import ExperimentLog
from tracker.sweeps.log.merging import MergeRules
from tracker.sweeps.log.run_info import RunInfo

__all__ = ["ExperimentLog", "MergeRules", "RunInfo"]
