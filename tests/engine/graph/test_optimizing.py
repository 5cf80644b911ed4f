"""An optimizer, and a schedule, changes the nodes of one graph only."""

import pytest
import torch

from engine.errors import OptimizerError
from engine.graph import ModelGraph, ModelNode
from engine.optimizers import Optimizer, Scheduler
from tests.engine.graph.graphs import adam, numbers


def node(label, data, optimizer=None):
    return ModelNode(label, torch.nn.Linear(6, 1), data, optimizer)


@pytest.fixture
def data():
    return numbers().reference(targets="y")


class TestWithinAGraph:
    def test_two_nodes_have_an_optimizer_each(self, data):
        shared = adam()
        nodes = [node("a", data, shared), node("b", data, shared)]

        with pytest.raises(
            OptimizerError, match=r"'a' and 'b' have one and the same.*to the graph"
        ):
            ModelGraph(nodes)

    def test_two_optimizers_have_a_schedule_each(self, data):
        schedule = Scheduler("StepLR", {"step_size": 1})
        nodes = [node("a", data, adam(schedule)), node("b", data, adam(schedule))]

        with pytest.raises(OptimizerError, match=r"'a' and 'b' have one and the same.*StepLR"):
            ModelGraph(nodes)

    def test_a_node_that_is_added_has_its_own(self, data):
        first = node("a", data, adam())
        graph = ModelGraph([first])

        with pytest.raises(OptimizerError, match="'a' and 'b'"):
            graph.add_node(node("b", data, first.optimizer))
        assert list(graph.nodes) == graph.order == ["a"]

    def test_a_node_in_the_place_of_another_may_take_over_its_optimizer(self, data):
        graph = ModelGraph([node("a", data, adam())])
        graph.build()
        new = node("b", data, graph.find("a").optimizer)
        graph.replace_node("a", new)
        graph.build()

        assert new.optimizer.parameters == list(new.module.parameters())


class TestOfTwoGraphs:
    @pytest.mark.parametrize("force", [False, True])
    def test_each_has_an_optimizer_of_its_own(self, data, force):
        shared = adam()
        first = ModelGraph([node("a", data)], shared, register=False)
        first.build()
        second = ModelGraph([node("b", data)], shared, register=False)

        with pytest.raises(OptimizerError, match=r"trains other nodes already \('a'\).*'b'"):
            second.build(force=force)
        assert shared.parameters == list(first.find("a").module.parameters())

    def test_a_second_graph_of_the_same_nodes_goes_on_with_the_optimizer(self, data):
        one, shared = node("a", data), adam()
        ModelGraph([one], shared, register=False).build()
        again = ModelGraph([one], shared, register=False)
        again.build()
        again.build(force=True)

        assert shared.parameters == list(one.module.parameters())

    def test_a_graph_with_one_more_node_needs_an_optimizer_that_trains_it(self, data):
        one, shared = node("a", data), adam()
        ModelGraph([one], shared, register=False).build()

        with pytest.raises(OptimizerError, match="'a', 'b' as well"):
            ModelGraph([one, node("b", data)], shared, register=False).build()

    def test_one_that_was_built_by_hand_is_taken_as_it_is(self, data):
        one, own = node("a", data), Optimizer("sgd")
        own.build(parameters=one.module.parameters())
        ModelGraph([one], own, register=False).build()

        assert own.parameters == list(one.module.parameters())
