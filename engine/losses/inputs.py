"""What a loss is computed from: which part of which node, or a column of a feature set."""

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from engine.context import ExperimentContext, ExperimentNode, ExperimentNodeReference
from engine.errors import LossError, did_you_mean
from engine.features.references import FeatureSetColumnReference, FeatureSetReference

DOMAINS = ("outputs", "targets", "features", "tags")


@dataclass(frozen=True, slots=True)
class LossInput:
    """One argument of a loss: a domain of a node, or columns of a feature set."""

    domain: str
    node: str | None = None  # None: the node that the loss is applied on
    role: str | None = None  # None: the only role
    feature_set: str | None = None
    columns: tuple[str, ...] = ()


def check_input(reference: Any) -> Any:
    """Refuse what can be no reference, as early as possible."""
    if isinstance(reference, str):
        if not any(token in DOMAINS for token in reference.split(".")):
            raise LossError(
                f"{reference!r} says neither outputs nor targets: write 'outputs', 'targets', "
                f"'node.outputs' or a column of a feature set.{did_you_mean(reference, DOMAINS)}"
            )
    elif not isinstance(reference, _REFERENCES):
        raise LossError(f"{reference!r} is not a reference that a loss can be computed from.")
    return reference


_REFERENCES = (
    ExperimentNode,
    ExperimentNodeReference,
    FeatureSetColumnReference,
    FeatureSetReference,
)


def resolve_input(
    reference: Any, nodes: Container[str], context: ExperimentContext | None
) -> LossInput:
    """What the reference means in a graph with these nodes."""
    if isinstance(reference, str):
        return _resolve_text(reference, nodes, context)
    if isinstance(reference, FeatureSetColumnReference):
        reference = reference.to_reference()
    if isinstance(reference, FeatureSetReference):
        return _resolve_columns(reference)
    label = reference.label if isinstance(reference, ExperimentNode) else reference.node_label
    if label not in nodes:
        raise LossError(f"A loss refers to {label!r}, which is not a node of the graph.")
    return LossInput("outputs", node=label)


def _resolve_columns(reference: FeatureSetReference) -> LossInput:
    domains = [domain for domain in ("targets", "features", "tags") if reference.of_domain(domain)]
    if len(domains) != 1:
        raise LossError(f"{reference!r} names columns of {len(domains)} domains; a loss takes one.")
    return LossInput(
        domains[0],
        feature_set=reference.node_label,
        columns=reference.of_domain(domains[0]),
    )


def _resolve_text(text: str, nodes: Container[str], context: ExperimentContext | None) -> LossInput:
    """`[node.][role.]domain[.role]`, or `feature_set.domain.key[.rep]`."""
    tokens = text.split(".")
    place = max(number for number, token in enumerate(tokens) if token in DOMAINS)
    before, domain, after = ".".join(tokens[:place]), tokens[place], ".".join(tokens[place + 1 :])
    if not before or before in nodes:
        return LossInput(domain, node=before or None, role=after or None)
    found = _resolve_in_feature_set(tokens, context)
    if found is not None:
        return found
    node, _, role = before.rpartition(".")
    if node in nodes and not after:
        return LossInput(domain, node=node, role=role)
    if "." not in before and not after:
        return LossInput(domain, role=before)
    raise LossError(f"{text!r} names neither a node of the graph nor a feature set.")


def _resolve_in_feature_set(
    tokens: list[str], context: ExperimentContext | None
) -> LossInput | None:
    known = {} if context is None else context.available_featuresets
    for place in range(1, len(tokens) - 1):
        label = ".".join(tokens[:place])
        if label in known and tokens[place] in DOMAINS:
            column = ".".join(tokens[place:])
            return _resolve_columns(known[label].column_reference(column).to_reference())
    return None
