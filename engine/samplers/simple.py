"""The sampler that draws single samples."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.batches.order import DEFAULT_ROLE
from engine.samplers.base import STREAM_DEFAULT, BaseSampler
from engine.samplers.ordering import Samples

if TYPE_CHECKING:
    from engine.features import FeatureSet, FeatureSetView


class SimpleSampler(BaseSampler):
    """Every sample of its source once per epoch, in one stream with one role."""

    def __init__(  # noqa: PLR0913 - documented names, each with a default
        self,
        *,
        batch_size: int = 1,
        shuffle: bool = False,
        reshuffle: bool = True,
        group_by: str | Sequence[str] | None = None,
        stratify_by: str | Sequence[str] | None = None,
        strict_stratification: bool = True,
        drop_last: bool = False,
        seed: int | None = None,
        show_progress: bool = True,
        source: "FeatureSet | FeatureSetView | None" = None,
    ) -> None:
        super().__init__(
            batch_size=batch_size,
            shuffle=shuffle,
            reshuffle=reshuffle,
            group_by=group_by,
            stratify_by=stratify_by,
            strict_stratification=strict_stratification,
            drop_last=drop_last,
            seed=seed,
            show_progress=show_progress,
            sources=None if source is None else [source],
        )

    def build_samples(self) -> dict[tuple[str, int], Samples]:
        positions = np.arange(self.sources[0].n_samples)
        return {(STREAM_DEFAULT, 0): Samples({DEFAULT_ROLE: positions}, identity=True)}
