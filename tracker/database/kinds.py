"""The words that columns hold: what there are of statuses, axes, goals and the like."""

from enum import StrEnum


class RunStatus(StrEnum):
    """Where a run stands; a trial's and a phase result's too."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"  # asked to, or interrupted; can be resumed
    FAILED = "failed"  # the exception is kept; can be resumed
    LOST = "lost"  # its process vanished; can be resumed


class Axis(StrEnum):
    """What a series counts along."""

    STEP = "step"
    EPOCH = "epoch"


class PhaseKind(StrEnum):
    TRAIN = "train"
    FIT = "fit"
    EVAL = "eval"
    GROUP = "group"
    FOLD = "fold"


class CheckpointKind(StrEnum):
    STATE = "state"  # everything needed to go on
    BEST = "best"  # the weights of the best epoch
    MODEL = "model"  # fitted models, final weights


class Goal(StrEnum):
    """Whether a metric is better low or high."""

    MIN = "min"
    MAX = "max"


class ParamKind(StrEnum):
    """The type a parameter had; `json` holds lists and empty mappings."""

    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    STR = "str"
    NONE = "none"
    JSON = "json"
