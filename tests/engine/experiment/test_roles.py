"""Pairs, triplets and more roles train a model: as a loop by hand does, resumed to the bit."""

import copy

import numpy as np
import pytest
import torch

from engine.errors import LossError
from engine.experiment import Experiment
from engine.features import FeatureSet
from engine.graph import ModelGraph, ModelNode
from engine.losses import AppliedLoss
from engine.optimizers import Optimizer
from engine.phases import EvalPhase, InputBinding, TrainPhase
from engine.samplers import (
    STREAM_DEFAULT,
    BaseSampler,
    NSampler,
    PairedSampler,
    Samples,
    SimilarityCondition,
    TripletSampler,
)
from tests.engine.experiment.test_exact_resume import SaveAt, StopAfter
from tests.engine.small_experiments import Log, assert_equal, fresh

SAME, OTHER = SimilarityCondition(), SimilarityCondition("dissimilar")
NEAR = SimilarityCondition(tolerance=0.5, weight_mode="linear", max_weight=4, allow_fallback=True)
OPTIONS = {"batch_size": 16, "shuffle": True, "max_samples_per_anchor": 2}


def contrast(anchor, same, other):
    """Near to what is alike, and one away from what is not; one value per sample."""
    near = (anchor - same).square().sum(1)
    far = (1 - (anchor - other).square().sum(1)).clamp(min=0)
    return near + far


def siamese():
    """Pairs that count more the nearer they are, and a second loss on one of the roles."""
    sampler = PairedSampler({"level": NEAR}, batch_size=16, shuffle=True, max_pairs_per_anchor=2)
    outputs = ["outputs.anchor", "outputs.pair"]
    size = AppliedLoss("l1", "net", ["outputs.anchor", "targets.anchor"], weight=0.1)
    return sampler, [AppliedLoss("mse", "net", outputs), size]


def triplet():
    sampler = TripletSampler({"kind": SAME}, {"kind": OTHER}, **OPTIONS)
    roles = ["outputs.anchor", "outputs.positive", "outputs.negative"]
    return sampler, [AppliedLoss("tripletmarginloss", "net", roles)]


def three_roles():
    mapping = {"same": {"kind": SAME, "level": NEAR}, "other": {"kind": OTHER}}
    sampler = NSampler(mapping, choose_best_only=True, **OPTIONS)
    inputs = {role: f"outputs.{role}" for role in ("anchor", "same", "other")}
    return sampler, [AppliedLoss(contrast, "net", inputs)]


def build(kind, n_epochs=2, dropout=0.3):
    experiment = Experiment("roles", seed=5)
    random = np.random.RandomState(1)
    label = np.arange(45) % 3
    columns = {
        "x": (random.normal(size=(45, 4)) + label[:, None]).astype(np.float32),
        "y": random.normal(size=(45, 2)).astype(np.float32),
        "kind": label.astype(str),
        "level": random.random_sample(45),
    }
    data = FeatureSet.from_dict("data", columns, "x", "y", ["kind", "level"])
    data.split_random({"train": 0.8, "val": 0.2}, stratify_by="kind")
    torch.manual_seed(0)
    layers = torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Dropout(dropout)
    node = ModelNode("net", torch.nn.Sequential(*layers, torch.nn.Linear(6, 2)), data.reference())
    ModelGraph([node], optimizer=Optimizer("adam", opt_kwargs={"lr": 0.02}))
    sampler, losses = kind()
    bindings = [InputBinding.for_training(node=node, sampler=sampler, split="train")]
    experiment.execution_plan.add_phase(
        TrainPhase("train", input_sources=bindings, losses=losses, n_epochs=n_epochs)
    )
    return experiment


def everything(experiment, log):
    results = experiment.last_run.results.get_train_result()
    return {
        "graph": copy.deepcopy(experiment.model_graph.get_state()),
        "values": log.values,
        "metrics": results.metrics().where(batch=None).data,
    }


