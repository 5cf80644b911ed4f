"""A graph as a picture and as a table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.features import FeatureSetReference
from engine.features.diagram import Diagram, escape
from engine.graph.merge_node import MergeNode
from engine.graph.model_node import ModelNode
from engine.graph.node import shape_text

if TYPE_CHECKING:
    from engine.graph.model_graph import ModelGraph


def mermaid(
    graph: "ModelGraph", domains: Sequence[str], *, show_frozen: bool, show_splits: bool
) -> Diagram:
    """Feature sets and nodes as boxes, what feeds what as arrows."""
    names = _Names()
    lines = ["flowchart LR"]
    for reference in _feature_sets(graph):
        text = _feature_set_text(graph, reference, domains, show_splits=show_splits)
        lines.append(f'    {names[reference.node_label, "features"]}[("{text}")]')
    for label, node in graph.nodes.items():
        frozen = show_frozen and isinstance(node, ModelNode) and node.is_frozen
        text = "<br/>".join([escape(label), node.model_name, *(["frozen"] if frozen else [])])
        lines.append(f'    {names[label, "node"]}["{text}"]{":::frozen" if frozen else ""}')
    for label, node in graph.nodes.items():
        for one in node.get_upstream_refs():
            kind = "features" if isinstance(one, FeatureSetReference) else "node"
            lines.append(f"    {names[one.node_label, kind]} --> {names[label, 'node']}")
    if ":::frozen" in "".join(lines):
        lines.append("    classDef frozen opacity:0.6,stroke-dasharray:4")
    return Diagram("\n".join(lines))


class _Names(dict[tuple[str, str], str]):
    """Labels may hold anything; Mermaid's names may not."""

    def __missing__(self, key: tuple[str, str]) -> str:
        self[key] = name = f"n{len(self)}"
        return name


def _feature_sets(graph: "ModelGraph") -> list[FeatureSetReference]:
    found: dict[str, FeatureSetReference] = {}
    for node in graph.nodes.values():
        for reference in node.get_upstream_refs():
            if isinstance(reference, FeatureSetReference):
                found.setdefault(reference.node_label, reference)
    return list(found.values())


def _feature_set_text(
    graph: "ModelGraph",
    reference: FeatureSetReference,
    domains: Sequence[str],
    *,
    show_splits: bool,
) -> str:
    lines = [escape(reference.node_label)]
    for domain in domains:
        columns = [escape(name.partition(".")[2]) for name in reference.of_domain(domain)]
        if columns:
            lines.append(f"{domain}: {', '.join(columns)}")
    if show_splits:
        splits = graph.ctx.get_node(reference.node_label).available_splits
        if splits:
            lines.append(f"splits: {', '.join(map(escape, splits))}")
    return "<br/>".join(lines)


def summarize(graph: "ModelGraph") -> str:
    """A table in plain text, one node a line, in topological order."""
    header = ("node", "model", "input", "in", "out", "parameters")
    rows = [header, *(_row(graph, label) for label in graph.order)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    optimizer = "each node its own" if graph.optimizer is None else repr(graph.optimizer)
    return "\n".join([f"{graph.label} (optimizer: {optimizer})", *lines])


def _row(graph: "ModelGraph", label: str) -> tuple[str, ...]:
    node = graph.nodes[label]
    inputs = ", ".join(reference.node_label for reference in node.get_upstream_refs())
    before, count, frozen = "?", "-", ""
    if isinstance(node, MergeNode):
        before = node.inputs_text
    if isinstance(node, ModelNode):
        before = shape_text(node.input_shape)
        count = "-" if node.n_parameters is None else f"{node.n_parameters:,}"
        frozen = " (frozen)" if node.is_frozen else ""
    return (
        label,
        node.model_name + frozen,
        inputs,
        before,
        shape_text(node.output_shape),
        count,
    )
