"""What every node of the model graph is: a label, and where its inputs come from."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

from engine.context import (
    ExperimentContext,
    ExperimentNode,
    ExperimentNodeReference,
    GraphNodeReference,
)
from engine.errors import GraphError, UnknownLabelError
from engine.features import FeatureSet, FeatureSetReference, FeatureSetView
from engine.models.backend import Backend
from engine.models.base import Shape
from engine.saving import locate
from engine.summary import boxed

Upstream = ExperimentNode | ExperimentNodeReference | FeatureSetView | str
DataForm = Literal["torch", "numpy"]


class GraphNode(ExperimentNode):
    """A node of the model graph. It knows what comes before it; the rest follows from that."""

    max_upstream_refs: int | None = None
    max_downstream_refs: int | None = None

    def __init__(
        self,
        label: str,
        upstream_refs: Iterable[Upstream] = (),
        *,
        node_id: str | None = None,
        register: bool = True,
    ) -> None:
        self._upstream: list[GraphNode | ExperimentNodeReference] = []
        super().__init__(label, node_id=node_id, register=False)
        self.set_upstream_refs(upstream_refs)
        # Registered last, so that a node that could not be made is not there either.
        super().__init__(label, node_id=node_id, register=register)

    def reference(self) -> GraphNodeReference:
        return GraphNodeReference(node_label=self.label)

    # What comes before

    def get_upstream_refs(self) -> list[ExperimentNodeReference]:
        return [one.reference() if isinstance(one, GraphNode) else one for one in self._upstream]

    @property
    def upstream_ref(self) -> ExperimentNodeReference | None:
        """The only input; None if there is none."""
        references = self.get_upstream_refs()
        if len(references) > 1:
            raise GraphError(
                f"Node {self.label!r} has {len(references)} inputs; see upstream_refs."
            )
        return references[0] if references else None

    @property
    def upstream_refs(self) -> list[ExperimentNodeReference]:
        return self.get_upstream_refs()

    @property
    def allows_upstream_connections(self) -> bool:
        return self.max_upstream_refs is None or len(self._upstream) < self.max_upstream_refs

    def add_upstream_ref(self, upstream: Upstream) -> None:
        """Take one more input."""
        added = _as_upstream(upstream, self.label)
        if not self.allows_upstream_connections:
            raise GraphError(
                f"Node {self.label!r} takes {self.max_upstream_refs} input, which is "
                f"{_label(self._upstream[0])!r} already; {_label(added)!r} needs a merge node."
            )
        if not isinstance(added, FeatureSetReference) and _label(added) == self.label:
            raise GraphError(f"Node {self.label!r} cannot be its own input.")
        self._upstream.append(added)

    def remove_upstream_ref(self, upstream: Upstream) -> None:
        self._upstream.pop(self._place(upstream))

    def replace_upstream_ref(self, old: Upstream, new: Upstream) -> None:
        """Take the input from elsewhere, in the same place among the inputs."""
        self._upstream[self._place(old)] = _as_upstream(new, self.label)

    def set_upstream_refs(self, upstreams: Iterable[Upstream]) -> None:
        before, self._upstream = self._upstream, []
        try:
            for upstream in upstreams:
                self.add_upstream_ref(upstream)
        except BaseException:
            self._upstream = before
            raise

    def clear_upstream_refs(self) -> None:
        self._upstream = []

    def _place(self, upstream: Upstream) -> int:
        wanted = upstream if isinstance(upstream, str) else _label(upstream)
        labels = [_label(one) for one in self._upstream]
        if wanted not in labels:
            raise UnknownLabelError(f"input of node {self.label!r} called", wanted, labels)
        return labels.index(wanted)

    # What comes after, among the nodes of the active context

    def get_downstream_refs(self) -> list[GraphNodeReference]:
        return [node.reference() for node in self._downstream()]

    @property
    def downstream_ref(self) -> GraphNodeReference | None:
        """The only node that takes this one's output; None if there is none."""
        references = self.get_downstream_refs()
        if len(references) > 1:
            raise GraphError(f"Node {self.label!r} feeds {len(references)} nodes.")
        return references[0] if references else None

    @property
    def allows_downstream_connections(self) -> bool:
        return self.max_downstream_refs is None or (
            len(self._downstream()) < self.max_downstream_refs
        )

    def add_downstream_ref(self, node: "GraphNode") -> None:
        node.add_upstream_ref(self)

    def remove_downstream_ref(self, node: "GraphNode") -> None:
        node.remove_upstream_ref(self)

    def set_downstream_refs(self, nodes: "Iterable[GraphNode]") -> None:
        self.clear_downstream_refs()
        for node in nodes:
            node.add_upstream_ref(self)

    def clear_downstream_refs(self) -> None:
        for node in self._downstream():
            node.remove_upstream_ref(self)

    def _downstream(self) -> "list[GraphNode]":
        context = ExperimentContext.find_active()
        known = {} if context is None else context.available_nodes
        return [
            node
            for node in known.values()
            if isinstance(node, GraphNode) and self.label in map(_label, node.get_upstream_refs())
        ]

    def create_input_binding(
        self,
        *,
        sampler: Any = None,
        upstream: Upstream | None = None,
        split: str | None = None,
        stream: str = "default",
    ) -> Any:
        """An InputBinding of this node: for training with a sampler, else for evaluation."""
        # Of a room above this one, so it is found by its name.
        binding = locate("engine.phases.binding:InputBinding")
        if sampler is None:
            return binding.for_evaluation(node=self, upstream=upstream, split=split)
        return binding.for_training(
            node=self, sampler=sampler, upstream=upstream, split=split, stream=stream
        )

    def summary(self, max_width: int = 88) -> str:
        """What the node is, in a box of plain text."""
        return boxed(repr(self), self._facts(), max_width)

    def _facts(self) -> dict[str, str]:
        inputs = ", ".join(one.node_label for one in self.get_upstream_refs())
        return {"inputs": inputs} if inputs else {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.label!r})"


