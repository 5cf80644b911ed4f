"""Some samples: features or outputs, targets, tags and ids, each read when it is needed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import torch

from engine.errors import DataError, UnknownLabelError
from engine.features.columns import NUMERIC_KINDS
from engine.features.formats import DataFormat, to_tensor
from engine.features.schema import FEATURES, SAMPLE_UUIDS, TAGS, TARGETS

OUTPUTS = "outputs"
DOMAINS: Final = (FEATURES, OUTPUTS, TARGETS, TAGS, SAMPLE_UUIDS)


class Source(Protocol):
    """Where a domain comes from when it is first read: rows of a store, or other samples."""

    @property
    def n_samples(self) -> int: ...

    def get_domain_data(self, domain: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class SampleShapes:
    """The shapes of one sample's parts; None for a part that is not there."""

    features: tuple[int, ...] | None = None
    targets: tuple[int, ...] | None = None
    tags: tuple[int, ...] | None = None

    @property
    def outputs(self) -> tuple[int, ...] | None:
        return self.features


class _Nothing:
    """The source of samples that have none."""

    n_samples = 0

    def get_domain_data(self, domain: str) -> None:  # noqa: ARG002 - whatever is asked for
        return None


NOTHING: Final[Source] = _Nothing()


class SampleData:
    """What is known of some samples. Of a node's output, `outputs` is what the node made of them.

    Parts that are not given are asked of `source` when they are first read.
    """

    __slots__ = ("_parts", "_source", "kind")

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        sample_uuids: Any = None,
        features: Any = None,
        targets: Any = None,
        tags: Any = None,
        kind: str = "input",
        source: Source = NOTHING,
    ) -> None:
        self.kind = kind
        self._source = source
        parts = self._parts = {} if data is None else _known_parts(data)
        if features is not None:
            parts[FEATURES] = features
        if targets is not None:
            parts[TARGETS] = targets
        if tags is not None:
            parts[TAGS] = tags
        if sample_uuids is not None:
            parts[SAMPLE_UUIDS] = sample_uuids

    @classmethod
    def output(cls, outputs: Any, of: "SampleData") -> "SampleData":
        """What a node made of these samples; all else stays theirs."""
        return cls(features=outputs, kind="output", source=of)

    @property
    def features(self) -> Any:
        parts = self._parts
        if FEATURES not in parts:
            parts[FEATURES] = self._source.get_domain_data(FEATURES)
        return parts[FEATURES]

    @property
    def outputs(self) -> Any:
        return self.features

    @property
    def targets(self) -> Any:
        parts = self._parts
        if TARGETS not in parts:
            parts[TARGETS] = self._source.get_domain_data(TARGETS)
        return parts[TARGETS]

    @property
    def tags(self) -> Any:
        return self._part(TAGS)

    @property
    def sample_uuids(self) -> Any:
        return self._part(SAMPLE_UUIDS)

    def _part(self, domain: str) -> Any:
        if domain not in self._parts:
            self._parts[domain] = self._source.get_domain_data(domain)
        return self._parts[domain]

    def get_domain_data(self, domain: str) -> Any:
        if domain not in DOMAINS:
            raise UnknownLabelError("domain", domain, DOMAINS)
        return getattr(self, domain)

    @property
    def n_samples(self) -> int:
        known = next((part for part in self._parts.values() if part is not None), None)
        return self._source.n_samples if known is None else len(known)

    def __len__(self) -> int:
        return self.n_samples

    def __repr__(self) -> str:
        """How many samples, and the parts that were given or read so far."""
        parts = (
            f"{domain} {tuple(part.shape)}" if hasattr(part, "shape") else domain
            for domain, part in self._parts.items()
            if part is not None
        )
        return f"SampleData({', '.join([f'{self.n_samples} samples', *parts])})"

    @property
    def shapes(self) -> SampleShapes:
        return SampleShapes(
            *(None if part is None else tuple(part.shape[1:]) for part in self._tensors())
        )

    def as_format(self, fmt: str | DataFormat) -> "SampleData":
        """The same in numpy or torch; text stays numpy."""
        chosen = DataFormat.from_value(fmt)
        features, targets, tags = (_converted(part, chosen) for part in self._tensors())
        return SampleData(
            features=features, targets=targets, tags=tags, kind=self.kind, source=_Ids(self)
        )

    def to_format(self, fmt: str | DataFormat) -> None:
        """Change to numpy or torch in place."""
        chosen = DataFormat.from_value(fmt)
        for domain, part in zip((FEATURES, TARGETS, TAGS), self._tensors(), strict=True):
            self._parts[domain] = _converted(part, chosen)

    def detach_tensors(self) -> None:
        """Let go of the graph that gradients would flow along."""
        for domain, part in self._parts.items():
            if isinstance(part, torch.Tensor):
                self._parts[domain] = part.detach()

    @classmethod
    def concat(cls, *parts: "SampleData") -> "SampleData":
        """The samples of all parts, in order; a domain that some lack is left out.

        They are in the format of the first part.
        """
        joined = {
            domain: _joined([part.get_domain_data(domain) for part in parts])
            for domain in (FEATURES, TARGETS, TAGS, SAMPLE_UUIDS)
        }
        return cls(joined, kind=parts[0].kind)

    def _tensors(self) -> tuple[Any, Any, Any]:
        return self.features, self.targets, self.tags


class _Ids:
    """The ids of other samples, and nothing else of them."""

    __slots__ = ("_of",)

    def __init__(self, of: SampleData) -> None:
        self._of = of

    @property
    def n_samples(self) -> int:
        return self._of.n_samples

    def get_domain_data(self, domain: str) -> Any:
        return self._of.sample_uuids if domain == SAMPLE_UUIDS else None


def _known_parts(data: Mapping[str, Any]) -> dict[str, Any]:
    for domain in data:
        if domain not in DOMAINS:
            raise UnknownLabelError("domain", domain, DOMAINS)
    parts = {FEATURES if domain == OUTPUTS else domain: part for domain, part in data.items()}
    return {domain: part for domain, part in parts.items() if part is not None}


def _converted(values: Any, fmt: DataFormat) -> Any:
    if fmt is DataFormat.TORCH and isinstance(values, np.ndarray):
        return to_tensor(values, "batch") if values.dtype.kind in NUMERIC_KINDS else values
    if fmt is DataFormat.NUMPY and isinstance(values, torch.Tensor):
        return values.detach().cpu().numpy()
    if fmt not in (DataFormat.NUMPY, DataFormat.TORCH):
        raise DataError(f"Batches hold torch or numpy, not {fmt.value!r}.")
    return values


def _joined(values: list[Any]) -> Any:
    if any(value is None for value in values):
        return None
    shapes = [tuple(value.shape[1:]) for value in values]
    if len(set(shapes)) > 1:
        listed = ", ".join(map(str, dict.fromkeys(shapes)))
        raise DataError(f"Samples of different shapes cannot be joined: {listed}.")
    if isinstance(values[0], torch.Tensor):
        return torch.cat([_converted(value, DataFormat.TORCH) for value in values])
    return np.concatenate([_converted(value, DataFormat.NUMPY) for value in values])
