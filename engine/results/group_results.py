"""The results of a group of phases, in the shape of the group."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from engine.errors import PhaseError, UnknownLabelError
from engine.results.eval_results import EvalResults
from engine.results.fit_results import FitResults
from engine.results.phase_results import PhaseResults
from engine.results.train_results import TrainResults

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

R = TypeVar("R", bound="PhaseResults | PhaseGroupResults")


@dataclass(repr=False)
class PhaseGroupResults:
    """Results of phases and of nested groups by label, in order of execution."""

    label: str
    _results: "dict[str, PhaseResults | PhaseGroupResults]" = field(default_factory=dict)

    def add_result(self, result: "PhaseResults | PhaseGroupResults") -> None:
        if not isinstance(result, PhaseResults | PhaseGroupResults):
            raise TypeError(
                f"Results of a phase or a group are wanted, not {type(result).__name__}."
            )
        if result.label in self._results:
            raise PhaseError(f"The results of {self.label!r} have {result.label!r} already.")
        self._results[result.label] = result

    def set_result(self, result: "PhaseResults | PhaseGroupResults") -> None:
        """Add it, in place of one with this label that was left unfinished."""
        self._results.pop(result.label, None)
        self.add_result(result)

    @property
    def labels(self) -> list[str]:
        return list(self._results)

    def items(self) -> "Iterator[tuple[str, PhaseResults | PhaseGroupResults]]":
        return iter(self._results.items())

    def __getitem__(self, label: str) -> "PhaseResults | PhaseGroupResults":
        if label not in self._results:
            raise UnknownLabelError(f"result in {self.label!r} named", label, self._results)
        return self._results[label]

    def __contains__(self, label: str) -> bool:
        return label in self._results

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.label!r}: {', '.join(self._results) or 'nothing'})"

    @property
    def phase_results(self) -> dict[str, PhaseResults]:
        """The phases of this level, without those in nested groups."""
        return {key: res for key, res in self.items() if isinstance(res, PhaseResults)}

    @property
    def group_results(self) -> "dict[str, PhaseGroupResults]":
        """The groups of this level."""
        return {key: res for key, res in self.items() if isinstance(res, PhaseGroupResults)}

    def flatten(self) -> dict[str, PhaseResults]:
        """The phases of all levels by label; a label that occurs twice is an error."""
        found: dict[str, PhaseResults] = {}
        for label, result in self.items():
            inner = {label: result} if isinstance(result, PhaseResults) else result.flatten()
            if twice := sorted(found.keys() & inner.keys()):
                raise PhaseError(
                    f"Several phases in {self.label!r} are labelled {twice[0]!r}; "
                    "reach them through `get_group_result`."
                )
            found.update(inner)
        return found

    def last_metrics(self) -> dict[str, float]:
        """The latest value of every metric, of the last phase at any level that logged it."""
        found: dict[str, float] = {}
        for result in self._results.values():
            found.update(result.last_metrics())
        return found

    def walk(self) -> "Iterator[tuple[str, PhaseResults]]":
        """The phases of all levels, in order, by the labels that lead to them (`group/phase`)."""
        for label, result in self.items():
            if isinstance(result, PhaseGroupResults):
                yield from ((f"{label}/{inner}", phase) for inner, phase in result.walk())
            else:
                yield label, result

    def to_pandas(self) -> "pd.DataFrame":
        """A row for each phase and metric with its last value over an epoch or the phase.

        The columns are `phase` (nested ones as `group/phase`), `metric` and `value`.
        """
        import pandas as pd  # noqa: PLC0415 - the other answers need none of it

        rows = [
            (phase, name, value)
            for phase, found in self.walk()
            for name, value in found.last_metrics().items()
        ]
        return pd.DataFrame(rows, columns=["phase", "metric", "value"])

    def get_phase_result(self, label: str) -> PhaseResults:
        return self._typed(label, PhaseResults)

    def get_train_result(self, label: str | None = None) -> TrainResults:
        """The results of a training phase; without a label, of the only one."""
        return self._typed(label, TrainResults)

    def get_eval_result(self, label: str | None = None) -> EvalResults:
        """The results of an evaluation phase; without a label, of the only one."""
        return self._typed(label, EvalResults)

    def get_fit_result(self, label: str | None = None) -> FitResults:
        """The results of a fit phase; without a label, of the only one."""
        return self._typed(label, FitResults)

    def get_group_result(self, label: str | None = None) -> "PhaseGroupResults":
        """The results of a nested group; without a label, of the only one."""
        return self._typed(label, PhaseGroupResults)

    def _typed(self, label: str | None, wanted: type[R]) -> R:
        if label is None:
            label = self._only(wanted)
        result = self[label]
        if not isinstance(result, wanted):
            raise TypeError(f"{label!r} holds {type(result).__name__}, not {wanted.__name__}.")
        return result

    def _only(self, wanted: type) -> str:
        fitting = [label for label, result in self.items() if isinstance(result, wanted)]
        if not fitting:
            held = ", ".join(f"{label!r} ({type(one).__name__})" for label, one in self.items())
            raise PhaseError(f"{self.label!r} holds no {wanted.__name__}, but {held or 'nothing'}.")
        if len(fitting) > 1:
            there = ", ".join(map(repr, fitting))
            raise PhaseError(
                f"{self.label!r} holds {len(fitting)} {wanted.__name__} ({there}): name one."
            )
        return fitting[0]
