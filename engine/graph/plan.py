"""The order of computation, prepared once: which node computes from what, and into which slot."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from engine.batches.view import StoredBatchView
from engine.errors import GraphError, LossError
from engine.features import FeatureSetReference
from engine.features.schema import FEATURES, TAGS, TARGETS
from engine.graph.flow import Flow, Source, as_input
from engine.graph.merge_node import MergeNode
from engine.graph.model_node import ModelNode
from engine.graph.node import ComputeNode

Key = tuple[str, FeatureSetReference]


class MissingInputError(GraphError):
    """A step without input for a node that it is to compute."""


class Operation:
    """One node's computation: from its sources into its slot."""

    __slots__ = ("node", "produce", "slot", "sources")

    def __init__(
        self, node: ComputeNode, slot: int, sources: list[Source], produce: Source
    ) -> None:
        self.node = node
        self.slot = slot
        self.sources = sources
        self.produce = produce

    def __call__(self, flow: Flow) -> None:
        for role, row in flow.rows.items():
            row[self.slot] = self.produce(flow, role)


class Plan:
    """Some nodes of a graph, in an order in which each comes after its inputs.

    Inputs from nodes outside the plan are taken from the context's outputs.
    """

    def __init__(self, nodes: Sequence[ComputeNode]) -> None:
        self.nodes = {node.label: node for node in nodes}
        self.slots = {label: slot for slot, label in enumerate(self.nodes)}
        self.keys: list[Key] = [
            (node.label, reference)
            for node in nodes
            for reference in node.get_upstream_refs()
            if isinstance(reference, FeatureSetReference)
        ]
        self._places = {key: place for place, key in enumerate(self.keys)}
        self.needs_given = any(
            reference.node_label not in self.nodes
            for node in nodes
            for reference in node.get_upstream_refs()
            if not isinstance(reference, FeatureSetReference)
        )
        self.operations = [self._operation(node) for node in nodes]
        self._producers = [(one.slot, one.produce) for one in self.operations]

    def _operation(self, node: ComputeNode) -> Operation:
        sources = [self._source(node, reference) for reference in node.get_upstream_refs()]
        slot = self.slots[node.label]
        return Operation(node, slot, sources, self._producer(node, sources))

    def _producer(self, node: ComputeNode, sources: list[Source]) -> Source:
        """A node's output from a flow, with as little in between as can be."""
        if not isinstance(node, ModelNode) or not node.is_built:
            return lambda flow, role: node.compute([source(flow, role) for source in sources])
        run, source, reference = node.runner(), sources[0], node.get_upstream_refs()[0]
        if not isinstance(reference, FeatureSetReference):
            return lambda flow, role: run(source(flow, role))
        place, columns = self._places[node.label, reference], reference.features
        return lambda flow, role: run(flow.inputs[place].take(columns, role))

    def _source(self, node: ComputeNode, reference: Any) -> Source:
        if isinstance(reference, FeatureSetReference):
            if not reference.features:
                raise GraphError(
                    f"Node {node.label!r} takes no feature from {reference.node_label!r}."
                )
            return taken(self._places[node.label, reference], reference.features)
        label = reference.node_label
        return in_slot(self.slots[label]) if label in self.slots else in_context(label)

    @property
    def device(self) -> torch.device | None:
        """Where the models are; None if none of them has parameters."""
        for node in self.nodes.values():
            if isinstance(node, ModelNode) and node.is_torch and node.model.is_built:
                for parameter in node.module.parameters():
                    return parameter.device
        return None

    # Running

    def start(self, inputs: Mapping[Any, Any], given: Any) -> Flow:
        """The step's inputs, looked up once."""
        try:
            views = [inputs[key] for key in self.keys]
        except KeyError as error:
            raise self._missing(error.args[0], inputs) from None
        for place, view in enumerate(views):
            if type(view) is not StoredBatchView:
                views[place] = as_input(view, self.nodes[self.keys[place][0]])
        return Flow(views, given if self.needs_given else {}, len(self.slots))

    def run(self, flow: Flow) -> None:
        """Compute every node."""
        role = flow.role
        if role is None:
            for operation in self.operations:
                operation(flow)
            return
        row = flow.row
        for slot, produce in self._producers:
            row[slot] = produce(flow, role)

    def _missing(self, key: Any, inputs: Mapping[Any, Any]) -> "MissingInputError":
        label, reference = key
        there = sorted({label for label, _ in inputs}) or ["nothing"]
        return MissingInputError(
            f"Node {label!r} gets no input from {reference.node_label!r} in this step; there is "
            f"input for {', '.join(there)}."
        )

    # Beside the values: targets and tags, which pass through the graph unchanged

    def first_input(self, label: str) -> int | None:
        """The place among the inputs of the first one that leads to this node."""
        for reference in self.nodes[label].get_upstream_refs():
            if isinstance(reference, FeatureSetReference):
                return self._places[label, reference]
            if reference.node_label in self.nodes:
                found = self.first_input(reference.node_label)
                if found is not None:
                    return found
        return None

    def inputs_of(self, label: str) -> list[int]:
        """The places among the inputs of all that lead to this node."""
        found: dict[int, None] = {}
        for reference in self.nodes[label].get_upstream_refs():
            if isinstance(reference, FeatureSetReference):
                found[self._places[label, reference]] = None
            elif reference.node_label in self.nodes:
                found.update(dict.fromkeys(self.inputs_of(reference.node_label)))
        return list(found)

    def heads_of(self, label: str) -> set[str]:
        """The head nodes that lead to this node, itself included if it is one."""
        return {self.keys[place][0] for place in self.inputs_of(label)}

    def side(self, label: str, domain: str) -> Source | None:
        """The targets or tags that belong to a node's output; None if it has none."""
        node = self.nodes[label]
        sources = [
            self._side_of(label, reference, domain) for reference in node.get_upstream_refs()
        ]
        if isinstance(node, MergeNode):
            return self._merged_side(node, sources, domain)
        return sources[0]

    def _side_of(self, label: str, reference: Any, domain: str) -> Source | None:
        if isinstance(reference, FeatureSetReference):
            columns = reference.of_domain(domain)
            if not columns:
                return None
            place = self._places[label, reference]
            return tags_of(place) if domain == TAGS else taken(place, columns)
        if reference.node_label in self.nodes:
            return self.side(reference.node_label, domain)
        return given_side(reference.node_label, domain)

    def _merged_side(
        self, node: MergeNode, sources: list[Source | None], domain: str
    ) -> Source | None:
        there = [source for source in sources if source is not None]
        if not there:
            return None
        labels = [reference.node_label for reference in node.get_upstream_refs()]
        chosen = node.side_choice(domain, labels)
        if chosen is not None:
            return sources[chosen]
        inputs = self.inputs_of(node.label)

        def merged(flow: Flow, role: str) -> Any:
            if len(there) == 1 or _same_samples(flow, inputs, role):
                # The same samples seen twice have their targets once.
                return there[0](flow, role)
            return node.merge_side(domain, [source(flow, role) for source in there])

        return merged

    # For losses

    def joining(self, label: str, domain: str) -> str | None:
        """The nearest node, itself or before it, that joins several inputs' targets or tags."""
        node = self.nodes[label]
        references = node.get_upstream_refs()
        if isinstance(node, MergeNode):
            sources = [self._side_of(label, one, domain) for one in references]
            if sum(source is not None for source in sources) > 1:
                chosen = node.side_choice(domain, [one.node_label for one in references])
                return label if chosen is None else None
        for reference in references:
            if reference.node_label in self.nodes:
                return self.joining(reference.node_label, domain)
        return None

    def loss_source(self, wanted: Any, on: str) -> Source:
        """Where an argument of a loss on node `on` comes from."""
        if wanted.feature_set is not None:
            return self._column_source(wanted, on)
        label = on if wanted.node is None else wanted.node
        if label not in self.nodes:
            raise LossError(f"A loss on {on!r} needs the node {label!r}, which is not executed.")
        if wanted.domain == "outputs":
            found: Source | None = in_slot(self.slots[label])
        elif wanted.domain == FEATURES:
            found = self.operations[self.slots[label]].sources[0]
        else:
            found = self.side(label, wanted.domain)
        if found is None:
            raise LossError(
                f"No {wanted.domain} reach node {label!r}, which a loss on {on!r} needs: the "
                "references to the feature sets that feed it name none."
            )
        return found

    def _column_source(self, wanted: Any, on: str) -> Source:
        leading = self.inputs_of(on)
        others = [place for place in range(len(self.keys)) if place not in leading]
        for place in [*leading, *others]:
            if self.keys[place][1].node_label == wanted.feature_set:
                return taken(place, wanted.columns)
        raise LossError(
            f"A loss on {on!r} needs columns of {wanted.feature_set!r}, which feeds none of the "
            f"executed nodes {', '.join(self.nodes)}."
        )


