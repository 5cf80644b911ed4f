"""What can go wrong in an experiment, in words a user can act on.

EngineError
    ContextError                no active context, a label that is taken, a node of the wrong type
        NoActiveContextError        (also a RuntimeError)
        LabelTakenError             (also a ValueError)
        UnknownLabelError           (also a KeyError and a ValueError)
        ResolutionError             a reference that leads to nothing
    DataError                   data that cannot become or leave a feature set (also a ValueError)
    ScalerError                 a scaler that is not fitted yet (also a RuntimeError)
        NotInvertibleError          a scaler that has no way back (also a NotImplementedError)
    GraphError                  nodes that do not fit together (also a ValueError)
        FrozenNodeError             a frozen node that is to learn (also a RuntimeError)
    BackendMismatchError        parts of different backends in one place (also a ValueError)
    LossError                   a loss that is wrongly defined or whose inputs do not fit (also a
                                ValueError)
    ModelError                  a model that cannot be wrapped, built or fitted (also a ValueError)
    OptimizerError              a wrongly defined optimizer or scheduler (also a ValueError)
        OptimizerNotSetError        something is to be trained, and no optimizer can do it (also a
                                    RuntimeError)
    PhaseError                  a phase that is wrongly put together (also a ValueError)
        UnknownMetricError          a monitored metric that nobody logs (also a KeyError)
        UnknownFlagError            a flag that no phase knows (also a TypeError)
    FoldError                   a fold whose process ended, or whose results cannot leave it (also a
                                RuntimeError)
    NonFiniteLossError          a loss became NaN or infinite
    CheckpointError             a checkpoint that is missing or does not fit (also a ValueError)
    FileFormatError             a saved file that is damaged, foreign or of a newer version
        NoCheckpointError           a whole file that is no checkpoint (also a TypeError)
        UntrustedTypesError         a saved estimator of types that are not known to be safe
    UnsavableError              a value that no saved file can hold (also a TypeError)
    PackagedCodeError           saved code that may not run, or cannot be saved
"""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The sentence that suggests the nearest known name, or lists the known ones."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    return f" Did you mean {close[0]!r}?" if close else _listed(names)


def nearest_and_known(name: str, known: Iterable[str]) -> str:
    """The same for names that users make up and forget: what there is is listed in any case."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return hint if hint and len(names) == 1 else hint + _listed(names)


def _listed(names: list[str]) -> str:
    return f" Known: {', '.join(names)}." if names else ""


class EngineError(Exception):
    """Something in the experiment's definition, data or files that its author can put right."""


class ContextError(EngineError):
    """What concerns the register of nodes."""


class NoActiveContextError(ContextError, RuntimeError):
    """No experiment context is active."""


class LabelTakenError(ContextError, ValueError):
    """A node with this label is registered already."""


class UnknownLabelError(ContextError, KeyError, ValueError):
    """No node, phase, split, column or role has this label; suggests the nearest that exists."""

    def __init__(self, kind: str, label: str, known: Iterable[str] = ()) -> None:
        super().__init__(f"There is no {kind} {label!r}.{did_you_mean(label, known)}")

    # KeyError would show the message in quotes.
    __str__ = Exception.__str__


class ResolutionError(ContextError):
    """A reference that leads to nothing in the active context."""


class DataError(EngineError, ValueError):
    """Data that cannot become, or be taken from, a feature set."""


class ScalerError(EngineError, RuntimeError):
    """A scaler that cannot do this in its present state."""


class NotInvertibleError(ScalerError, NotImplementedError):
    """A scaler that has no way back to the values it was given."""


class GraphError(EngineError, ValueError):
    """Nodes that do not fit together."""


class FrozenNodeError(GraphError, RuntimeError):
    """A node that is frozen and is to learn."""


class BackendMismatchError(EngineError, ValueError):
    """Parts of different backends in one place."""


class LossError(EngineError, ValueError):
    """A loss that is wrongly defined, or whose inputs do not fit each other."""


class ModelError(EngineError, ValueError):
    """A model that cannot be wrapped, built or fitted."""


class OptimizerError(EngineError, ValueError):
    """An optimizer or a scheduler that is wrongly defined."""


class OptimizerNotSetError(OptimizerError, RuntimeError):
    """Something is to be trained, and no optimizer can do it."""


class PhaseError(EngineError, ValueError):
    """A phase that is wrongly put together."""


class UnknownMetricError(PhaseError, KeyError):
    """A monitored metric that nobody logs; lists the known ones."""

    def __init__(self, name: str, known: Iterable[str] = ()) -> None:
        super().__init__(f"Nothing logs the metric {name!r}.{nearest_and_known(name, known)}")

    __str__ = Exception.__str__


class UnknownFlagError(PhaseError, TypeError):
    """A keyword that no phase of the plan knows."""


class FoldError(EngineError, RuntimeError):
    """A fold in a process of its own that ended without a word, or could not send what it had."""


class NonFiniteLossError(EngineError):
    """A loss became NaN or infinite and the phase's policy is to stop."""


class CheckpointError(EngineError, ValueError):
    """A checkpoint that is missing, damaged, or does not fit the experiment."""


class FileFormatError(EngineError):
    """A saved file that is damaged, of another kind, or of a newer version; names the path."""


class NoCheckpointError(FileFormatError, TypeError):
    """A whole file that holds neither an experiment's state nor a graph's."""


class UntrustedTypesError(FileFormatError):
    """A saved estimator of types that are not known to be safe, in a file that is not trusted."""


class UnsavableError(EngineError, TypeError):
    """A value that has no safe form in a file; names the place where it stands."""


class PackagedCodeError(EngineError):
    """Saved code that may not run here, or code that cannot be saved."""
