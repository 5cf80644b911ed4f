"""The results of one fold of a cross-validation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.results.group_results import PhaseGroupResults

if TYPE_CHECKING:
    from engine.features import FeatureSet


@dataclass(repr=False)
class FoldResults(PhaseGroupResults):
    """Results of a fold's phases, and what was the fold's own.

    `feature_sets` holds the fold's feature sets by label, with its splits and the scalers that were
    fitted to them: those of folds that ran in this process. `weights` is what each node had learned
    in the end, if it was to be kept.
    """

    feature_sets: "Mapping[str, FeatureSet]" = field(default_factory=dict)
    weights: Mapping[str, Any] | None = None
