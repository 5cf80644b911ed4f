import pytest
import torch

from engine.errors import LossError, OptimizerNotSetError
from engine.graph import ModelGraph, ModelNode, TrainStep
from engine.losses import AppliedLoss
from engine.optimizers import Optimizer
from tests.engine.graph.small_nets import mlp


class TestFreezing:
    def make(self, numbers):
        encoder = ModelNode("encoder", mlp(12, 4), numbers("kind"))
        head = ModelNode("head", torch.nn.Linear(4, 3), encoder)
        return ModelGraph([encoder, head], Optimizer("sgd", opt_kwargs={"lr": 0.1})), [
            AppliedLoss("crossentropy", "head")
        ]

    def test_a_frozen_node_keeps_weights_and_statistics(self, numbers, contexts, weights):
        graph, losses = self.make(numbers)
        graph.build()
        graph.freeze(["encoder"])
        before = weights(graph)
        step = TrainStep(graph, losses)

        for ctx in contexts(graph):
            step(ctx)

        after = weights(graph)
        changed = {
            name.split(".")[0] for name in after if not torch.equal(after[name], before[name])
        }
        assert changed == {"head"}

    def test_unfreezing_in_between_is_noticed(self, numbers, contexts, weights):
        graph, losses = self.make(numbers)
        graph.freeze(["encoder"])
        step = TrainStep(graph, losses)
        before = weights(graph)
        steps = contexts(graph)
        step(next(steps))
        graph.unfreeze(["encoder"])
        step(next(steps))

        assert not torch.equal(weights(graph)["encoder.0.weight"], before["encoder.0.weight"])
        assert graph.nodes["encoder"].module.training

    def test_a_stage_unfrozen_in_between_learns_from_then_on(self, numbers, contexts, weights):
        first = ModelNode("first", torch.nn.Linear(12, 1), numbers("size"), Optimizer("sgd"))
        second = ModelNode("second", torch.nn.Linear(1, 1), first, Optimizer("sgd"))
        graph = ModelGraph([first, second])
        second.freeze()
        step = TrainStep(graph, [AppliedLoss("mse", "first"), AppliedLoss("mse", "second")])
        before = weights(graph)
        steps = contexts(graph)
        step(next(steps))
        assert torch.equal(second.module.weight, before["second.weight"])
        second.unfreeze()
        step(next(steps))

        assert not torch.equal(second.module.weight, before["second.weight"])

    def test_an_old_gradient_is_not_applied_to_a_frozen_node(self, numbers, contexts, weights):
        graph, losses = self.make(numbers)
        step = TrainStep(graph, losses)
        steps = contexts(graph)
        step(next(steps))
        graph.freeze(["encoder"])
        before = weights(graph)
        step(next(steps))

        assert torch.equal(weights(graph)["encoder.0.weight"], before["encoder.0.weight"])

    def test_training_with_everything_frozen_is_refused(self, numbers):
        graph, losses = self.make(numbers)
        graph.freeze()

        with pytest.raises(OptimizerNotSetError, match="nothing to train: 'encoder' is frozen"):
            TrainStep(graph, losses)

    def test_a_loss_that_reaches_only_frozen_nodes_is_refused(self, numbers):
        graph, _ = self.make(numbers)
        graph.freeze(["encoder"])

        with pytest.raises(LossError, match="None of the losses"):
            TrainStep(graph, [AppliedLoss("crossentropy", "encoder")])

    def test_a_model_left_in_evaluation_mode_trains_again(self, numbers, contexts):
        graph, losses = self.make(numbers)
        step = TrainStep(graph, losses)
        graph.nodes["encoder"].module.eval()
        step(next(contexts(graph)))

        assert graph.nodes["encoder"].module.training

    def test_parameters_that_the_user_fixed_stay_fixed(self, numbers, contexts):
        graph, _ = self.make(numbers)
        fixed = graph.nodes["head"].module.bias
        fixed.requires_grad_(False)
        graph.build()
        graph.freeze()
        graph.unfreeze()

        assert not fixed.requires_grad
        assert graph.nodes["head"].module.weight.requires_grad
