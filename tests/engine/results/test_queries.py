import numpy as np
import pytest
import torch

from engine.callbacks import Accuracy
from engine.errors import PhaseError, UnknownLabelError
from engine.experiment import Experiment
from engine.graph import ModelGraph, ModelNode
from engine.losses import AppliedLoss
from engine.optimizers import Optimizer
from engine.phases import EvalPhase, TrainPhase
from engine.results import (
    EvalResults,
    FitResults,
    MetricEntry,
    PhaseGroupResults,
    PhaseResults,
    TrainResults,
)
from engine.samplers import SimpleSampler
from tests.engine.small_experiments import classes, classifier, cross_entropy, numbers


@pytest.fixture
def experiment():
    return Experiment("small", seed=3)


@pytest.fixture
def trained(experiment):
    classifier(classes())
    second = AppliedLoss("crossentropy", on="net", weight=0.5, label="half")
    phase = TrainPhase.from_split(
        "train",
        split="train",
        sampler=SimpleSampler(batch_size=30, shuffle=True),
        losses=[cross_entropy(), second],
        n_epochs=2,
    )
    return experiment.run_phase(phase)


class TestTraining:
    def test_contexts_by_epoch_and_batch(self, trained):
        contexts = trained.execution_contexts()

        assert contexts.axes == ("epoch", "batch")
        assert contexts.keys() == [(e, b) for e in range(2) for b in range(3)]
        assert contexts.at(epoch=1, batch=2).batch_idx == 2
        assert trained.epoch_indices == [0, 1]
        assert trained.n_epochs == 2

    def test_losses_by_label_too_and_what_is_asked_of_a_part(self, trained):
        losses = trained.losses("net")

        assert losses.axes == ("epoch", "batch", "label")
        assert losses.axis_values("label") == ["net.crossentropy", "half"]
        one = losses.where(epoch=1)
        assert float(one.trainable) == pytest.approx(
            sum(float(record.trainable) for record in one.values())
        )
        assert one.auxiliary is None
        by_epoch = losses.where(label="half").collapse("batch", "mean").to_float()
        assert by_epoch.at(epoch=0, label="half").trainable == pytest.approx(
            np.mean([float(r.trainable) for r in losses.select(epoch=0, label="half")])
        )

    def test_tensors_of_every_domain_and_form(self, trained):
        outputs = trained.tensors("net", "outputs")
        targets = trained.tensors("net", "targets", fmt="np")

        assert outputs.at(epoch=0, batch=0).shape == (30, 3)
        assert not outputs.at(epoch=0, batch=0).requires_grad
        assert isinstance(targets.at(epoch=0, batch=0), np.ndarray)
        stacked = outputs.where(epoch=1).collapse("batch", "concat").one()
        assert stacked.shape == (72, 3)
        assert isinstance(trained.tensors("net", "outputs", fmt="list").first(), list)
        uuids = trained.tensors("net", "sample_uuids").where(epoch=0).values()
        assert len(set(np.concatenate(uuids))) == 72

    def test_batches_can_change_form(self, trained):
        batches = trained.batches("net")

        assert isinstance(batches.first().outputs, torch.Tensor)
        assert isinstance(batches.to_format("np").first().outputs, np.ndarray)
        assert isinstance(batches.first().outputs, torch.Tensor)

    def test_a_node_can_be_given_itself(self, trained, experiment):
        node = experiment.model_graph.nodes["net"]

        assert trained.losses(node) == trained.losses("net")

    def test_metrics_by_name_epoch_and_batch(self, trained):
        metrics = trained.metrics()

        assert metrics.axes == ("name", "epoch", "batch")
        assert len(metrics.where(name="train_loss", epoch=0)) == 4
        assert isinstance(metrics.first(), MetricEntry)
        assert trained.metric_names() == ["train_loss"]
        epochs = metrics.where(batch=None).squeeze()
        assert epochs.keys() == [0, 1]

    def test_metrics_and_losses_as_tables(self, trained):
        metrics = trained.metrics().where(batch=None).to_pandas()
        losses = trained.losses("net").to_pandas()

        assert metrics.to_dict("list") == {
            "name": ["train_loss"] * 2,
            "epoch": [0, 1],
            "batch": [None, None],
            "value": [float(one) for one in trained.metrics().select(batch=None)],
        }
        assert metrics["value"].dtype == "float64"
        assert list(losses) == ["epoch", "batch", "label", "trainable", "auxiliary"]
        assert losses["trainable"].tolist() == [
            float(record.trainable) for record in trained.losses("net").values()
        ]
        assert losses["auxiliary"].isna().all()

    def test_source_views_hold_each_sample_once(self, trained, experiment):
        train = experiment.ctx.get_node("clouds")["train"]

        views = trained.source_views("net")

        assert list(views) == ["clouds"]
        assert sorted(views["clouds"].indices) == sorted(train.indices)
        assert trained.source_view("net", epoch=0, batch=0).n_samples == 30
        assert trained.source_view("net", batch=0).n_samples > 30

    def test_unknown_nodes_domains_and_roles_name_the_nearest(self, trained):
        with pytest.raises(UnknownLabelError, match="Did you mean 'net'"):
            trained.losses("nett")
        with pytest.raises(UnknownLabelError, match="Did you mean 'outputs'"):
            trained.tensors("net", "output")
        with pytest.raises(UnknownLabelError, match="no role 'anchor'"):
            trained.tensors("net", "outputs", role="anchor")

    def test_what_was_not_recorded_says_how_to_record_it(self, experiment):
        classifier(classes())
        phase = TrainPhase.from_split(
            "train",
            split="train",
            sampler=SimpleSampler(batch_size=36),
            losses=[cross_entropy()],
            result_recording="none",
        )
        results = experiment.run_phase(phase)

        with pytest.raises(PhaseError, match="result_recording='all' or 'last'"):
            results.losses("net")
        assert len(results.execution_contexts()) == 0
        assert len(results.metrics().where(name="train_loss")) == 3
        assert results.n_epochs == 1


