"""Results of a fit phase."""

from dataclasses import dataclass

from engine.results.pass_results import PassResults


@dataclass(eq=False, repr=False)
class FitResults(PassResults):
    """One batch with all samples, as the fitted nodes put them out."""
