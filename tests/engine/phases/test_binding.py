import numpy as np
import pytest
import torch

from engine.errors import PhaseError, UnknownLabelError
from engine.experiment import Experiment
from engine.graph import ConcatNode, ModelGraph, ModelNode
from engine.optimizers import Optimizer
from engine.phases import InputBinding
from engine.samplers import SimpleSampler
from tests.engine.small_experiments import line, numbers


@pytest.fixture
def data():
    Experiment("small", seed=1)
    return numbers("data")


@pytest.fixture
def node(data):
    node = line("net", data)
    ModelGraph(optimizer=Optimizer("adam"))
    return node


def sampler():
    return SimpleSampler(batch_size=10, shuffle=True, seed=1)


class TestMaking:
    def test_the_only_feature_set_of_a_node_need_not_be_named(self, node, data):
        for given in ("net", node):
            binding = InputBinding.for_training(node=given, sampler=sampler(), split="train")
            assert binding.node_id == "net"
            assert binding.upstream_ref == data.reference()

    def test_a_feature_set_a_split_or_a_label_names_it_too(self, node, data):
        for upstream in (data, "data", data.to_view()):
            binding = InputBinding.for_evaluation(node=node, upstream=upstream)
            assert (binding.split, len(binding.resolve_input_view())) == (None, 40)
        by_view = InputBinding.for_evaluation(node=node, upstream=data["val"])
        assert (by_view.split, len(by_view.resolve_input_view())) == ("val", 10)

    def test_a_view_that_is_no_split_is_refused_rather_than_widened(self, node, data):
        with pytest.raises(PhaseError, match=r"Register it with data\.add_split"):
            InputBinding.for_evaluation(node=node, upstream=data.take([1, 2, 3]))

    def test_unknown_names_suggest_the_nearest(self, node, data):
        with pytest.raises(UnknownLabelError, match="Did you mean 'val'"):
            InputBinding.for_evaluation(node=node, split="vall")
        with pytest.raises(UnknownLabelError, match="Did you mean 'net'"):
            InputBinding.for_evaluation(node="nett")
        with pytest.raises(UnknownLabelError, match="Did you mean 'data'"):
            InputBinding.for_evaluation(node=node, upstream="dat")

    def test_a_node_without_feature_sets_takes_no_binding(self, node):
        inner = line("inner", node, inputs=1)
        with pytest.raises(PhaseError, match="'inner' takes in no feature set"):
            InputBinding.for_evaluation(node=inner)

    def test_one_of_several_must_be_named(self, data):
        other = numbers("other", seed=1)
        ConcatNode("both", [data, other])
        with pytest.raises(PhaseError, match="several feature sets, data, other"):
            InputBinding.for_evaluation(node="both")
        assert InputBinding.for_evaluation(node="both", upstream=other).upstream_ref == (
            other.reference()
        )

    def test_wrong_parts_are_refused(self, node, data):
        with pytest.raises(PhaseError, match="is no sampler"):
            InputBinding("net", data.reference(), sampler="simple")
        with pytest.raises(PhaseError, match="needs a reference to a FeatureSet"):
            InputBinding("net", node.reference())


class TestBatches:
    def test_are_those_of_the_first_epoch(self, node):
        binding = InputBinding.for_training(node=node, sampler=sampler(), split="train")

        first, again = (binding.materialize_batches(show_progress=False) for _ in range(2))

        assert [len(view) for view in first] == [10, 10, 10]
        for one, other in zip(first, again, strict=True):
            assert np.array_equal(one.role_indices["default"], other.role_indices["default"])

    def test_leave_the_sampler_alone(self, node):
        shared = sampler()
        InputBinding.for_training(node=node, sampler=shared, split="train").materialize_batches()

        assert not shared.is_bound

    def test_without_a_sampler_are_everything_at_once(self, node):
        (view,) = InputBinding.for_evaluation(node=node, split="val").materialize_batches()

        assert len(view) == 10
        assert view.get_role_view().n_samples == 10


def test_the_configuration_makes_an_equal_one(node):
    made = InputBinding.for_training(node=node, sampler=sampler(), split="train")

    again = InputBinding.from_config(made.get_config())

    assert again.get_config() == made.get_config()
    assert again.upstream_ref == made.upstream_ref
    assert isinstance(again.sampler, SimpleSampler)
    assert (
        InputBinding.from_config(InputBinding.for_evaluation(node="net").get_config()).sampler
        is None
    )


def test_a_model_node_of_a_view_is_bound_to_its_feature_set(data):
    ModelNode("narrow", torch.nn.Linear(1, 1), data.select(features=["x0"]))
    binding = InputBinding.for_evaluation(node="narrow", split="val")

    assert binding.upstream_ref.features == ("features.x0.raw",)