class ComputeNode(GraphNode, ABC):
    """A node that makes something of its inputs."""

    @property
    def model_name(self) -> str:
        """The name of the class that computes."""
        return type(self).__name__

    @property
    @abstractmethod
    def backend(self) -> Backend: ...

    @property
    def data_form(self) -> DataForm:
        """What it computes on: torch tensors or numpy arrays."""
        return "numpy" if self.backend is Backend.SCIKIT else "torch"

    @property
    @abstractmethod
    def output_shape(self) -> Shape | None: ...

    @property
    @abstractmethod
    def is_built(self) -> bool: ...

    def _facts(self) -> dict[str, str]:
        shape = "not built" if self.output_shape is None else str(self.output_shape)
        return {**super()._facts(), "output": shape}

    @abstractmethod
    def compute(self, inputs: list[Any]) -> Any:
        """The output for a batch, from each input's batch in the order of the inputs."""

    def forward(self, inputs: Mapping[Any, Any]) -> Any:
        """The output for a batch, from each input's by reference."""
        missing = [one for one in self.get_upstream_refs() if one not in inputs]
        if missing:
            raise GraphError(f"Node {self.label!r} gets no input from {missing[0].node_label!r}.")
        return self.compute([inputs[one] for one in self.get_upstream_refs()])

    @abstractmethod
    def get_config(self) -> dict[str, Any]: ...

    @classmethod
    @abstractmethod
    def from_config(cls, config: dict[str, Any], *, register: bool = True) -> Self: ...


def shape_text(shape: Shape | None) -> str:
    """The shape of a sample; `?` as long as the node is not built."""
    return "?" if shape is None else str(shape)


def describe_reference(reference: ExperimentNodeReference) -> dict[str, Any]:
    """A reference as plain values."""
    kind = "feature_set" if isinstance(reference, FeatureSetReference) else "node"
    return {"kind": kind, **reference.get_config()}


def rebuild_reference(config: Mapping[str, Any]) -> ExperimentNodeReference:
    """The reference that `describe_reference` described."""
    arguments = dict(config)
    kind = arguments.pop("kind")
    if kind == "feature_set":
        return FeatureSetReference.from_config(arguments)
    return GraphNodeReference.from_config(arguments)


def _label(node: "GraphNode | ExperimentNodeReference | Upstream") -> str:
    if isinstance(node, str):
        return node
    return node.node_label if isinstance(node, ExperimentNodeReference) else str(node.label)


def _as_upstream(upstream: Upstream, label: str) -> "GraphNode | ExperimentNodeReference":
    if isinstance(upstream, str):
        upstream = ExperimentContext.get_active().get_node(upstream)
    if isinstance(upstream, FeatureSet):
        return upstream.reference()
    if isinstance(upstream, FeatureSetView):
        return upstream.source.reference(columns=list(upstream.columns))
    if isinstance(upstream, GraphNode | FeatureSetReference | GraphNodeReference):
        return upstream
    if isinstance(upstream, ExperimentNodeReference):
        return _as_upstream(upstream.resolve(), label)
    raise GraphError(f"Node {label!r} cannot take {upstream!r} as its input.")
