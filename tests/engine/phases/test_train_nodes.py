import numpy as np
import pytest
import torch

from engine.errors import GraphError, LossError, PhaseError
from engine.graph import ConcatNode, ModelGraph, ModelNode
from engine.losses import AppliedLoss
from engine.phases import InputBinding, Reporter, TrainPhase
from tests.engine.phases.parts import adam, sampler
from tests.engine.small_experiments import (
    line,
    mse,
    numbers,
)


class TestActiveNodes:
    @pytest.fixture
    def chain(self, experiment):
        data = numbers("data")
        encoder = ModelNode("encoder", torch.nn.Linear(2, 2), data)
        line("head", encoder)
        return ModelGraph(optimizer=adam())

    def phase(self, **options):
        return TrainPhase.from_split(
            "train", split="train", sampler=sampler(), losses=[mse("head")], **options
        )

    def changed(self, experiment, phase):
        before = experiment.model_graph.get_weights()
        experiment.run_phase(phase)
        after = experiment.model_graph.get_weights()
        return [
            label
            for label in before
            if not all(
                torch.equal(before[label][name], after[label][name]) for name in before[label]
            )
        ]

    def test_only_the_active_are_trained_and_what_was_found_is_put_back(self, experiment, chain):
        assert self.changed(experiment, self.phase(active_nodes=["head"])) == ["head"]
        assert chain.frozen_nodes == {}
        assert all(p.requires_grad for p in chain.nodes["encoder"].module.parameters())

    def test_without_a_list_frozen_nodes_stay_frozen(self, experiment, chain):
        chain.freeze(["encoder"])

        assert self.changed(experiment, self.phase()) == ["head"]
        assert list(chain.frozen_nodes) == ["encoder"]

    def test_a_frozen_node_that_is_active_is_trained_and_frozen_again(self, experiment, chain):
        chain.freeze()

        assert self.changed(experiment, self.phase(active_nodes=["encoder", "head"])) == [
            "encoder",
            "head",
        ]
        assert set(chain.frozen_nodes) == {"encoder", "head"}

    def test_what_was_found_is_put_back_after_a_resume_too(self, experiment, chain):
        chain.freeze(["head"])

        class Stop(Reporter):
            def batch_ended(self, *, path, epoch, batch, step):
                if step == 2:
                    experiment.request_stop()

        experiment.add_reporter(Stop())
        experiment.run_phase(self.phase(active_nodes=["head"]))
        assert list(chain.frozen_nodes) == ["head"]
        experiment.resume()

        assert list(chain.frozen_nodes) == ["head"]
        assert experiment.step == 3

    def test_an_active_node_deeper_in_the_graph_still_gets_its_input(self, experiment, chain):
        phase = self.phase(active_nodes=["head"])

        assert [binding.node_id for binding in phase.input_sources] == ["encoder"]


class TestStageWise:
    def test_each_node_learns_by_its_own_optimizer(self, experiment):
        data = numbers("data")
        encoder = line("encoder", data, optimizer=adam())
        line("head", encoder, inputs=1, optimizer=adam())
        ModelGraph()
        phase = TrainPhase.from_split(
            "train",
            split="train",
            sampler=sampler(),
            losses=[mse("encoder"), mse("head")],
            n_epochs=3,
        )

        results = experiment.run_phase(phase)

        assert results.losses("encoder").shape == (3, 3, 1)
        assert results.losses("head").trainable is not None


