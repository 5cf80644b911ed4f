import copy

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression

from engine.context import ExperimentContext
from engine.errors import CheckpointError, FileFormatError
from engine.graph import EvalStep, FitStep, ModelGraph, ModelNode, TrainStep
from engine.losses import AppliedLoss, Loss
from engine.models.comparing import same_values
from engine.optimizers import Optimizer, Scheduler
from engine.saving import read_file, write_file


def make_net(width=6):
    torch.manual_seed(1)
    return torch.nn.Sequential(
        torch.nn.Linear(12, width), torch.nn.BatchNorm1d(width), torch.nn.Linear(width, 1)
    )


@pytest.fixture
def make(numbers):
    """The same graph each time: an encoder, a head, one optimizer with a schedule."""

    def build(width=6, *, optimizer=True):
        schedule = Scheduler("MultiStepLR", {"milestones": [2, 4]}, interval="step")
        encoder = ModelNode("encoder", make_net(width), numbers("size"), None)
        head = ModelNode("head", torch.nn.Linear(1, 1), encoder)
        shared = Optimizer("adam", opt_kwargs={"lr": 0.1}, scheduler=schedule)
        return ModelGraph([encoder, head], shared if optimizer else None, register=False)

    def fresh(*args, **kwargs):
        context = ExperimentContext.get_active()
        with context.use_policy("overwrite"):
            return build(*args, **kwargs)

    return fresh


LOSSES = [AppliedLoss("mse", "head")]


def train(graph, contexts, epochs):
    step = TrainStep(graph, LOSSES)
    for epoch in epochs:
        for ctx in contexts(graph, epoch=epoch):
            step(ctx)


class TestGoingOn:
    def test_from_a_file_in_a_graph_made_anew_is_as_if_never_stopped(
        self, make, contexts, tmp_path
    ):
        whole = make()
        train(whole, contexts, [0, 1])

        first = make()
        train(first, contexts, [0])
        first.save_checkpoint(tmp_path / "half.lk", meta={"epoch": 1})
        second = make()
        with torch.no_grad():
            second.build()
            for node in second.model_nodes:
                for parameter in node.parameters:
                    parameter.zero_()
        second.restore_checkpoint(tmp_path / "half.lk")
        train(second, contexts, [1])

        assert same_values(second.get_state(), whole.get_state())
        assert second.optimizer.instance.param_groups[0]["lr"] == pytest.approx(0.001)

    def test_a_state_in_memory_is_not_touched_by_further_training(self, make, contexts):
        graph = make()
        train(graph, contexts, [0])
        state = graph.get_state()
        kept = copy.deepcopy(state)
        train(graph, contexts, [1])
        assert same_values(state, kept)

        graph.set_state(state)
        train(graph, contexts, [1])
        after = graph.get_state()
        assert same_values(state, kept)

        graph.set_state(state)
        train(graph, contexts, [1])
        assert same_values(graph.get_state(), after)

    def test_weights_alone_go_back_and_leave_the_moments(
        self, make, contexts, weights, assert_same
    ):
        graph = make()
        train(graph, contexts, [0])
        best, shown = graph.get_weights(), weights(graph)
        train(graph, contexts, [1])
        moments = copy.deepcopy(graph.optimizer.get_state())

        graph.set_weights(best)

        assert_same(weights(graph), shown)
        assert same_values(graph.optimizer.get_state(), moments)

    def test_frozen_nodes_are_frozen_again(self, make):
        graph, other = make(), make()
        graph.freeze(["encoder"])
        other.set_state(graph.get_state())

        assert list(other.frozen_nodes) == ["encoder"]
        assert not any(one.requires_grad for one in other.nodes["encoder"].parameters)
        assert not other.nodes["encoder"].module.training

    def test_a_shared_state_is_for_writing_at_once(self, make):
        graph = make()
        shared = graph.get_state(copy=False)
        weight = shared["nodes"]["head"]["model"]["weights"]["weight"]

        assert weight.data_ptr() == graph.nodes["head"].module.weight.data_ptr()

    def test_stages_have_their_own_optimizers_states(self, numbers, contexts, tmp_path):
        def build():
            context = ExperimentContext.get_active()
            with context.use_policy("overwrite"):
                first = ModelNode("encoder", make_net(), numbers("size"), Optimizer("adam"))
                ModelNode("head", torch.nn.Linear(1, 1), first, Optimizer("rmsprop"))
                torch.manual_seed(3)
                return ModelGraph(["encoder", "head"], register=False)

        losses = [AppliedLoss("mse", "encoder"), AppliedLoss("mse", "head")]
        first, second = build(), build()
        step = TrainStep(first, losses)
        for ctx in contexts(first):
            step(ctx)
        first.save_checkpoint(tmp_path / "a.lk")
        second.restore_checkpoint(tmp_path / "a.lk")

        assert same_values(second.get_state(), first.get_state())
        assert second.nodes["head"].optimizer.instance.state


