"""The sampler that draws triplets."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Self

from engine.samplers.n_sampler import ANCHOR, Conditions, NSampler, rebuilt_conditions

if TYPE_CHECKING:
    from engine.features import FeatureSet, FeatureSetView

POSITIVE: Final = "positive"
NEGATIVE: Final = "negative"


class TripletSampler(NSampler):
    """Each sample in the role `anchor`, with one `positive` and one `negative` at a time.

    A sample that meets both roles' conditions may be drawn in both. See `NSampler` for which
    partners are chosen, and what they count.
    """

    def __init__(  # noqa: PLR0913 - documented names, each with a default
        self,
        pos_conditions: Conditions,
        neg_conditions: Conditions,
        *,
        batch_size: int = 1,
        shuffle: bool = False,
        reshuffle: bool = True,
        max_samples_per_anchor: int = 3,
        choose_best_only: bool = False,
        group_by: str | Sequence[str] | None = None,
        group_by_role: str = ANCHOR,
        stratify_by: str | Sequence[str] | None = None,
        stratify_by_role: str = ANCHOR,
        strict_stratification: bool = True,
        drop_last: bool = False,
        seed: int | None = None,
        show_progress: bool = True,
        source: "FeatureSet | FeatureSetView | None" = None,
    ) -> None:
        super().__init__(
            {POSITIVE: pos_conditions, NEGATIVE: neg_conditions},
            batch_size=batch_size,
            shuffle=shuffle,
            reshuffle=reshuffle,
            max_samples_per_anchor=max_samples_per_anchor,
            choose_best_only=choose_best_only,
            group_by=group_by,
            group_by_role=group_by_role,
            stratify_by=stratify_by,
            stratify_by_role=stratify_by_role,
            strict_stratification=strict_stratification,
            drop_last=drop_last,
            seed=seed,
            show_progress=show_progress,
            source=source,
        )

    @property
    def pos_conditions(self) -> Conditions:
        return self.condition_mapping[POSITIVE]

    @property
    def neg_conditions(self) -> Conditions:
        return self.condition_mapping[NEGATIVE]

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        mapping = config.pop("condition_mapping")
        return {
            "pos_conditions": mapping[POSITIVE],
            "neg_conditions": mapping[NEGATIVE],
            **config,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        roles = ("pos_conditions", "neg_conditions")
        return cls(**{**config, **{role: rebuilt_conditions(config[role]) for role in roles}})
