"""Cross-validation: the same phases trained and evaluated on one fold of the data after another."""

from engine.cross_validation.binding import CVBinding
from engine.cross_validation.results import CVResults
from engine.cross_validation.strategy import CrossValidation

__all__ = ["CVBinding", "CVResults", "CrossValidation"]
