"""Training by steps gives the very numbers of the loop that one would write by hand."""

import copy

import pytest
import torch

from engine.batches import ExecutionContext
from engine.errors import GraphError, LossError, OptimizerNotSetError
from engine.graph import ConcatNode, ModelGraph, ModelNode, TrainStep
from engine.losses import AppliedLoss, Loss
from engine.optimizers import Optimizer, Scheduler
from tests.engine.graph.small_nets import mlp, same_state


class TestAgainstThePlainLoop:
    def test_a_classifier_with_dropout_and_a_schedule(self, digits, numbers, contexts):
        net = mlp(dropout=0.3)
        plain = copy.deepcopy(net)
        schedule = Scheduler("StepLR", {"step_size": 2, "gamma": 0.5}, interval="step")
        graph = ModelGraph(
            [ModelNode("net", net, numbers("kind"))],
            Optimizer("adam", opt_kwargs={"lr": 0.01, "weight_decay": 0.1}, scheduler=schedule),
        )
        step = TrainStep(graph, [AppliedLoss("crossentropy", "net")])

        torch.manual_seed(7)
        losses = [step(ctx) for epoch in range(2) for ctx in contexts(graph, epoch=epoch)]

        torch.manual_seed(7)
        optimizer = torch.optim.Adam(plain.parameters(), lr=0.01, weight_decay=0.1)
        plain_schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
        criterion = torch.nn.CrossEntropyLoss()
        expected = []
        for epoch in range(2):
            for x, y in batches(graph, contexts, epoch):
                optimizer.zero_grad()
                loss = criterion(plain(x), y.squeeze(1))
                loss.backward()
                optimizer.step()
                plain_schedule.step()
                expected.append(loss.detach())
        assert same_state(net, plain)
        assert torch.equal(torch.stack(losses), torch.stack(expected))

    def test_a_convolutional_regression(self, digits, contexts):
        torch.manual_seed(2)
        net = torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(144, 1)
        )
        plain = copy.deepcopy(net)
        reference = digits.reference(features="image", targets="size")
        graph = ModelGraph(
            [ModelNode("net", net, reference)],
            Optimizer(torch.optim.SGD, opt_kwargs={"lr": 0.05, "momentum": 0.9}),
        )
        step = TrainStep(graph, [AppliedLoss(Loss("mse"), "net", weight=0.5)])

        for ctx in contexts(graph):
            step(ctx)

        optimizer = torch.optim.SGD(plain.parameters(), lr=0.05, momentum=0.9)
        for x, y in batches(graph, contexts):
            optimizer.zero_grad()
            (torch.nn.functional.mse_loss(plain(x), y) * 0.5).backward()
            optimizer.step()
        assert same_state(net, plain)

    def test_two_inputs_two_heads_and_two_losses(self, digits, numbers, contexts):
        torch.manual_seed(3)
        parts = {
            "left": torch.nn.Linear(8, 5),
            "right": torch.nn.Linear(4, 6),
            "kind": torch.nn.Linear(11, 3),
            "size": torch.nn.Linear(11, 1),
        }
        plain = copy.deepcopy(torch.nn.ModuleDict(parts))
        left = ModelNode("left", parts["left"], numbers("kind", [f"x{n}" for n in range(8)]))
        right = ModelNode("right", parts["right"], numbers("kind", [f"x{n}" for n in range(8, 12)]))
        both = ConcatNode("both", [left, right])
        kind = ModelNode("kind", parts["kind"], both)
        size = ModelNode("size", parts["size"], both)
        graph = ModelGraph([left, right, both, kind, size], Optimizer("adam"))
        target = digits.column_reference(target="size")
        step = TrainStep(
            graph,
            [
                AppliedLoss("crossentropy", kind, {"input": "outputs", "target": "targets"}),
                AppliedLoss("l1", size, ["outputs", target], weight=2.0),
            ],
        )

        for ctx in contexts(graph):
            step(ctx)

        optimizer = torch.optim.Adam(plain.parameters())
        for ctx in contexts(graph):
            (x1, y), (x2, _) = [
                (view.batch.features, view.batch.targets) for view in ctx.inputs.values()
            ]
            view = next(iter(ctx.inputs.values()))
            sizes = view.take((target.column,))
            middle = torch.cat([plain["left"](x1), plain["right"](x2)], dim=1)
            optimizer.zero_grad()
            first = torch.nn.functional.cross_entropy(plain["kind"](middle), y.squeeze(1))
            second = torch.nn.functional.l1_loss(plain["size"](middle), sizes) * 2.0
            (first + second).backward()
            optimizer.step()
        assert same_state(torch.nn.ModuleDict(parts), plain)

    def test_stages_learn_one_after_the_other_from_detached_inputs(self, numbers, contexts):
        torch.manual_seed(4)
        encoder, head = torch.nn.Linear(12, 1), torch.nn.Linear(1, 1)
        plain_encoder, plain_head = copy.deepcopy(encoder), copy.deepcopy(head)
        first = ModelNode(
            "encoder", encoder, numbers("size"), Optimizer("sgd", opt_kwargs={"lr": 0.1})
        )
        second = ModelNode("head", head, first, Optimizer("adam"))
        graph = ModelGraph([second, first])
        step = TrainStep(graph, [AppliedLoss("mse", "head"), AppliedLoss("mse", "encoder")])

        totals = [step(ctx) for ctx in contexts(graph)]

        sgd = torch.optim.SGD(plain_encoder.parameters(), lr=0.1)
        adam = torch.optim.Adam(plain_head.parameters())
        expected = []
        for x, y in batches(graph, contexts):
            middle = plain_encoder(x)
            loss = torch.nn.functional.mse_loss(middle, y)
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            later = torch.nn.functional.mse_loss(plain_head(middle.detach()), y)
            adam.zero_grad()
            later.backward()
            adam.step()
            expected.append(loss.detach() + later.detach())
        assert same_state(encoder, plain_encoder)
        assert same_state(head, plain_head)
        assert torch.equal(torch.stack(totals), torch.stack(expected))


