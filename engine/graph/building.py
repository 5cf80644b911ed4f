"""Finding out every node's shapes, by sending two samples through the graph."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from engine.batches import ColumnStore
from engine.context import ExperimentContext
from engine.errors import EngineError, GraphError, ModelError
from engine.features import FeatureSetReference
from engine.features.schema import FEATURES, TARGETS
from engine.graph.conversion import to_torch
from engine.graph.merge_node import MergeNode, as_tensors
from engine.graph.model_node import ModelNode
from engine.graph.node import ComputeNode
from engine.graph.structure import path_to
from engine.models.base import Shape
from engine.seeding import derive_seed, generators

_SAMPLES = 2


def build_nodes(
    nodes: Mapping[str, ComputeNode], order: list[str], context: ExperimentContext, *, force: bool
) -> None:
    """Build every node, in order, for the shapes that really reach it.

    New weights are drawn from the experiment's seed and the node's label.
    """
    tails = _tails(nodes)
    seen: dict[str, Any] = {}
    for label in order:
        node = nodes[label]
        inputs = [_input(node, one, seen, context) for one in node.get_upstream_refs()]
        if isinstance(node, ModelNode):
            wanted = _target_shape(node, nodes, context) if label in tails else None
            with generators(weight_seed(context, label)):
                seen[label] = _build_model(node, inputs[0], wanted, nodes, force=force)
        elif isinstance(node, MergeNode):
            seen[label] = _build_merge(node, inputs, nodes)


def weight_seed(context: ExperimentContext, label: str) -> int:
    """The seed that a node's first weights are drawn from."""
    seed = getattr(context.get_experiment(), "seed", None)
    return derive_seed(seed, "weights", label)


def _tails(nodes: Mapping[str, ComputeNode]) -> set[str]:
    feeding = {one.node_label for node in nodes.values() for one in node.get_upstream_refs()}
    return {label for label in nodes if label not in feeding}


def _input(node: ComputeNode, reference: Any, seen: Mapping[str, Any], ctx: Any) -> Any:
    if not isinstance(reference, FeatureSetReference):
        return seen[reference.node_label]
    return _sample(reference, FEATURES, node.data_form, ctx)


def _sample(reference: FeatureSetReference, domain: str, form: str, ctx: Any) -> Any:
    """The first samples of a feature set, in the form in which batches will come."""
    view = reference.resolve(ctx)
    few = view.take(np.arange(min(_SAMPLES, len(view))), None)
    return ColumnStore(few, reference, fmt=form).block(reference.of_domain(domain))


def _target_shape(node: ModelNode, nodes: Mapping[str, ComputeNode], ctx: Any) -> Shape | None:
    """What the targets ask the last node to give: their own shape, unless they name classes."""
    reference = _first_feature_set(node, nodes)
    if reference is None or not reference.targets:
        return None
    try:
        targets = _sample(reference, TARGETS, "torch", ctx)
    except EngineError:  # texts, or columns of several shapes
        return None
    return tuple(targets.shape[1:]) if targets.is_floating_point() else None


def _first_feature_set(
    node: ComputeNode, nodes: Mapping[str, ComputeNode]
) -> FeatureSetReference | None:
    for reference in node.get_upstream_refs():
        if isinstance(reference, FeatureSetReference):
            return reference
        found = _first_feature_set(nodes[reference.node_label], nodes)
        if found is not None:
            return found
    return None


def _build_model(
    node: ModelNode,
    values: Any,
    wanted: Shape | None,
    nodes: Mapping[str, ComputeNode],
    *,
    force: bool,
) -> Any:
    """Build the model and return what it gives for the samples; None while that is not known."""
    if values is None:
        node.adopt()
        return None
    shape = tuple(values.shape[1:])
    try:
        node.build_model(shape, node.model.output_shape or wanted, force=force)
    except ModelError as error:
        raise GraphError(f"Node {node.label!r} ({path_to(nodes, node.label)}): {error}") from error
    return _probe(node, values, nodes)


def _probe(node: ModelNode, values: Any, nodes: Mapping[str, ComputeNode]) -> Any:
    if not node.is_torch:
        return _probe_estimator(node, values)
    attempts = [None, *dict.fromkeys(one.dtype for one in node.module.parameters())]
    values = to_torch(values, node.module)
    failure: Exception | None = None
    with torch.no_grad(), evaluating([node]):
        for kind in attempts:
            node.set_output_shape(None, kind)
            try:
                outputs = node.compute([values])
            except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError) as error:
                # The last one: before it, it may only have been the type that did not fit.
                failure = error
            else:
                _check_output(node, outputs, values)
                node.set_output_shape(tuple(outputs.shape[1:]), kind)
                return outputs
    raise _misfit(node, values, failure, nodes)


def _probe_estimator(node: ModelNode, values: Any) -> Any:
    if not node.model.is_fitted:  # type: ignore[attr-defined]  # scikit-learn's have it
        return None
    outputs = node.compute([values])
    node.set_output_shape(tuple(outputs.shape[1:]), None)
    return outputs


def _check_output(node: ModelNode, outputs: Any, values: Any) -> None:
    if not isinstance(outputs, torch.Tensor):
        raise GraphError(
            f"The model of node {node.label!r} returns a {type(outputs).__name__}; wrap it in a "
            "module that returns one tensor."
        )
    if outputs.dim() == 0 or len(outputs) != len(values):
        raise GraphError(
            f"The model of node {node.label!r} makes {tuple(outputs.shape)} of {len(values)} "
            "samples; its output must have one row per sample."
        )


def _misfit(
    node: ModelNode, values: Any, error: Exception | None, nodes: Mapping[str, ComputeNode]
) -> GraphError:
    source = node.get_upstream_refs()[0].node_label
    return GraphError(
        f"Node {node.label!r} cannot take what {source!r} gives ({path_to(nodes, node.label)}): "
        f"samples of shape {tuple(values.shape[1:])} reach {_first_layer(node.module)}. {error}"
    )


def _first_layer(module: torch.nn.Module) -> str:
    """The first layer that holds weights, which says what shape it takes."""
    for layer in module.modules():
        if next(layer.parameters(recurse=False), None) is not None:
            return repr(layer)
    return type(module).__name__


def _build_merge(
    node: MergeNode, inputs: list[Any], nodes: Mapping[str, ComputeNode]
) -> torch.Tensor | None:
    if any(one is None for one in inputs):
        return None
    tensors = as_tensors(inputs)
    try:
        merged: torch.Tensor = node.apply_merge(tensors)
    except GraphError as error:
        raise GraphError(f"{error} ({path_to(nodes, node.label)})") from error
    node.build([tuple(one.shape[1:]) for one in tensors], tuple(merged.shape[1:]))
    return merged


@contextmanager
def evaluating(nodes: list[ModelNode]) -> Iterator[None]:
    """Dropout and the like are off for the length of the block, and as they were afterwards."""
    modes = [(node, node.get_mode()) for node in nodes if node.is_torch]
    for node, mode in modes:
        if mode["training"] is not False:
            node.module.eval()
    try:
        yield
    finally:
        for node, mode in modes:
            node.set_mode(mode)