class TestEvaluating:
    def evaluate(self, experiment, **options):
        return experiment.run_phase(
            EvalPhase.from_split(
                "test", split="train", losses=[cross_entropy()], batch_size=40, **options
            )
        )

    @pytest.fixture
    def graph(self, experiment):
        return classifier(classes())

    def test_stacked_tensors_fit_each_other(self, experiment, graph):
        results = self.evaluate(experiment)

        outputs = results.stacked_tensors("net", "outputs", fmt="np")
        targets = results.stacked_tensors("net", "targets", fmt="np")
        assert outputs.shape == (72, 3)
        assert targets.shape == (72, 1)
        assert targets.dtype == np.int64

    def test_aggregated_losses_weigh_by_samples(self, experiment, graph):
        results = self.evaluate(experiment)

        first, second = (float(record.total) for record in results.losses("net").values())
        expected = (40 * first + 32 * second) / 72
        assert results.aggregated_losses("net")["net.crossentropy"] == pytest.approx(expected)
        total = results.aggregated_losses("net", reducer="sum")["net.crossentropy"]
        assert total == pytest.approx(first + second)
        with pytest.raises(PhaseError, match="'mean' or 'sum', not 'man'"):
            results.aggregated_losses("net", reducer="man")

    def test_losses_that_nothing_is_trained_by_are_auxiliary(self, experiment, graph):
        losses = self.evaluate(experiment).losses("net")

        assert losses.trainable is None
        assert float(losses.auxiliary) > 0

    def test_stacked_batches_and_views_of_single_batches(self, experiment, graph):
        results = self.evaluate(experiment)

        assert results.stacked_batches("net", fmt="np").outputs.shape == (72, 3)
        assert results.source_view("net", batch=1).n_samples == 32
        assert results.source_views("net")["clouds"].n_samples == 72
        assert (results.n_batches, results.batch_indices) == (2, [0, 1])

    def test_a_node_within_the_graph_has_its_heads_samples(self, experiment):
        data = numbers("data")
        encoder = ModelNode("encoder", torch.nn.Linear(2, 4), data)
        ModelNode("head", torch.nn.Linear(4, 1), encoder)
        ModelGraph(optimizer=Optimizer("adam"))
        results = experiment.run_phase(EvalPhase.from_split("test", split="val"))

        assert results.stacked_tensors("encoder", "outputs").shape == (10, 4)
        assert results.source_view("head").n_samples == 10
        assert results.tail_node() == "head"

    def test_unscaled_values_are_in_the_units_of_the_data(self, experiment):
        data = numbers("data")
        data.fit_transform("StandardScaler", domain="targets", fit_to_split="train")
        ModelNode("net", torch.nn.Linear(2, 1), data)
        ModelGraph(optimizer=Optimizer("adam"))
        results = experiment.run_phase(EvalPhase.from_split("test", split="val"))

        scaled = results.stacked_tensors("net", "targets", fmt="np")
        raw = results.stacked_tensors("net", "targets", fmt="np", unscale=True)

        assert raw.shape == scaled.shape
        assert raw.ravel() == pytest.approx(
            data["val"].get_targets("np", rep="raw").ravel(), abs=1e-5
        )
        assert isinstance(results.stacked_tensors("net", "outputs", unscale=True), torch.Tensor)
        with pytest.raises(PhaseError, match="Only outputs and targets"):
            results.tensors("net", "sample_uuids", unscale=True)

    def test_several_tails_must_be_told_apart(self, experiment):
        data = numbers("data")
        for label in "ab":
            ModelNode(label, torch.nn.Linear(2, 1), data)
        ModelGraph(optimizer=Optimizer("adam"))
        results = experiment.run_phase(EvalPhase.from_split("test", split="val"))

        with pytest.raises(PhaseError, match=r"hold 2 tail nodes \(a, b\)"):
            results.tail_node()
        metric = Accuracy("a", threshold=0.0)
        assert metric.node == "a"