def batches(graph, contexts, epoch=0):
    for ctx in contexts(graph, epoch=epoch):
        batch = next(iter(ctx.inputs.values())).batch
        yield batch.features, batch.targets

    def test_a_module_shared_by_two_nodes_is_trained_once(self, numbers, contexts):
        shared, plain = torch.nn.Linear(4, 1), torch.nn.Linear(4, 1)
        plain.load_state_dict(shared.state_dict())
        left = ModelNode("left", shared, numbers("size", ["x0", "x1", "x2", "x3"]))
        right = ModelNode("right", shared, numbers("size", ["x4", "x5", "x6", "x7"]))
        graph = ModelGraph([left, right], Optimizer("adam"))
        step = TrainStep(graph, [AppliedLoss("mse", "left"), AppliedLoss("mse", "right")])
        for ctx in contexts(graph):
            step(ctx)

        optimizer = torch.optim.Adam(plain.parameters())
        for ctx in contexts(graph):
            optimizer.zero_grad()
            first, second = (view.batch for view in ctx.inputs.values())
            losses = [
                torch.nn.functional.mse_loss(plain(one.features), one.targets)
                for one in (first, second)
            ]
            (losses[0] + losses[1]).backward()
            optimizer.step()
        assert same_state(shared, plain)


class TestWhatItLeavesInTheContext:
    @pytest.fixture
    def trained(self, numbers, contexts):
        graph = ModelGraph([ModelNode("net", mlp(), numbers("kind"))], Optimizer("sgd"))
        step = TrainStep(graph, [AppliedLoss("crossentropy", "net", label="ce")])
        ctx = next(contexts(graph))
        return ctx, step(ctx)

    def test_the_loss_is_recorded_as_trained_by_and_detached(self, trained):
        ctx, total = trained

        (record,) = ctx.losses.values()
        assert (record.label, record.node_id, record.auxiliary) == ("ce", "net", None)
        assert torch.equal(record.trainable, total)
        assert not record.trainable.requires_grad

    def test_outputs_come_with_the_targets_tags_and_ids_of_their_samples(self, trained):
        ctx, _ = trained
        given = ctx.inputs["net", next(key[1] for key in ctx.inputs)].batch

        output = ctx.outputs["net"]
        assert output.outputs.shape == (8, 3)
        assert not output.outputs.requires_grad
        assert torch.equal(output.targets, given.targets)
        assert list(output.sample_uuids) == list(given.sample_uuids)
        assert output.tags.tolist() == given.tags.tolist()
        assert list(ctx.outputs) == ["net"]
        assert len(ctx.outputs) == 1
        assert "net" in ctx.outputs
        with pytest.raises(KeyError):
            ctx.outputs["other"]

    def test_outputs_are_what_the_loss_was_computed_from(self, trained):
        ctx, total = trained
        output = ctx.outputs["net"]

        again = torch.nn.functional.cross_entropy(output.outputs, output.targets.squeeze(1))
        assert torch.equal(again, total)