class TestTied:
    def test_tied_weights_are_written_once_and_stay_tied(self, numbers, tmp_path):
        class Tied(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.first = torch.nn.Linear(12, 12, bias=False)
                self.second = torch.nn.Linear(12, 12, bias=False)
                self.second.weight = self.first.weight

            def forward(self, x):
                return self.second(self.first(x))

        graph = ModelGraph([ModelNode("tied", Tied(), numbers())], Optimizer("adam"))
        graph.build()
        state = graph.get_state()["nodes"]["tied"]["model"]["weights"]
        assert state["first.weight"].data_ptr() == state["second.weight"].data_ptr()

        graph.save_checkpoint(tmp_path / "t.lk")
        graph.restore_checkpoint(tmp_path / "t.lk")
        module = graph.nodes["tied"].module
        assert module.first.weight is module.second.weight
        assert len(graph.optimizer.parameters) == 1


class TestEstimators:
    def test_fitted_ones_go_through_a_file(self, numbers, contexts, tmp_path):
        graph = ModelGraph([ModelNode("line", LinearRegression(), numbers("size"))])
        ctx = next(contexts(graph, batch_size=50))
        FitStep(graph)(ctx)
        expected = ctx.outputs["line"].outputs
        graph.save_checkpoint(tmp_path / "line.lk")

        graph.nodes["line"].model.build(force=True)
        assert not graph.nodes["line"].model.is_fitted
        graph.restore_checkpoint(tmp_path / "line.lk")
        EvalStep(graph)(ctx)
        assert np.array_equal(ctx.outputs["line"].outputs, expected)

    def test_trees_are_read_only_on_trust(self, numbers, contexts, tmp_path):
        forest = RandomForestRegressor(n_estimators=3, random_state=0)
        graph = ModelGraph([ModelNode("forest", forest, numbers("size"))])
        ctx = next(contexts(graph, batch_size=50))
        FitStep(graph)(ctx)
        path = graph.save_checkpoint(tmp_path / "forest.lk")

        with pytest.raises(FileFormatError, match=r"sklearn\.tree.*trusted=True"):
            graph.restore_checkpoint(path)
        state, _ = read_file(path, trusted=True)
        graph.nodes["forest"].model.build(force=True)
        graph.restore_checkpoint(path, trusted=True)
        assert same_values(
            state["nodes"]["forest"]["model"], graph.nodes["forest"].model.get_state()
        )

    def test_a_kept_state_is_not_fitted_along(self, numbers, contexts):
        graph = ModelGraph([ModelNode("line", LinearRegression(), numbers("size"))])
        ctx = next(contexts(graph, batch_size=50))
        FitStep(graph, freeze_after_fit=False)(ctx)
        state = graph.get_state()
        graph.set_state(state)
        kept = copy.deepcopy(state)
        ctx = next(contexts(graph, batch_size=9, seed=8))
        FitStep(graph)(ctx)

        assert same_values(state["nodes"]["line"]["model"], kept["nodes"]["line"]["model"])


class TestMisfits:
    @pytest.fixture
    def graph(self, make):
        graph = make()
        graph.build()
        return graph

    def refused(self, graph, state, match):
        before = graph.get_state()
        with pytest.raises(CheckpointError, match=match):
            graph.set_state(state)
        assert same_values(graph.get_state(), before)

    def test_other_shapes_are_named_and_change_nothing(self, graph, make):
        state = make(width=5).get_state()
        self.refused(graph, state, r"'encoder'.*'0.weight' has the shape \(5, 12\), and \(6, 12\)")

    def test_other_nodes_are_named(self, graph):
        state = graph.get_state()
        state["nodes"]["haed"] = state["nodes"].pop("head")
        self.refused(graph, state, "nothing of the node 'head'. Did you mean 'haed'")
        state["nodes"]["head"] = state["nodes"]["haed"]
        self.refused(graph, state, "a node 'haed', which this one has not")

    def test_missing_and_strange_weights_are_named(self, graph):
        state = graph.get_state()
        state["nodes"]["head"]["model"]["weights"].pop("bias")
        self.refused(graph, state, "'head'.*'bias' are missing")
        state["nodes"]["head"]["model"]["weights"]["biass"] = torch.zeros(1)
        self.refused(graph, state, "no weight 'biass'. Did you mean 'bias'")

    def test_a_state_with_another_kind_of_optimization(self, graph, make):
        self.refused(graph, make(optimizer=False).get_state(), "an optimizer, and no one")

    def test_a_state_with_other_moments(self, graph):
        state = graph.get_state()
        state["optimizer"]["optimizer"]["param_groups"][0]["params"].append(9)
        self.refused(graph, state, "for \\[9\\] parameters, and this one has \\[8\\]")

    def test_files_of_another_kind_and_missing_ones(self, graph, tmp_path):
        write_file(tmp_path / "other.lk", "notes", {})
        with pytest.raises(FileFormatError, match="holds a notes, not a graph checkpoint"):
            graph.restore_checkpoint(tmp_path / "other.lk")
        with pytest.raises(CheckpointError, match=r"Did you mean 'other\.lk'"):
            graph.restore_checkpoint(tmp_path / "othre.lk")

    def test_an_existing_file_is_kept(self, graph, tmp_path):
        path = graph.save_checkpoint(tmp_path / "a.lk")
        with pytest.raises(FileExistsError, match="overwrite=True"):
            graph.save_checkpoint(path)
        graph.save_checkpoint(path, overwrite=True)


class TestModes:
    def test_are_put_back_module_by_module(self, make):
        graph = make()
        graph.build()
        graph.nodes["encoder"].module[1].eval()
        found = graph.frozen_state()
        graph.freeze()
        graph.nodes["encoder"].module.train()
        graph.set_frozen_state(found)

        assert not graph.frozen_nodes
        assert [one.training for one in graph.nodes["encoder"].module] == [True, False, True]
        assert graph.nodes["encoder"].module.training
        assert all(one.requires_grad for one in graph.nodes["encoder"].parameters)

    def test_are_plain_values_for_a_checkpoint(self, make, tmp_path):
        graph = make()
        graph.build()
        graph.nodes["encoder"].module[1].eval()
        write_file(tmp_path / "m.lk", "modes", graph.frozen_state())

        assert read_file(tmp_path / "m.lk")[0] == graph.frozen_state()

    def test_freezing_before_building_holds_afterwards(self, make):
        graph = make()
        graph.freeze(["head"])
        graph.build()

        assert not graph.nodes["head"].module.weight.requires_grad


def test_moving_to_a_device_keeps_what_was_learned(make, contexts):
    graph = make()
    train(graph, contexts, [0])
    before = graph.get_state()
    assert graph.to("cpu") is graph
    assert same_values(graph.get_state(), before)
    train(graph, contexts, [1])


def test_models_that_are_built_later_go_to_the_same_device(make):
    graph = make()
    graph.to("meta")
    graph.build()

    assert {one.device.type for node in graph.model_nodes for one in node.parameters} == {"meta"}


def test_what_a_loss_holds_is_where_the_models_are(numbers):
    graph = ModelGraph(
        [ModelNode("net", torch.nn.Linear(12, 3), numbers("kind"))], Optimizer("sgd")
    )
    graph.to("meta")
    loss = Loss("crossentropy", loss_kwargs={"weight": torch.ones(3)})
    TrainStep(graph, [AppliedLoss(loss, "net")])

    assert loss.function.weight.device.type == "meta"


def test_a_rename_keeps_the_wiring(digits):
    first = ModelNode("first", torch.nn.Linear(64, 2), digits.reference(features="image"))
    second = ModelNode("second", torch.nn.Linear(2, 2), first)
    first.label = "encoder"

    assert second.upstream_ref.node_label == "encoder"
    assert ModelGraph().order == ["encoder", "second"]
