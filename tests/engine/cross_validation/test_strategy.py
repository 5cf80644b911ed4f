import numpy as np
import pytest
import torch

from engine.callbacks import Callback
from engine.cross_validation import CrossValidation, CVBinding, CVResults
from engine.errors import PhaseError, UnknownLabelError
from engine.experiment import Experiment
from engine.features import FeatureSet
from engine.graph import ModelGraph
from engine.optimizers import Optimizer
from engine.phases import EvalPhase, PhaseGroup, TrainPhase
from engine.results import ResultRecording
from engine.samplers import SimpleSampler
from engine.scalers import Scaler
from tests.engine.cross_validation.folding import N_FOLDS, folded
from tests.engine.small_experiments import (
    Log,
    assert_equal,
    classes,
    classifier,
    cross_entropy,
    fresh,
    line,
    mse,
    resumable,
)


class Watching(Callback):
    """What the phases of each fold see when they begin."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_phase_start(self, *, experiment, phase, results):
        data = experiment.ctx.get_node("clouds")
        self.seen.append(
            {
                "data": data,
                "train": data.get_split("train").indices.copy(),
                "val": data.get_split("val").indices.copy(),
                "scaled": data.get_features("np").copy(),
                "graph": experiment.model_graph.get_state(),
            }
        )


@pytest.fixture
def watched():
    strategy = folded()
    watching = Watching()
    strategy.experiment.execution_plan.get_train_phase("train").add_callback(watching)
    return strategy, watching


class TestFolds:
    def test_each_has_splits_of_its_own_and_scalers_fitted_to_them(self, watched):
        strategy, watching = watched
        strategy.run()

        assert len(watching.seen) == N_FOLDS
        validated = np.concatenate([seen["val"] for seen in watching.seen])
        assert sorted(validated) == list(range(90))
        for seen in watching.seen:
            fitted = seen["data"].scaler_records[0].scaler_obj.scaler
            raw = seen["data"].get_features("np", rep="raw")[seen["train"]]
            assert np.allclose(fitted.mean_, raw.reshape(len(raw), -1).mean(axis=0))
            assert np.allclose(seen["scaled"][seen["train"]].mean(axis=0), 0, atol=1e-6)

    def test_each_begins_with_the_same_weights_and_without_moments(self, watched):
        strategy, watching = watched
        strategy.run()

        for seen in watching.seen[1:]:
            assert_equal(seen["graph"], watching.seen[0]["graph"])

    def test_each_goes_its_own_way(self, watched):
        strategy, _ = watched
        results = strategy.run()

        first, second = (results.get_fold(number).weights["net"] for number in (0, 1))
        assert any(not torch.equal(first[name], second[name]) for name in first)

    def test_equals_training_by_hand_on_the_same_rows(self):
        strategy = fresh(folded, scaler=None)
        folds = strategy.run()

        def by_hand():
            experiment = resumable(n_epochs=1, batch_size=24)
            data = experiment.ctx.get_node("clouds")
            rows = strategy.bindings[0].folds(
                strategy.experiment.ctx.get_node("clouds"), N_FOLDS, seed=4
            )[0]
            data.clear_splits()
            for name, chosen in rows.items():
                data.add_split(data.take(chosen, label=name))
            # At the same place in what is run, so that the seeds are the same.
            outer = PhaseGroup("CV", [PhaseGroup("fold_0", experiment.execution_plan.all)])
            experiment.run_group(outer)
            return experiment.model_graph.get_weights()

        assert_equal(dict(folds.get_fold(0).weights), fresh(by_hand))

    def test_predictions_come_back_in_the_units_of_the_data(self):
        experiment = Experiment("line", seed=1)
        rng = np.random.RandomState(0)

        x = rng.normal(size=60).astype("float32")
        data = FeatureSet.from_dict("points", {"x": x, "y": 100 * x + 7}, ["x"], ["y"])
        data.split_random({"train": 0.5, "val": 0.5}, seed=1)
        data.fit_transform("StandardScaler", domain="targets", fit_to_split="train")

        ModelGraph([line("net", data.reference(), 1)], optimizer=Optimizer("sgd"))
        train = TrainPhase.from_split(
            "train", split="train", sampler=SimpleSampler(batch_size=10), losses=[mse("net")]
        )
        test = EvalPhase.from_split("test", split="val", losses=[mse("net")])
        strategy = CrossValidation(
            bindings=CVBinding(data, ["train", "val"]),
            n_folds=3,
            phase=PhaseGroup("both", [train, test]),
            experiment=experiment,
        )
        results = strategy.run()

        for label, fold in results.folds():
            evaluated = fold.get_group_result("both").get_eval_result("test")
            targets = evaluated.stacked_tensors("net", "targets", unscale=True, fmt="np")
            rows = fold.feature_sets["points"].get_split("val").indices
            assert np.allclose(np.ravel(targets), 100 * x[rows] + 7, atol=1e-3), label


class TestAfterwards:
    def test_data_graph_and_context_are_as_they_were(self):
        strategy = folded()
        context = strategy.experiment.ctx
        data, graph = context.get_node("clouds"), context.model_graph
        before = (graph.get_state(), dict(context.available_nodes))
        rows = {name: split.indices.copy() for name, split in data.splits.items()}
        scaled = data.get_features("np").copy()
        strategy.run()

        assert_equal(graph.get_state(), before[0])
        assert context.available_nodes == before[1]
        assert {name: split.indices.tolist() for name, split in data.splits.items()} == {
            name: indices.tolist() for name, indices in rows.items()
        }
        assert np.array_equal(data.get_features("np"), scaled)

    def test_also_when_a_fold_fails(self):
        class Failing(Callback):
            def on_batch_end(self, *, experiment, phase, exec_ctx, results):
                if experiment.step > 4:
                    raise ArithmeticError("in the second fold")

        strategy = folded()
        experiment = strategy.experiment
        strategy.experiment.execution_plan.get_train_phase("train").add_callback(Failing())
        data, before = experiment.ctx.get_node("clouds"), experiment.model_graph.get_state()
        with pytest.raises(ArithmeticError, match="in the second fold"):
            strategy.run()

        assert_equal(experiment.model_graph.get_state(), before)
        assert experiment.ctx.get_node("clouds") is data
        failed = experiment.last_run
        assert (failed.status, failed.results.labels) == ("failed", ["fold_0", "fold_1"])
        assert CVResults.of(failed.results).get_fold(0).weights is not None

    def test_frozen_nodes_stay_frozen(self):
        strategy = folded()
        graph = strategy.experiment.model_graph
        graph.freeze()
        with pytest.raises(Exception, match="nothing to train"):
            strategy.run()

        assert graph.frozen_state()["net"]["frozen"]

    def test_two_cross_validations_agree(self):
        strategy = folded()
        first, second = strategy.run(), strategy.run()

        # Seeds depend on the place in the plan, and the step counts on.
        assert first.to_pandas().equals(second.to_pandas())


@pytest.fixture(scope="module")
def results():
    strategy = fresh(folded, n_epochs=2)
    phase = strategy.experiment.execution_plan.get_train_phase("train")

    phase.result_recording = ResultRecording.ALL
    return strategy.run()


class TestResults:
    def test_are_there_by_fold(self, results):
        assert (results.n_folds, results.fold_labels) == (3, ["fold_0", "fold_1", "fold_2"])
        assert results.get_fold(1) is results.get_fold("fold_1") is results["fold_1"]
        with pytest.raises(UnknownLabelError, match="Did you mean 'fold_2'"):
            results.get_fold(3)

    def test_collect_puts_the_fold_before_the_axes(self, results):
        series = results.collect(lambda fold: fold.get_train_result("train").metrics())
        assert series.axes == ("fold", "name", "epoch", "batch")
        value = series.at(fold="fold_1", name="val_loss", epoch=1, batch=None).value
        assert value == results.metrics("val_loss")["fold_1", 1]

        single = results.collect(len)
        assert (single.axes, single.data) == (("fold",), {f"fold_{i}": 1 for i in range(3)})

    def test_losses_are_means_by_samples(self, results):
        losses = results.epoch_losses("net")
        assert losses.axes == ("fold", "epoch")
        for fold in results.fold_labels:
            for epoch in (0, 1):
                logged = results.metrics("train_loss")[fold, epoch]
                assert losses[fold, epoch] == pytest.approx(logged, rel=1e-6)
        sums = results.epoch_losses("net", reducer="sum")
        assert sums["fold_0", 0] > losses["fold_0", 0]

    def test_validation_losses_are_those_of_the_evaluations(self, results):
        assert results.validation_losses("net").data == pytest.approx(
            results.metrics("val_loss").data
        )
        with pytest.raises(PhaseError, match="there are none of 'nope'"):
            results.validation_losses("net", label="nope")

    def test_as_a_table(self, results):
        table = results.to_pandas()
        assert list(table.columns) == ["fold", "phase", "metric", "value"]
        assert set(table["metric"]) == {"train_loss", "val_loss", "accuracy"}
        row = table[(table.fold == "fold_2") & (table.metric == "val_loss")]
        assert row["value"].tolist() == [results.metrics("val_loss")["fold_2", 1]]

    def test_are_shown_by_their_labels(self, results):
        assert repr(results) == "CVResults('CV': fold_0, fold_1, fold_2)"
        assert repr(results.get_fold(0)) == "FoldResults('fold_0': train)"

    def test_unknown_names_are_errors(self, results):
        with pytest.raises(UnknownLabelError, match="Did you mean 'val_loss'"):
            results.metrics("val_los")
        with pytest.raises(UnknownLabelError, match="Did you mean 'mean'"):
            results.epoch_losses("net", reducer="meen")


class TestReporting:
    def test_folds_are_told_as_folds(self):
        strategy, log = folded(), Log()
        strategy.experiment.add_reporter(log)
        strategy.run()

        started = [event[1:4] for event in log.events if event[0] == "phase_started"]
        assert started == [
            ("CV", (0,), "group"),
            *(
                entry
                for number in range(3)
                for entry in [
                    (f"fold_{number}", (0, number), "fold"),
                    ("train", (0, number, 0), "train"),
                ]
            ),
        ]


class TestConstruction:
    def test_runs_the_plan_as_it_is_now(self):
        strategy = folded()
        strategy.experiment.execution_plan.clear()

        assert [phase.label for phase in strategy.group.flatten()] == ["train"] * 3

    def test_can_be_part_of_a_plan(self):
        strategy = folded()
        experiment = strategy.experiment
        experiment.execution_plan.clear().add_group(strategy.group)
        results = CVResults.of(experiment.run()["CV"])

        assert results.n_folds == 3
        assert results.metrics("val_loss").shape == (3, 1)

    @pytest.mark.parametrize(
        ("words", "error", "said"),
        [
            ({"n_folds": 0}, PhaseError, "at least 1, not 0"),
            ({"n_folds": 1}, PhaseError, "val_size"),
            ({"n_folds": True}, PhaseError, "not True"),
            ({"bindings": []}, PhaseError, "CVBinding"),
            ({"phase": "train"}, TypeError, "not str"),
            ({"experiment": "here"}, TypeError, "There is no experiment"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, words, error, said):
        experiment = resumable()
        given = {"bindings": CVBinding("clouds", ["train"]), "experiment": experiment}
        with pytest.raises(error) as refused:
            CrossValidation(**{**given, **words})

        assert said in str(refused.value)

    def test_an_empty_plan_is_refused(self):
        Experiment("empty", seed=1)
        classifier(classes())
        with pytest.raises(PhaseError, match="The plan of 'empty' is empty"):
            CrossValidation(bindings=CVBinding("clouds", ["train"]), n_folds=2)

    def test_a_feature_set_is_bound_once(self):
        resumable()
        with pytest.raises(PhaseError, match="'clouds' is bound twice"):
            CrossValidation(bindings=[CVBinding("clouds", ["train"])] * 2, n_folds=2)


def test_scalers_of_the_set_itself_are_not_touched():
    strategy = folded(scaler=Scaler("MinMaxScaler"))
    own = strategy.experiment.ctx.get_node("clouds").scaler_records[0].scaler_obj
    fitted = own.scaler.data_max_.copy()
    results = strategy.run()

    assert np.array_equal(own.scaler.data_max_, fitted)
    maxima = [
        fold.feature_sets["clouds"].scaler_records[0].scaler_obj.scaler.data_max_
        for _, fold in results.folds()
    ]
    assert not np.array_equal(maxima[0], maxima[1])


def test_an_evaluation_needs_no_loss_of_its_own():
    experiment = resumable(batch_size=24)
    test = EvalPhase.from_split("test", split="val", losses=[cross_entropy()])
    experiment.execution_plan.add_phase(test)
    results = CrossValidation(bindings=CVBinding("clouds", ["train", "val"]), n_folds=2).run()

    assert {"test_loss"} <= set(results.to_pandas().query("phase == 'test'")["metric"])
