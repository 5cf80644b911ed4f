"""References: what a graph, a loss or a phase keeps instead of the data itself."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from engine.context import ExperimentContext, ExperimentNodeReference, resolve_node
from engine.errors import DataError, EngineError, ResolutionError
from engine.features.schema import FEATURES, TAGS, TARGETS, Column

if TYPE_CHECKING:
    from engine.features.view import FeatureSetView


@dataclass(frozen=True, slots=True)
class FeatureSetReference(ExperimentNodeReference):
    """Columns of a feature set, by their full names, in order."""

    node_label: str
    node_id: str | None = None
    features: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        ExperimentNodeReference.__post_init__(self)
        for domain in (FEATURES, TARGETS, TAGS):
            object.__setattr__(self, domain, tuple(getattr(self, domain)))
        content = (self.node_label, self.features, self.targets, self.tags)
        # Each step of training looks its inputs up by reference.
        object.__setattr__(self, "_hash", hash(content))

    @classmethod
    def to_columns(cls, node_label: str, columns: Iterable[Column]) -> Self:
        """A reference to these columns, in their order within each domain."""
        names: dict[str, list[str]] = {FEATURES: [], TARGETS: [], TAGS: []}
        for column in columns:
            names[column.domain].append(column.name)
        return cls(node_label, None, *map(tuple, names.values()))

    def __hash__(self) -> int:
        return self._hash

    @property
    def node_type(self) -> str:
        return "FeatureSet"

    @property
    def columns(self) -> tuple[str, ...]:
        return self.features + self.targets + self.tags

    def of_domain(self, domain: str) -> tuple[str, ...]:
        """The full names of the columns of one domain."""
        return getattr(self, domain)  # type: ignore[no-any-return]  # one of three tuples

    def resolve(self, ctx: ExperimentContext | None = None) -> "FeatureSetView":
        """All rows of the feature set, with these columns."""
        view = resolve_node(self.node_label, self.node_type, ctx).to_view()
        return _project(view, list(self.columns))

    def get_config(self) -> dict[str, Any]:
        return {
            "node_label": self.node_label,
            "node_id": self.node_id,
            "features": list(self.features),
            "targets": list(self.targets),
            "tags": list(self.tags),
        }


@dataclass(frozen=True, slots=True)
class FeatureSetColumnReference:
    """One column of a feature set."""

    domain: str
    key: str
    rep: str
    node_label: str
    node_id: str | None = None

    def __post_init__(self) -> None:
        if self.node_id is None:
            object.__setattr__(self, "node_id", self.node_label)

    @classmethod
    def from_string(cls, column: str, node_label: str) -> Self:
        """From a full name, `domain.key.rep`."""
        return cls(*Column.parse(column), node_label=node_label)

    @property
    def column(self) -> str:
        return Column(self.domain, self.key, self.rep).name

    def to_reference(self) -> FeatureSetReference:
        """The same as a reference to the feature set with this one column."""
        column = Column(self.domain, self.key, self.rep)
        return FeatureSetReference.to_columns(self.node_label, [column])

    def resolve(self, ctx: ExperimentContext | None = None) -> "FeatureSetView":
        """All rows of the feature set, with this column."""
        return self.to_reference().resolve(ctx)

    def get_config(self) -> dict[str, Any]:
        return {
            "domain": self.domain,
            "key": self.key,
            "rep": self.rep,
            "node_label": self.node_label,
            "node_id": self.node_id,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)


@dataclass(frozen=True, slots=True)
class FeatureSetSplitReference:
    """One split of a feature set."""

    split_name: str
    node_label: str
    node_id: str | None = None

    def __post_init__(self) -> None:
        if self.node_id is None:
            object.__setattr__(self, "node_id", self.node_label)

    def resolve(self, ctx: ExperimentContext | None = None) -> "FeatureSetView":
        feature_set = resolve_node(self.node_label, "FeatureSet", ctx)
        try:
            return feature_set.get_split(self.split_name)  # type: ignore[no-any-return]
        except EngineError as error:
            raise ResolutionError(str(error)) from error

    def get_config(self) -> dict[str, Any]:
        return {
            "split_name": self.split_name,
            "node_label": self.node_label,
            "node_id": self.node_id,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)


def _project(view: "FeatureSetView", columns: list[str]) -> "FeatureSetView":
    try:
        return view.with_columns(columns, None)
    except (EngineError, DataError) as error:
        raise ResolutionError(f"Feature set {view.source.label!r}: {error}") from error