def taken(place: int, columns: Sequence[str]) -> Source:
    """Columns of an input's samples."""
    names = tuple(columns)
    return lambda flow, role: flow.inputs[place].take(names, role)


def tags_of(place: int) -> Source:
    """An input's tags, which may be texts."""
    return lambda flow, role: flow.inputs[place].batch.role_data[role].tags


def in_slot(slot: int) -> Source:
    """A node's output in this step."""
    return lambda flow, role: flow.rows[role][slot]


def in_context(label: str) -> Source:
    """A node's output as the context holds it."""
    return lambda flow, role: flow.given[label].role_data[role].features


def given_side(label: str, domain: str) -> Source:
    """Targets or tags of an output that the context holds."""
    return lambda flow, role: flow.given[label].role_data[role].get_domain_data(domain)


def _same_samples(flow: Flow, places: Sequence[int], role: str) -> bool:
    """Whether these inputs are the same rows of the same feature set."""
    first, *others = (flow.inputs[place] for place in places)
    if getattr(first, "source", None) is None:
        return False
    return all(_are_same(first, one, role) for one in others)


def _are_same(first: Any, other: Any, role: str) -> bool:
    if getattr(other, "source", None) is None:
        return False
    if other.source is not first.source and (
        other.source.to_view().source is not first.source.to_view().source
    ):
        return False
    # Every step asks this, and nearly always it is one order.
    if isinstance(first, StoredBatchView) and first.is_beside(other):
        return True
    return bool((other.role_indices[role] == first.role_indices[role]).all())


__all__ = ["TARGETS", "Key", "Operation", "Plan"]