@pytest.mark.parametrize("kind", [siamese, triplet, three_roles])
class TestTraining:
    def test_is_that_of_a_loop_by_hand(self, kind):
        experiment = fresh(build, kind=kind, dropout=0)
        (node,) = experiment.model_graph.nodes.values()
        net = copy.deepcopy(node.module)
        results = experiment.run().get_train_result()

        phase = experiment.execution_plan.get_train_phase("train")
        (binding,) = phase.input_sources
        sampler = copy.copy(binding.sampler)
        with experiment.ctx.activate():
            view = binding.resolve_input_view()
        sampler.bind_sources([view])
        sampler.derive_seed(5, "train", "sampler", "0")
        expected = self.by_hand(net, kind.__name__, sampler, view)

        values = list(results.metrics().where(name="train_loss", batch=None).values())
        assert values == pytest.approx(expected, rel=1e-5)
        assert expected[1] < expected[0]
        for found, wanted in zip(node.module.parameters(), net.parameters(), strict=True):
            assert torch.allclose(found, wanted, atol=1e-6)

    @staticmethod
    def by_hand(net, kind, sampler, view):
        optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
        x = torch.from_numpy(view.column("x"))
        y = torch.from_numpy(view.column("y"))
        means = []
        for epoch in range(2):
            order = sampler.epoch_batches(epoch)
            total = 0.0
            for batch in range(len(order)):
                rows = {role: torch.from_numpy(at) for role, at in order.roles(batch).items()}
                out = {role: net(x[at]) for role, at in rows.items()}
                weights = torch.ones(len(rows["anchor"]))
                for values in (order.weights(batch) or {}).values():
                    weights = weights * torch.from_numpy(values)
                anchor, *others = out.values()
                if kind == "siamese":
                    loss = ((anchor - others[0]).square().mean(1) * weights).sum() / weights.sum()
                    loss = loss + 0.1 * (anchor - y[rows["anchor"]]).abs().mean()
                elif kind == "triplet":
                    loss = torch.nn.functional.triplet_margin_loss(anchor, *others)
                else:
                    loss = (contrast(anchor, *others) * weights).sum() / weights.sum()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item() * len(weights)
            means.append(total / int(order.sizes.sum()))
        return means

    def test_resumes_to_the_bit_after_any_batch(self, kind, tmp_path):
        whole, log = fresh(build, kind=kind), Log()
        whole.add_reporter(log)
        whole.run()
        expected = everything(whole, log)
        assert 8 <= whole.step <= 12
        for step in range(1, whole.step + 1):
            path = tmp_path / f"{step}.ckpt"
            first, log = fresh(build, kind=kind), Log()
            first.add_reporter(log)
            first.add_reporter(SaveAt(first, path, step=step))
            first.add_reporter(StopAfter(first, step=step))
            first.run()
            second = fresh(build, kind=kind)
            second.add_reporter(log)
            second.restore_checkpoint(path)
            second.resume()
            assert_equal(everything(second, log), expected)

    def test_is_described_with_its_phase(self, kind):
        experiment = fresh(build, kind=kind)
        (binding,) = experiment.execution_plan.get_train_phase("train").input_sources
        with experiment.ctx.activate():
            again = InputBinding.from_config(binding.get_config())
        assert again.get_config() == binding.get_config()


def test_evaluations_and_their_results_know_the_roles():
    experiment = fresh(build, kind=triplet, n_epochs=8)
    experiment.run()
    phase = experiment.execution_plan.get_train_phase("train")
    (binding,) = phase.input_sources
    with experiment.ctx.activate():
        held_out = InputBinding.for_training(node="net", sampler=binding.sampler, split="val")
        found = experiment.run_phase(
            EvalPhase("eval", input_sources=[held_out], losses=phase.losses)
        )
    kinds = {
        role: found.stacked_tensors("net", "tags", role=role)[:, 0]
        for role in ("anchor", "positive", "negative")
    }
    assert len(kinds["anchor"]) == 18
    assert (kinds["anchor"] == kinds["positive"]).all()
    assert (kinds["anchor"] != kinds["negative"]).all()
    assert found.source_view("net", role="negative").n_samples <= 9
    assert found.stacked_batches("net").available_roles == ["anchor", "positive", "negative"]
    assert found.aggregated_losses("net")["net.tripletmargin"] < 0.5


def by_lambda():
    """A metric that has no name to be written down by."""
    near = SimilarityCondition(tolerance=0.3, metric=lambda a, b: abs(a - b))
    sampler = PairedSampler({"level": near}, batch_size=16, max_pairs_per_anchor=1)
    return sampler, [AppliedLoss("mse", "net", ["outputs.anchor", "outputs.pair"])]


def test_a_metric_without_a_name_trains_and_resumes(tmp_path):
    whole, log = fresh(build, kind=by_lambda), Log()
    whole.add_reporter(log)
    whole.run()
    first, second_log = fresh(build, kind=by_lambda), Log()
    first.add_reporter(second_log)
    first.add_reporter(StopAfter(first, step=2))
    first.run()
    second = fresh(build, kind=by_lambda)
    second.add_reporter(second_log)
    second.restore_checkpoint(first.write_checkpoint(tmp_path / "at.ckpt").path)
    second.resume()
    assert_equal(everything(second, second_log), everything(whole, log))


class Padded(BaseSampler):
    """Every sample with the next one; every third has none."""

    def build_samples(self):
        rows = np.arange(self.sources[0].n_samples)
        after = np.where(rows % 3 == 2, -1, (rows + 1) % len(rows))
        return {(STREAM_DEFAULT, 0): Samples({"anchor": rows, "pair": after})}


def test_a_padded_partner_counts_for_no_loss():
    experiment = fresh(build, kind=siamese)
    with experiment.ctx.activate():
        binding = InputBinding.for_training(node="net", sampler=Padded(batch_size=9), split="train")
        pair = AppliedLoss("mse", "net", ["outputs.anchor", "outputs.pair"])
        phase = EvalPhase("eval", input_sources=[binding], losses=[pair])
        found = experiment.run_phase(phase)
        masks = [batch.role_masks["pair"] for batch in found.batches("net").values()]
    assert [mask.tolist() for mask in masks] == [[1, 1, 0] * 3] * 4
    outputs = [found.stacked_tensors("net", "outputs", role=role) for role in ("anchor", "pair")]
    there = torch.from_numpy(np.concatenate(masks) > 0)
    expected = (outputs[0] - outputs[1])[there].square().mean().item()
    assert found.aggregated_losses("net")["net.mse"] == pytest.approx(expected)


def test_a_loss_must_say_which_role_it_takes():
    experiment = fresh(build, kind=triplet)
    phase = experiment.execution_plan.get_train_phase("train")
    with experiment.ctx.activate():
        wrong = TrainPhase(
            "wrong", input_sources=phase.input_sources, losses=[AppliedLoss("mse", "net")]
        )
        with pytest.raises(LossError, match=r"as 'outputs.anchor'; the roles are anchor, positive"):
            experiment.run_phase(wrong)
