"""The sampler that draws samples together with others that are like them, or unlike."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError
from engine.samplers.arguments import as_count
from engine.samplers.base import STREAM_DEFAULT, BaseSampler
from engine.samplers.ordering import Samples
from engine.samplers.partners import PartnerSearch
from engine.samplers.seeking import Partners
from engine.samplers.similarity import SimilarityCondition
from engine.seeding import derive_seed

if TYPE_CHECKING:
    from engine.features import FeatureSet, FeatureSetView

ANCHOR: Final = "anchor"

Conditions = Mapping[str, SimilarityCondition]


class NSampler(BaseSampler):
    """Each sample in the role `anchor`, with a partner in every other role.

    A role's partner meets the role's condition in every column that has one, and is never the
    anchor itself. An anchor has up to `max_samples_per_anchor` different partners in a role and
    comes as often as the role with the most of them has; the other roles then take turns with
    theirs. Partners are drawn at random from all that match, and where there are too few, from
    those that `allow_fallback` lets in; with `choose_best_only` they are those with the highest
    scores. Which they are depends on the seed and stays for all epochs; their order does not.

    A role's weights are its pairs' scores: the product over the columns. Where every pair counts 1
    there are none. An anchor without a partner in some role is left out.
    """

    def __init__(  # noqa: PLR0913 - documented names, each with a default
        self,
        condition_mapping: Mapping[str, Conditions],
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
        self.condition_mapping = _checked_mapping(condition_mapping)
        self.max_samples_per_anchor = as_count(
            max_samples_per_anchor, named="The number of partners per anchor"
        )
        self.choose_best_only = choose_best_only
        super().__init__(
            batch_size=batch_size,
            shuffle=shuffle,
            reshuffle=reshuffle,
            group_by=group_by,
            group_by_role=group_by_role,
            stratify_by=stratify_by,
            stratify_by_role=stratify_by_role,
            strict_stratification=strict_stratification,
            drop_last=drop_last,
            seed=seed,
            show_progress=show_progress,
            sources=None if source is None else [source],
        )

    def build_samples(self) -> dict[tuple[str, int], Samples]:
        """Raises DataError if no anchor has a partner in every role, and says what there is."""
        source = self.sources[0]
        if source.n_samples < 2:
            raise DataError(
                f"{type(self).__name__} pairs samples with others, and {_named(source)} "
                f"has {source.n_samples}."
            )
        found = {role: self._partners(source, role) for role in self.condition_mapping}
        counts = np.stack([partners.counts for partners in found.values()])
        if not counts.min(axis=0).any():
            raise DataError(
                f"No sample of {source.n_samples} has a partner in every role: "
                + ", ".join(
                    f"{int((partners.counts > 0).sum())} have one as {role!r}"
                    for role, partners in found.items()
                )
                + "."
            )
        return {(STREAM_DEFAULT, 0): _joined(found)}

    def _partners(self, source: "FeatureSetView", role: str) -> Partners:
        seed = derive_seed(self.used_seed, "partners", role)
        search = PartnerSearch(source, self.condition_mapping[role], seed)
        partners = search.choose(self.max_samples_per_anchor, best_only=self.choose_best_only)
        if not partners.counts.any():
            raise DataError(
                f"No pair was found for the role {role!r}: no two of {source.n_samples} samples "
                f"meet its condition{'s' * (len(search.comparisons) > 1)} on "
                f"{'; on '.join(str(one) for one in search.comparisons)}."
            )
        return partners

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {
            "condition_mapping": {
                role: _described(conditions) for role, conditions in self.condition_mapping.items()
            },
            "max_samples_per_anchor": self.max_samples_per_anchor,
            "choose_best_only": self.choose_best_only,
            "group_by_role": self.group_by_role,
            "stratify_by_role": self.stratify_by_role,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """An equal sampler; imports the metrics that are named."""
        mapping = config["condition_mapping"]
        roles = {role: rebuilt_conditions(conditions) for role, conditions in mapping.items()}
        return cls(**{**config, "condition_mapping": roles})


def _named(source: "FeatureSetView") -> str:
    return repr(source.label) if source.label else f"a view of {source.source.label!r}"


def _joined(found: Mapping[str, Partners]) -> Samples:
    """Each anchor as often as it has partners, every time with others."""
    counts = np.stack([partners.counts for partners in found.values()])
    times = np.where(counts.min(axis=0) > 0, counts.max(axis=0), 0)
    anchors = np.repeat(np.arange(len(times)), times)
    turns = np.arange(len(anchors)) - np.repeat(np.cumsum(times) - times, times)
    roles, weights = {ANCHOR: anchors}, {}
    for role, partners in found.items():
        turn = turns % partners.counts[anchors]
        roles[role] = partners.positions[anchors, turn]
        weights[role] = partners.scores[anchors, turn].astype(np.float32)
    return Samples(roles, weights if _differ(weights) else None)


def _differ(weights: Mapping[str, NDArray[np.float32]]) -> bool:
    return any(bool((values != 1).any()) for values in weights.values())


def _described(conditions: Conditions) -> dict[str, Any]:
    return {column: condition.get_config() for column, condition in conditions.items()}


def rebuilt_conditions(conditions: Mapping[str, Any]) -> dict[str, SimilarityCondition]:
    """The conditions by column that a configuration describes."""
    return {column: SimilarityCondition.from_config(one) for column, one in conditions.items()}


def _checked_mapping(
    mapping: Mapping[Any, Any],
) -> dict[str, dict[str, SimilarityCondition]]:
    if not mapping:
        raise DataError("There is no role to find partners for; give at least one.")
    for role, conditions in mapping.items():
        if not isinstance(role, str) or role in ("", ANCHOR) or "." in role:
            raise DataError(
                f"A role's name is a text without dots other than {ANCHOR!r}, not {role!r}."
            )
        if not isinstance(conditions, Mapping) or not conditions:
            raise DataError(
                f"The role {role!r} needs a condition by column, as {{'label': "
                f"SimilarityCondition()}}, not {conditions!r}."
            )
        for column, condition in conditions.items():
            if not isinstance(condition, SimilarityCondition):
                raise DataError(
                    f"The role {role!r} has {condition!r} for the column {column!r}, which is no "
                    "SimilarityCondition."
                )
    return {role: dict(conditions) for role, conditions in mapping.items()}
