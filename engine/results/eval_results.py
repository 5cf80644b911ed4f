"""Results of an evaluation phase."""

from dataclasses import dataclass

from engine.results.pass_results import PassResults


@dataclass(eq=False, repr=False)
class EvalResults(PassResults):
    """The batches of one forward pass, in order."""

    @property
    def batch_indices(self) -> list[int]:
        return sorted(set(self.execution_contexts().axis_values("batch")))

    @property
    def n_batches(self) -> int:
        return len(self.batch_indices)
