"""Small graphs on small data, and the steps of an epoch."""

import copy
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch

from engine.batches import BatchViews, ColumnStore, ExecutionContext
from engine.features import FeatureSet
from engine.graph import ModelGraph
from engine.samplers import SimpleSampler


@pytest.fixture
def digits() -> FeatureSet:
    """Twelve numbers a sample, a class, a number to predict, an image and a tag."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(50, 12)).astype(np.float32)
    columns = {f"x{place}": x[:, place] for place in range(12)}
    return FeatureSet.from_dict(
        "digits",
        {
            **columns,
            "image": list(generator.normal(size=(50, 1, 8, 8)).astype(np.float32)),
            "kind": generator.integers(0, 3, size=50),
            "size": x.sum(axis=1),
            "pair": list(generator.normal(size=(50, 2)).astype(np.float32)),
            "name": [f"s{place}" for place in range(50)],
        },
        feature_keys=[*columns, "image"],
        target_keys=["kind", "size", "pair"],
        tag_keys=["name"],
    )


@pytest.fixture
def numbers(digits):
    """A reference to the twelve numbers with one target."""

    def refer(target: str = "kind", features: Sequence[str] | None = None):
        chosen = features or [f"x{place}" for place in range(12)]
        return digits.reference(features=list(chosen), targets=target)

    return refer


def steps_of(
    graph: ModelGraph, *, batch_size: int = 8, epoch: int = 0, seed: int = 5, shuffle: bool = True
) -> Iterator[ExecutionContext]:
    """The steps of one epoch: every head of the graph draws the same batches."""
    opened = {}
    for label, form in graph.input_forms().items():
        for reference in graph.nodes[label].get_upstream_refs():
            if not hasattr(reference, "features"):
                continue
            view = graph.ctx.get_node(reference.node_label).to_view()
            sampler = SimpleSampler(batch_size=batch_size, shuffle=shuffle, seed=seed)
            sampler.bind_sources([view])
            store = ColumnStore(view, reference, fmt=form)
            opened[label, reference] = BatchViews(store, sampler.epoch_batches(epoch))
    n_batches = min(map(len, opened.values()))
    for batch in range(n_batches):
        inputs = {key: views[batch] for key, views in opened.items()}
        yield ExecutionContext("phase", epoch, batch, inputs)


@pytest.fixture
def contexts() -> Callable[..., Iterator[ExecutionContext]]:
    return steps_of


def weights_of(graph: ModelGraph) -> dict[str, torch.Tensor]:
    """A copy of every weight and buffer, by node and name."""
    return {
        f"{node.label}.{name}": value.clone()
        for node in graph.model_nodes
        if node.is_torch
        for name, value in copy.copy(node.module.state_dict()).items()
    }


@pytest.fixture
def weights():
    return weights_of


@pytest.fixture
def assert_same():
    def check(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> None:
        assert left.keys() == right.keys()
        for name, value in left.items():
            assert torch.equal(value, right[name]), name

    return check
