"""The sampler that draws pairs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Self

from engine.samplers.n_sampler import ANCHOR, Conditions, NSampler, rebuilt_conditions

if TYPE_CHECKING:
    from engine.features import FeatureSet, FeatureSetView

PAIR: Final = "pair"


class PairedSampler(NSampler):
    """Each sample in the role `anchor`, with up to `max_pairs_per_anchor` others as its `pair`.

    See `NSampler` for which they are, and what they count.
    """

    def __init__(  # noqa: PLR0913 - documented names, each with a default
        self,
        conditions: Conditions,
        *,
        batch_size: int = 1,
        shuffle: bool = False,
        reshuffle: bool = True,
        max_pairs_per_anchor: int = 3,
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
            {PAIR: conditions},
            batch_size=batch_size,
            shuffle=shuffle,
            reshuffle=reshuffle,
            max_samples_per_anchor=max_pairs_per_anchor,
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
    def conditions(self) -> Conditions:
        return self.condition_mapping[PAIR]

    @property
    def max_pairs_per_anchor(self) -> int:
        return self.max_samples_per_anchor

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        conditions = config.pop("condition_mapping")[PAIR]
        count = config.pop("max_samples_per_anchor")
        return {"conditions": conditions, "max_pairs_per_anchor": count, **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**{**config, "conditions": rebuilt_conditions(config["conditions"])})
