"""A program that cross-validates: folds of groups and strata, with a scaler of each fold's own."""

import numpy as np
import pandas as pd
import pytest
import torch

from engine import (
    AppliedLoss,
    CrossValidation,
    CVBinding,
    CVResults,
    EvalLossMetric,
    EvalPhase,
    Evaluation,
    Experiment,
    ExperimentContext,
    FeatureSet,
    Loss,
    ModelGraph,
    ModelNode,
    Optimizer,
    PhaseGroup,
    SimpleSampler,
    TrainPhase,
)


@pytest.fixture
def data():
    Experiment("folds", seed=3)
    rng = np.random.default_rng(0)
    cell = np.repeat(np.arange(12), 6)
    x = rng.normal(size=(72, 2)) * 5 + cell[:, None]
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": 100 + 20 * x.sum(axis=1)})
    frame["cell"] = cell
    frame["kind"] = np.where(cell % 3, "old", "new")
    data = FeatureSet.from_pandas("data", frame, ["a", "b"], "y", tag_cols=["cell", "kind"])
    data.split_random({"train": 0.5, "val": 0.25, "test": 0.25}, group_by="cell", seed=1)
    for domain in ("features", "targets"):
        data.fit_transform("StandardScaler", domain=domain, fit_to_split="train")
    return data


@pytest.fixture
def experiment(data):
    columns = data.reference(features=["a", "b"], targets="y", rep="transformed")
    net = ModelNode("net", torch.nn.Linear(2, 1), columns)
    optimizer = Optimizer("adam", opt_kwargs={"lr": 0.1}, backend="torch")
    ModelGraph([net], optimizer).build()
    return ExperimentContext.get_active().get_experiment()


def mse():
    return AppliedLoss(
        Loss("mse", backend="torch"), on="net", inputs=["outputs", "targets"], label="mse"
    )


def training(label="train", **options):
    watch = Evaluation.from_split(
        label="watch", split="val", losses=[mse()], metrics=[EvalLossMetric(loss=mse())]
    )
    return TrainPhase.from_split(
        label,
        split="train",
        sampler=SimpleSampler(batch_size=10, shuffle=True),
        losses=[mse()],
        **{"n_epochs": 3, "callbacks": [watch], **options},
    )


def weights(experiment):
    return experiment.ctx.get_node("net").model.get_weights()["weight"].clone()


def rows(view):
    return set(view.get_sample_uuids().tolist())


def test_folds_partition_the_pool_by_whole_groups(data, experiment):
    before, old = weights(experiment), rows(data["train"])
    scaled = data.get_features("np", rep="transformed").copy()
    binding = CVBinding(
        fs="data",
        source_splits=["train", "val"],
        group_by="cell",
        train_split_name="train",
        val_split_name="val",
    )
    cv = CrossValidation(
        bindings=binding, n_folds=3, seed=5, phase=training(), experiment=experiment
    )

    results = cv.run(show_fold_progress=False, show_training_progress=False)

    assert isinstance(results, CVResults)
    assert (results.label, results.n_folds) == ("CV", 3)
    assert results.fold_labels == ["fold_0", "fold_1", "fold_2"]
    pool = rows(data["train"]) | rows(data["val"])
    seen = []
    for fold in range(3):
        trained = results.get_fold(fold).get_train_result()
        assert trained is results.get_fold(f"fold_{fold}").get_train_result("train")
        used = trained.source_view("net")
        checked = trained.callbacks().where(kind="evaluation").last().source_view("net")
        assert rows(used) | rows(checked) == pool
        assert not rows(used) & rows(checked)
        cells = [
            set(view.expand_columns().get_tags("np", tags="cell").ravel())
            for view in (used, checked)
        ]
        assert not cells[0] & cells[1]
        seen.append(rows(checked))
        # Every fold's scaler knows its training rows only.
        inner = (
            trained.tensors("net", "targets", fmt="np").where(epoch=0).collapse("batch", "concat")
        )
        assert abs(inner.one().mean()) < 1e-5
        truth = trained.tensors("net", "targets", fmt="np", unscale=True).where(epoch=0)
        assert sorted(truth.collapse("batch", "concat").one().ravel()) == pytest.approx(
            sorted(used.expand_columns().get_targets("np", targets="y", rep="raw").ravel()),
            rel=1e-4,
        )
    assert set.union(*seen) == pool
    assert sum(map(len, seen)) == len(pool)
    # Nothing of it is left behind.
    assert torch.equal(weights(experiment), before)
    assert rows(data["train"]) == old
    assert np.array_equal(data.get_features("np", rep="transformed"), scaled)
    assert data.available_splits == ["train", "val", "test"]