class TestSeveralInputs:
    def graph(self, experiment):
        left, right = numbers("left", rows=40), numbers("right", rows=24, columns=3, seed=1)
        line("a", left)
        line("b", right, inputs=3)
        ModelGraph(optimizer=adam())
        return left, right

    def bindings(self, **options):
        return [
            InputBinding.for_training(node="a", sampler=sampler(10), split="train"),
            InputBinding.for_training(node="b", sampler=sampler(9), split="train"),
        ]

    @pytest.mark.parametrize(
        ("schedule", "fed"),
        [
            ("zip_strict", ["ab", "ab"]),
            ("zip_cycle", ["ab", "ab", "ab"]),
            ("alternate_strict", ["a", "b", "a", "b"]),
            ("alternate_cycle", ["a", "b", "a", "b", "a", "b"]),
        ],
    )
    def test_every_schedule_trains(self, experiment, schedule, fed):
        self.graph(experiment)
        phase = TrainPhase(
            "train",
            input_sources=self.bindings(),
            losses=[mse("a"), mse("b")],
            batch_schedule=schedule,
            n_epochs=2,
        )
        before = experiment.model_graph.get_weights()

        results = experiment.run_phase(phase)

        contexts = results.execution_contexts().where(epoch=1).values()
        assert ["".join(sorted(node for node, _ in ctx.inputs)) for ctx in contexts] == fed
        assert [sorted(ctx.losses.node_ids) for ctx in contexts] == [list(one) for one in fed]
        after = experiment.model_graph.get_weights()
        for node in "ab":
            assert not torch.equal(before[node]["weight"], after[node]["weight"])

    def joined(self, experiment):
        left, right = numbers("left"), numbers("right", columns=3, seed=1)
        both = ConcatNode("both", [line("a", left), line("b", right, inputs=3)])
        line("head", both, inputs=2)
        ModelGraph(optimizer=adam())

    @pytest.mark.parametrize("schedule", ["alternate_strict", "alternate_cycle"])
    def test_what_needs_both_cannot_take_turns(self, experiment, schedule):
        self.joined(experiment)
        loss = AppliedLoss("mse", on="head", inputs=["outputs", "a.targets"], label="fit")
        phase = TrainPhase(
            "train",
            input_sources=self.bindings(),
            losses=[mse("a"), loss],
            batch_schedule=schedule,
        )
        with pytest.raises(LossError) as caught:
            experiment.run_phase(phase)
        assert str(caught.value) == (
            "The loss 'fit' on 'head' needs input for 'a' and 'b' in one step, and they take "
            "turns. Use the batch_schedule 'zip_strict' or 'zip_cycle'."
        )

    def test_what_is_joined_comes_in_batches_of_one_size(self, experiment):
        self.joined(experiment)
        loss = AppliedLoss("mse", on="head", inputs=["outputs", "a.targets"])
        phase = TrainPhase("train", input_sources=self.bindings(), losses=[loss])
        with pytest.raises(GraphError) as caught:
            experiment.run_phase(phase)
        assert str(caught.value) == (
            "Node 'both': the inputs differ in their number of samples (a 10, b 9). What is "
            "joined comes from samplers with the same batch_size, over splits of the same length."
        )

    def test_a_merge_of_both_trains(self, experiment):
        left, right = numbers("left"), numbers("right", columns=3, seed=1)
        a, b = line("a", left), line("b", right, inputs=3)
        both = ConcatNode("both", [a, b])
        line("head", both, inputs=2)
        ModelGraph(optimizer=adam())
        shared = sampler(10)
        bindings = [
            InputBinding.for_training(node=node, sampler=shared, split="train") for node in "ab"
        ]
        loss = AppliedLoss("mse", on="head", inputs=["outputs", "a.targets"])
        phase = TrainPhase("train", input_sources=bindings, losses=[loss], n_epochs=2)

        results = experiment.run_phase(phase)

        assert results.n_epochs == 2
        assert results.batches("head").at(epoch=0, batch=0).outputs.shape == (10, 1)

    def test_one_sampler_for_two_sources_draws_the_same_positions(self, experiment):
        left, right = numbers("left"), numbers("right", seed=1)
        line("a", left)
        line("b", right)
        ModelGraph(optimizer=adam())
        shared = sampler(10)
        phase = TrainPhase(
            "train",
            input_sources=[
                InputBinding.for_training(node=node, sampler=shared, split="train") for node in "ab"
            ],
            losses=[mse("a"), mse("b")],
        )

        contexts = experiment.run_phase(phase).execution_contexts().values()

        for context in contexts:
            first, second = (view.role_indices["default"] for view in context.inputs.values())
            assert np.array_equal(first, second)

    def test_a_head_node_that_nothing_is_bound_to_is_an_error(self, experiment):
        self.graph(experiment)
        phase = TrainPhase("train", input_sources=self.bindings()[:1], losses=[mse("a")])

        with pytest.raises(PhaseError, match="binds nothing to the input that node 'b' takes"):
            experiment.run_phase(phase)

    def test_unless_it_is_left_out(self, experiment):
        self.graph(experiment)
        phase = TrainPhase(
            "train", input_sources=self.bindings()[:1], losses=[mse("a")], active_nodes=["a"]
        )

        assert experiment.run_phase(phase).n_epochs == 1

    def test_the_same_input_cannot_be_bound_twice(self, experiment):
        self.graph(experiment)
        with pytest.raises(PhaseError, match="binds 'left' to node 'a' twice"):
            TrainPhase("t", input_sources=[self.bindings()[0]] * 2, losses=[mse("a")])