class TestRefusals:
    def test_without_any_optimizer(self, numbers):
        graph = ModelGraph([ModelNode("net", mlp(), numbers("kind"))])

        with pytest.raises(OptimizerNotSetError, match="'net' is to be trained"):
            TrainStep(graph, [AppliedLoss("crossentropy", "net")])

    def test_a_stage_without_a_loss_of_its_own(self, numbers):
        first = ModelNode("first", torch.nn.Linear(12, 4), numbers("size"), Optimizer("sgd"))
        second = ModelNode("second", torch.nn.Linear(4, 1), first, Optimizer("sgd"))

        with pytest.raises(LossError, match="'first' has no loss of its own"):
            TrainStep(ModelGraph([first, second]), [AppliedLoss("mse", "second")])

    def test_a_stage_that_learns_from_a_later_one(self, numbers):
        first = ModelNode("first", torch.nn.Linear(12, 1), numbers("size"), Optimizer("sgd"))
        ModelNode("second", torch.nn.Linear(1, 1), first, Optimizer("sgd"))
        losses = [
            AppliedLoss("mse", "first", ["outputs", "second.outputs"]),
            AppliedLoss("mse", "second"),
        ]

        with pytest.raises(LossError, match=r"'first' needs the output of 'second', .* later"):
            TrainStep(ModelGraph(), losses)

    def test_a_loss_on_a_node_that_is_not_executed(self, numbers):
        graph = ModelGraph([ModelNode("net", mlp(), numbers("kind"))], Optimizer("sgd"))

        with pytest.raises(KeyError, match="Did you mean 'net'"):
            TrainStep(graph, [AppliedLoss("crossentropy", "nett")])

    def test_a_step_without_input(self, numbers):
        graph = ModelGraph([ModelNode("net", mlp(), numbers("kind"))], Optimizer("sgd"))
        step = TrainStep(graph, [AppliedLoss("crossentropy", "net")])

        with pytest.raises(GraphError, match="'net' gets no input from 'digits'"):
            step(ExecutionContext("phase", 0, 0, {}))

    def test_targets_that_do_not_fit_show_both_shapes(self, numbers, contexts):
        graph = ModelGraph([ModelNode("net", mlp(), numbers("size"))], Optimizer("sgd"))
        step = TrainStep(graph, [AppliedLoss("mse", "net")])

        with pytest.raises(LossError, match=r"\(8, 3\).*\(8, 1\)"):
            step(next(contexts(graph)))

    def test_a_class_that_does_not_exist_is_a_loss_error(self, numbers, contexts):
        graph = ModelGraph([ModelNode("net", mlp(12, 2), numbers("kind"))], Optimizer("sgd"))
        step = TrainStep(graph, [AppliedLoss("crossentropy", "net")])

        whole = next(contexts(graph, batch_size=50))
        with pytest.raises(LossError, match="out of bounds"):
            step(whole)

    def test_what_a_users_loss_raises_comes_as_it_is(self, numbers, contexts):
        error = ValueError("mine")

        def broken(outputs, targets):
            raise error

        graph = ModelGraph([ModelNode("net", mlp(), numbers("kind"))], Optimizer("sgd"))
        step = TrainStep(graph, [AppliedLoss(broken, "net")])

        with pytest.raises(ValueError, match="mine") as caught:
            step(next(contexts(graph)))
        assert caught.value is error


class TestTurns:
    def test_steps_with_the_input_of_one_branch_train_that_branch(self, numbers, contexts, weights):
        left = ModelNode("left", torch.nn.Linear(12, 1), numbers("size"))
        right = ModelNode("right", torch.nn.Linear(4, 1), numbers("size", ["x0", "x1", "x2", "x3"]))
        both = ModelNode("sum", torch.nn.Linear(2, 1), ConcatNode("both", [left, right]))
        graph = ModelGraph(None, Optimizer("sgd"))
        assert both.label in graph.nodes
        step = TrainStep(graph, [AppliedLoss("mse", one) for one in ("left", "right", "sum")])
        before = weights(graph)
        ctx = next(contexts(graph))
        ctx.inputs = {key: view for key, view in ctx.inputs.items() if key[0] == "right"}

        step(ctx)

        after = weights(graph)
        changed = {
            name.split(".")[0] for name in after if not torch.equal(after[name], before[name])
        }
        assert changed == {"right"}
        assert [record.label for record in ctx.losses.values()] == ["right.mse"]
        assert list(ctx.outputs) == ["right"]

    def test_input_of_a_branch_that_is_not_executed_is_passed_over(self, numbers, contexts):
        ModelNode("left", torch.nn.Linear(12, 1), numbers("size"))
        ModelNode("right", torch.nn.Linear(4, 1), numbers("size", ["x0", "x1", "x2", "x3"]))
        graph = ModelGraph(None, Optimizer("sgd"))
        step = TrainStep(graph, [AppliedLoss("mse", "left")], active_nodes=["left"])
        ctx = next(contexts(graph))
        step(ctx)
        assert list(ctx.outputs) == ["left"]

        ctx.inputs = {key: view for key, view in ctx.inputs.items() if key[0] == "right"}
        with pytest.raises(GraphError, match="'left' gets no input"):
            step(ctx)


def test_the_graphs_own_train_step_prepares_once_and_does_the_same(numbers, contexts):
    nets = [mlp(), mlp()]
    graphs = []
    for place, net in enumerate(nets):
        node = ModelNode(f"net{place}", net, numbers("kind"))
        graphs.append(ModelGraph([node], Optimizer("adam"), register=False))
    losses = [AppliedLoss("crossentropy", "net0")]
    step = TrainStep(graphs[1], [AppliedLoss("crossentropy", "net1")])

    for ctx in contexts(graphs[0]):
        graphs[0].train_step(ctx, losses)
    for ctx in contexts(graphs[1]):
        step(ctx)

    assert same_state(*nets)
    assert len(graphs[0]._steps) == 1