def test_strata_are_in_every_fold_alike(data, experiment):
    binding = CVBinding(data, ["train", "val"], stratify_by="kind", val_size=0.25)
    results = CrossValidation(bindings=[binding], n_folds=2, phase=training()).run()

    pool = pd.concat([data[one].to_pandas() for one in ("train", "val")])
    share = (pool["tags.kind.raw"] == "new").mean()
    for label in results.fold_labels:
        evaluation = (
            results.get_fold(label).get_train_result().callbacks().select(kind="evaluation")[-1]
        )
        view = evaluation.source_view("net").expand_columns()
        kinds = view.get_tags("np", tags="kind").ravel()
        assert (kinds == "new").mean() == pytest.approx(share, abs=0.06)
        assert len(kinds) in (13, 14)


class TestQuestions:
    @pytest.fixture
    def results(self, data, experiment):
        group = PhaseGroup(
            "both", [training(), EvalPhase.from_split("test", split="test", losses=[mse()])]
        )
        binding = CVBinding(data, ["train", "val"])
        return CrossValidation(label="mine", bindings=binding, n_folds=3, phase=group).run()

    def test_across_the_folds(self, results):
        assert results.label == "mine"
        fold = results.get_fold(1)
        inner = fold.get_group_result("both")
        train, test = inner.get_train_result(), inner.get_eval_result("test")
        assert train.n_epochs == 3

        def scores(one):
            tested = one.get_group_result("both").get_eval_result("test")
            return tested.aggregated_losses("net")["mse"]

        collected = results.collect(scores)
        assert collected.axes == ("fold",)
        assert collected.keys() == results.fold_labels
        assert collected["fold_1"] == test.aggregated_losses("net")["mse"]
        assert collected.collapse("fold", "mean").one() == pytest.approx(
            np.mean(collected.values())
        )

    def test_of_losses_by_epoch(self, data, experiment):
        binding = CVBinding(data, ["train", "val"])
        results = CrossValidation(bindings=binding, n_folds=3, phase=training()).run()

        losses = results.epoch_losses("net")
        assert losses.axes == ("fold", "epoch")
        assert losses.shape == (3, 3)
        validation = results.validation_losses("net", phase="train", label="watch", reducer="mean")
        assert validation.shape == (3, 3)
        logged = results.get_fold(0).get_train_result().metrics()
        assert validation.select(fold="fold_0") == pytest.approx(logged.select(name="val_loss"))
        assert losses.select(fold="fold_0") == pytest.approx(
            logged.select(name="train_loss", batch=None)
        )
        means = validation.collapse("fold", "mean")
        assert means.axes == ("epoch",)
        assert means[2] < means[0]


def test_what_makes_no_folds_is_refused(data, experiment):
    for wrong in (
        lambda: CVBinding(data, ["train", "vall"]),
        lambda: CVBinding(data, ["train"], group_by="cell", stratify_by="kind"),
        lambda: CVBinding(data, ["train"], val_size=1.5),
        lambda: CrossValidation(bindings=CVBinding(data, ["train"]), n_folds=0, phase=training()),
        lambda: CrossValidation(bindings=[], phase=training()),
    ):
        with pytest.raises((ValueError, KeyError)):
            wrong()
    with pytest.raises(TypeError):
        CrossValidation(bindings=CVBinding(data, ["train"]), phase="train")


def test_without_a_phase_the_plan_is_run(data, experiment):
    experiment.execution_plan.add_phase(training(n_epochs=1, result_recording="none"))
    results = CrossValidation(bindings=CVBinding(data, ["train"]), n_folds=2).run()
    assert results.n_folds == 2
    assert [len(one.flatten()) for _, one in results.items()] == [1, 1]
