"""A graph as a picture and as a table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from engine.features import FeatureSetReference
from engine.features.diagram import Diagram, escape
from engine.graph.model_node import ModelNode

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
        text = "<br/>".join([escape(label), _kind(node), *(["frozen"] if frozen else [])])
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


def _kind(node: Any) -> str:
    if not isinstance(node, ModelNode):
        return type(node).__name__
    if node.is_torch:
        return type(node.module).__name__ if node.model.is_built else "not built"
    return type(node.model.estimator).__name__  # type: ignore[attr-defined]  # scikit-learn's have one


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
    before = node.input_shape if isinstance(node, ModelNode) else None
    count = "-"
    if isinstance(node, ModelNode) and node.is_torch and node.model.is_built:
        count = f"{sum(one.numel() for one in node.module.parameters()):,}"
    frozen = " (frozen)" if isinstance(node, ModelNode) and node.is_frozen else ""
    shapes = ("?" if shape is None else str(shape) for shape in (before, node.output_shape))
    return (label, _kind(node) + frozen, inputs, *shapes, count)
