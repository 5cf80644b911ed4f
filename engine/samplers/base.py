"""What every sampler is: sources in, the batches of any epoch out."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

from engine.batches import BatchOrder, BatchView, SampledView
from engine.batches.order import DEFAULT_ROLE, Positions
from engine.errors import DataError, UnknownLabelError
from engine.samplers import ordering
from engine.samplers.arguments import as_count, as_state, as_views
from engine.samplers.ordering import Cut, Samples
from engine.saving import Savable
from engine.seeding import checked_seed, derive_seed
from engine.splitters.grouping import as_selectors, codes

if TYPE_CHECKING:
    from engine.features import FeatureSet, FeatureSetView

STREAM_DEFAULT = "default"


class BaseSampler(Savable, ABC):
    """Draws batches from its sources.

    The batches of an epoch depend on the seed and the epoch's number, and on nothing that
    happened before; so training can be resumed at any batch of any epoch. With
    `reshuffle=False` every epoch is like the first. A seed left open is derived from the
    experiment's when a phase binds the sampler.

    `group_by` makes batches of samples that are equal in these columns. `stratify_by` puts the
    same number of each value into every batch, until the rarest is used up; with
    `strict_stratification=False`, its share of all samples.
    """

    saved_as = "sampler"

    def __init__(  # noqa: PLR0913 - documented names, each with a default
        self,
        *,
        batch_size: int = 1,
        shuffle: bool = False,
        reshuffle: bool = True,
        group_by: str | Sequence[str] | None = None,
        group_by_role: str = DEFAULT_ROLE,
        stratify_by: str | Sequence[str] | None = None,
        stratify_by_role: str = DEFAULT_ROLE,
        strict_stratification: bool = True,
        drop_last: bool = False,
        seed: int | None = None,
        show_progress: bool = True,
        sources: "Sequence[FeatureSet | FeatureSetView] | None" = None,
    ) -> None:
        if group_by and stratify_by:
            raise DataError("group_by and stratify_by exclude each other; give one of them.")
        self.batch_size = as_count(batch_size, named="batch_size")
        self.shuffle = shuffle
        self.reshuffle = reshuffle
        self.group_by = as_selectors(group_by)
        self.group_by_role = group_by_role
        self.stratify_by = as_selectors(stratify_by)
        self.stratify_by_role = stratify_by_role
        self.strict_stratification = strict_stratification
        self.drop_last = drop_last
        self.seed = None if seed is None else checked_seed(seed)
        self.show_progress = show_progress
        self._derived_seed: int | None = None
        self._epoch, self._batch = 0, 0
        self._sources: list[FeatureSetView] = []
        self._built: dict[str, tuple[int, Samples]] | None = None
        self._codes: dict[str, Positions] = {}
        self._cuts: dict[str, tuple[int, Cut]] = {}
        self._sampled: SampledView | None = None
        if sources:
            self.bind_sources(sources)

    @abstractmethod
    def build_samples(self) -> dict[tuple[str, int], Samples]:
        """What can be drawn, by stream and number of the source; called once per binding and seed.

        What is chosen at random here depends on `used_seed` alone.
        """

    # Binding

    def bind_sources(
        self, sources: "FeatureSet | FeatureSetView | Sequence[FeatureSet | FeatureSetView]"
    ) -> None:
        """Draw from these feature sets or views from now on.

        A sampler that was bound before starts again at its first batch; one that was not stays
        where `set_state` put it.
        """
        views = as_views(sources, type(self).__name__)
        if self.is_bound:
            self.reset()
        self._unbind()
        self._sources = views

    def derive_seed(self, seed: int | None, *labels: str) -> None:
        """Use the experiment's seed and these labels, unless the sampler has a seed of its own."""
        self._derived_seed = derive_seed(seed, *labels)
        self._forget_drawn()

    @property
    def used_seed(self) -> int:
        """The sampler's own seed, or the one that was derived for it."""
        if self.seed is not None:
            return self.seed
        return derive_seed(None, "sampler") if self._derived_seed is None else self._derived_seed

    @property
    def sources(self) -> "list[FeatureSetView]":
        return list(self._sources)

    @property
    def is_bound(self) -> bool:
        return bool(self._sources)

    @property
    def is_materialized(self) -> bool:
        return self._sampled is not None

    # Batches

    def epoch_batches(self, epoch: int, stream: str = STREAM_DEFAULT) -> BatchOrder:
        """The epoch's batches of one stream, as positions within the stream's source."""
        _, samples = self._stream(stream)
        cut = self._cut(epoch, stream)
        weights = samples.weights
        return BatchOrder(
            {role: positions[cut.entries] for role, positions in samples.roles.items()},
            cut.bounds,
            weights=weights and {role: values[cut.entries] for role, values in weights.items()},
            sequential=cut.sequential and samples.identity,
        )

    def source_of(self, stream: str = STREAM_DEFAULT) -> "FeatureSetView":
        """The view that a stream's positions lie in."""
        number, _ = self._stream(stream)
        return self._sources[number]

    @property
    def num_batches(self) -> int:
        """How many steps an epoch has: the batches of the shortest stream."""
        return min(len(self._cut(0, stream).bounds) - 1 for stream in self.stream_names)

    @property
    def num_streams(self) -> int:
        return len(self.stream_names)

    @property
    def num_roles(self) -> int:
        return len(self.role_names)

    @property
    def stream_names(self) -> list[str]:
        return list(self._by_stream)

    @property
    def role_names(self) -> list[str]:
        names = (role for _, samples in self._by_stream.values() for role in samples.roles)
        return list(dict.fromkeys(names))

    def materialize_batches(
        self,
        *,
        show_progress: bool = True,  # noqa: ARG002 - documented; nothing here takes long enough
    ) -> SampledView:
        """Make the batches of the epoch that the sampler stands at."""
        views = {stream: list(self._views(stream)) for stream in self.stream_names}
        self._sampled = SampledView(views)
        return self._sampled

    @property
    def sampled(self) -> SampledView:
        return self.materialize_batches() if self._sampled is None else self._sampled

    def get_batches(self, stream: str | None = None) -> list[BatchView]:
        """One stream's batches; without a name, of the only one."""
        if stream is None:
            if self.num_streams > 1:
                raise DataError(f"There are several streams; say which: {self.stream_names}.")
            stream = self.stream_names[0]
        return self.sampled.get_stream(stream)

    def get_stream(self, name: str) -> list[BatchView]:
        return self.sampled.get_stream(name)

    # Going through epochs

    def __iter__(self) -> Iterator[dict[str, BatchView]]:
        """The rest of the current epoch; afterwards the sampler stands at the next one."""
        epoch = self._epoch
        while self._epoch == epoch and self.num_batches:
            yield self.next()

    def next(self) -> dict[str, BatchView]:
        """The next batch of every stream, going on into the next epoch after the last."""
        if self._batch >= self.num_batches:
            raise DataError(self._why_no_batch())
        here = {stream: views[self._batch] for stream, views in self.sampled.to_dict().items()}
        self._batch += 1
        if self._batch >= self.num_batches:
            self._go_to(self._epoch + 1, 0)
        return here

    def reset(self) -> None:
        """Back to the first batch of the first epoch."""
        self._go_to(0, 0)

    def get_state(self) -> dict[str, Any]:
        """The seed and the position, from which everything else follows."""
        return {"seed": self.used_seed, "epoch": self._epoch, "batch": self._batch}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on where `get_state` was called, with the same batches to come."""
        there = as_state(state)
        self._derived_seed = there.seed
        if self.seed is not None:
            self.seed = there.seed
        self._forget_drawn()
        self._go_to(there.epoch, there.batch)

    # Configuration

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "reshuffle": self.reshuffle,
            "group_by": self.group_by or None,
            "stratify_by": self.stratify_by or None,
            "strict_stratification": self.strict_stratification,
            "drop_last": self.drop_last,
            "seed": self.seed,
            "show_progress": self.show_progress,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)

    # Inside

    @property
    def _by_stream(self) -> dict[str, tuple[int, Samples]]:
        if self._built is None:
            if not self._sources:
                raise DataError(f"{type(self).__name__} has no source; bind_sources() first.")
            samples = self.build_samples()
            if not samples:
                raise DataError(f"{type(self).__name__}.build_samples() made no stream.")
            for (stream, number), some in samples.items():
                some.check(stream, [len(source) for source in self._sources], number)
            self._built = {stream: (number, some) for (stream, number), some in samples.items()}
        return self._built

    def _stream(self, name: str) -> tuple[int, Samples]:
        if name not in self._by_stream:
            raise UnknownLabelError("stream", name, self._by_stream)
        return self._by_stream[name]

    def _why_no_batch(self) -> str:
        if self.num_batches:
            return (
                f"The sampler stands at batch {self._batch} of an epoch, and there are "
                f"{self.num_batches}: its state is that of another source or batch_size. reset() "
                "goes back to the first."
            )
        for stream, (_, samples) in self._by_stream.items():
            if not len(samples):
                return f"There is no batch: the stream {stream!r} has no samples."
        return "There is no batch: fewer samples than batch_size, and drop_last."

    def __repr__(self) -> str:
        bound = (
            f"drawing from {', '.join(map(repr, self._sources))}" if self._sources else "unbound"
        )
        return (
            f"{type(self).__name__}(batch_size={self.batch_size}, shuffle={self.shuffle}), {bound}"
        )

    def _unbind(self) -> None:
        self._sources = []
        self._forget_drawn()

    def _forget_drawn(self) -> None:
        # New ones, not emptied: a copy of this sampler may still use the old.
        self._built = None
        self._codes = {}
        self._cuts = {}
        self._sampled = None

    def _go_to(self, epoch: int, batch: int) -> None:
        if epoch != self._epoch:
            self._sampled = None
        self._epoch, self._batch = epoch, batch

    def _views(self, stream: str) -> Iterator[BatchView]:
        order, source = self.epoch_batches(self._epoch, stream), self.source_of(stream)
        for batch in range(len(order)):
            yield BatchView(source, order.roles(batch), order.weights(batch))

    def _cut(self, epoch: int, stream: str) -> Cut:
        shuffled_as = (epoch if self.reshuffle else 0) if self.shuffle else -1
        known = self._cuts.get(stream)
        if known is None or known[0] != shuffled_as:
            known = self._cuts[stream] = (shuffled_as, self._make_cut(shuffled_as, stream))
        return known[1]

    def _make_cut(self, epoch: int, stream: str) -> Cut:
        seed = None if epoch < 0 else derive_seed(self.used_seed, "epoch", epoch)
        size, drop_last = self.batch_size, self.drop_last
        if self.group_by:
            groups = self._codes_of(stream, self.group_by, self.group_by_role)
            return ordering.by_group(groups, size, drop_last=drop_last, seed=seed)
        if self.stratify_by:
            strata = self._codes_of(stream, self.stratify_by, self.stratify_by_role)
            strict = self.strict_stratification
            cut = ordering.by_equal_shares if strict else ordering.by_proportion
            return cut(strata, size, drop_last=drop_last, seed=seed)
        _, samples = self._stream(stream)
        return ordering.in_order(len(samples), size, drop_last=drop_last, seed=seed)

    def _codes_of(self, stream: str, selectors: list[str], role: str) -> Positions:
        if stream not in self._codes:
            number, samples = self._stream(stream)
            if role not in samples.roles:
                raise UnknownLabelError("role", role, samples.roles)
            rows = self._sources[number].take(samples.roles[role])
            self._codes[stream] = codes(rows, selectors)
        return self._codes[stream]