class TestGroups:
    @pytest.fixture
    def group(self):
        inner = PhaseGroupResults("inner")
        inner.add_result(EvalResults("c"))
        group = PhaseGroupResults("all")
        for result in (TrainResults("a"), inner, EvalResults("b"), FitResults("f")):
            group.add_result(result)
        return group

    def test_answer_by_label_and_kind(self, group):
        assert group.labels == ["a", "inner", "b", "f"]
        assert [label for label, _ in group.items()] == group.labels
        assert group.get_phase_result("b") is group["b"] is group.get_eval_result()
        assert group.get_train_result() is group["a"]
        assert group.get_fit_result("f") is group["f"]
        assert group.get_group_result().label == "inner"
        assert list(group.phase_results) == ["a", "b", "f"]
        assert list(group.group_results) == ["inner"]
        assert list(group.flatten()) == ["a", "c", "b", "f"]
        assert "a" in group
        assert len(group) == 4

    def test_refuse_what_is_not_there_or_of_another_kind(self, group):
        with pytest.raises(UnknownLabelError, match="Did you mean 'inner'"):
            group.get_group_result("iner")
        with pytest.raises(KeyError):
            group.get_phase_result("zzz")
        with pytest.raises(TypeError, match="'inner' holds PhaseGroupResults, not PhaseResults"):
            group.get_phase_result("inner")
        with pytest.raises(TypeError, match="'a' holds TrainResults, not EvalResults"):
            group.get_eval_result("a")

    def test_without_a_label_there_must_be_only_one(self, group):
        group.add_result(TrainResults("a2"))
        with pytest.raises(PhaseError, match=r"holds 2 TrainResults \('a', 'a2'\): name one"):
            group.get_train_result()

    def test_a_label_is_there_once_on_each_level_and_for_flatten_on_all(self, group):
        with pytest.raises(PhaseError, match="have 'b' already"):
            group.add_result(EvalResults("b"))
        group.get_group_result("inner").add_result(EvalResults("a"))
        with pytest.raises(PhaseError, match="Several phases in 'all' are labelled 'a'"):
            group.flatten()
        with pytest.raises(TypeError, match="not str"):
            group.add_result("results")

    def test_fit_results_are_no_eval_results(self, group):
        assert not isinstance(group["f"], EvalResults)
        assert isinstance(group["f"], PhaseResults)


def test_a_group_as_a_table_names_phases_by_the_groups_around_them():
    inner, outer = PhaseGroupResults("inner"), PhaseGroupResults("outer")
    first, second = TrainResults("first"), EvalResults("second")
    for epoch, value in enumerate((0.5, 0.25)):
        first.metric_store.log(name="train_loss", value=value, epoch_idx=epoch)
    first.metric_store.log(name="train_loss", value=9.0, epoch_idx=1, batch_idx=0)
    second.metric_store.log(name="accuracy", value=1.0, epoch_idx=0)
    inner.add_result(first)
    outer.add_result(inner)
    outer.add_result(second)

    assert outer.to_pandas().to_dict("list") == {
        "phase": ["inner/first", "second"],
        "metric": ["train_loss", "accuracy"],
        "value": [0.25, 1.0],
    }
