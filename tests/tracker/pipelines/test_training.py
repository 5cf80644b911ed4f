"""Training a pipeline: to a total, going on where it stands, nothing lost and nothing twice."""

import math

import pytest
import torch

from engine.errors import EngineError
from tests.tracker.pipelines.small_lab import points_of, run_row, weights_of
from tracker.errors import DamagedFileError, InvalidError, NotFoundError, StateError
from tracker.pipelines.training import EARLY_STOPPING


def assert_equal_training(lab, one, other):
    """The same points at the same places, and the same weights, bit for bit."""
    expected, found = points_of(lab, one.name), points_of(lab, other.name)
    assert found.keys() == expected.keys()
    different = [
        key
        for key, point in expected.items()
        if point != found[key] and not all(map(math.isnan, (point[1], found[key][1])))
    ]
    assert different == []
    for which in ("last", "best"):
        left, right = weights_of(one, which), weights_of(other, which)
        assert all(torch.equal(left[name], right[name]) for name in left)


class TestTotal:
    @pytest.mark.parametrize("sessions", [[2, 4], [1, 2, 3, 4], [3, 4]])
    def test_sessions_that_add_up_equal_one_long_training(self, lab, create, sessions):
        whole, pieces = create("whole"), create("pieces")
        whole.train(4, progress=False)
        for epochs in sessions:
            pieces.train(epochs, progress=False)

        assert_equal_training(lab, whole, pieces)
        assert pieces.runs == ["pieces"]

    def test_every_metric_has_a_point_per_epoch_and_the_test_comes_once(self, lab, create):
        pipeline = create()
        pipeline.train(2, progress=False)
        pipeline.train(3, progress=False)
        points = points_of(lab, "small")

        steps = [step for metric, axis, step in points if (metric, axis) == ("train_loss", "step")]
        assert steps == list(range(1, 10))
        for metric in ("train_loss", "val_loss", "val_accuracy"):
            places = {
                step: epoch for (name, axis, step), (epoch, _) in points.items()
                if (name, axis) == (metric, "epoch")
            }  # fmt: skip
            assert places == {3: 0, 6: 1, 9: 2}
        assert [key for key in points if key[0] == "test_accuracy"] == [
            ("test_accuracy", "step", 9)
        ]

    def test_the_configured_epochs_are_the_default_and_the_run_says_what_was_asked(
        self, lab, create
    ):
        pipeline = create(epochs=2)
        pipeline.train(progress=False)
        assert lab.runs().iloc[0]["params.epochs"] == 2

        pipeline.train(3, progress=False)

        assert pipeline.config["epochs"] == 2
        assert lab.runs().iloc[0]["params.epochs"] == 3
        assert run_row(lab, "small").epoch == 2

    def test_what_is_finished_is_left_alone_and_says_so(self, lab, create):
        pipeline = create(epochs=2)
        pipeline.train(progress=False)
        before = points_of(lab, "small")
        for epochs in (None, 1, 2):
            outcome = pipeline.train(epochs, progress=False)
            assert outcome.sentence.startswith("small is finished: --epochs or --patience make")

        assert points_of(lab, "small") == before

    def test_fresh_starts_another_run(self, lab, create):
        pipeline = create(epochs=1)
        pipeline.train(progress=False)
        outcome = pipeline.train(fresh=True, progress=False)

        assert outcome.run == "small-2"
        assert pipeline.runs == ["small", "small-2"]
        assert pipeline.run == "small-2"
        assert points_of(lab, "small").keys()

    def test_without_a_seed_each_run_draws_its_own_and_keeps_it(self, lab, create):
        pipeline = create(seed=None, epochs=1)
        pipeline.train(progress=False)
        first = run_row(lab, "small").seed
        pipeline.train(2, progress=False)
        assert run_row(lab, "small").seed == first

        pipeline.train(1, fresh=True, progress=False)

        assert run_row(lab, "small").seed != first

    @pytest.mark.parametrize(
        ("demands", "message"),
        [
            ({"epochs": 0}, "epochs must be a whole number of at least 1, not 0."),
            ({"epochs": 1.5}, "epochs must be a whole number of at least 1, not 1.5."),
            ({"epochs": True}, "epochs must be a whole number of at least 1, not True."),
            ({"patience": -1}, "patience must be a whole number of at least 1, not -1."),
            ({"device": "gpu"}, "device must be auto, cpu or cuda, not 'gpu'."),
            ({"time_limit": "soon"}, "'soon' is no length of time"),
        ],
    )
    def test_what_cannot_be_asked_is_refused_before_anything_begins(
        self, lab, create, demands, message
    ):
        pipeline = create()
        with pytest.raises(InvalidError, match=message.replace(".", r"\.")):
            pipeline.train(**demands, progress=False)

        assert pipeline.runs == []


IMPATIENT = {
    # The learning rate makes the loss jump about, so that patience runs out soon.
    "optimizer.args.lr": 1.0,
    "scheduler": None,
    "strategy.monitor": "val_loss",
    "strategy.patience": 2,
    "strategy.restore_best": True,
}


class TestPatience:
    def test_it_survives_a_resume(self, lab, create):
        whole = create("whole", **IMPATIENT)
        outcome = whole.train(40, progress=False)
        stopped_at = run_row(lab, "whole").epoch
        assert outcome.reason == f"{EARLY_STOPPING} at epoch {stopped_at}"

        pieces = create("pieces", **IMPATIENT)
        for epochs in (*range(1, stopped_at + 1), 40):
            pieces.train(epochs, progress=False)

        assert run_row(lab, "pieces").epoch == stopped_at
        assert_equal_training(lab, whole, pieces)

    def test_a_pipeline_that_was_stopped_early_is_finished_and_says_so(self, create):
        pipeline = create(**IMPATIENT)
        first = pipeline.train(40, progress=False)
        again = pipeline.train(40, progress=False)

        assert again.idle
        assert again.sentence.startswith(f"small is finished ({first.reason}): --epochs or --pat")

    def test_more_patience_goes_on_as_if_it_had_been_there_from_the_start(self, lab, create):
        pieces = create("pieces", **IMPATIENT)
        pieces.train(12, progress=False)
        stopped_at = run_row(lab, "pieces").epoch
        pieces.train(patience=4, progress=False)

        whole = create("whole", **{**IMPATIENT, "strategy.patience": 4})
        whole.train(12, progress=False)

        assert run_row(lab, "pieces").epoch > stopped_at
        assert_equal_training(lab, whole, pieces)

    def test_more_epochs_go_on_with_patience_counted_anew(self, lab, create):
        pipeline = create(**IMPATIENT)
        pipeline.train(30, progress=False)
        stopped_at = run_row(lab, "small").epoch
        outcome = pipeline.train(31, progress=False)

        assert not outcome.idle
        assert run_row(lab, "small").epoch >= stopped_at + 2

    def test_the_best_epoch_is_the_one_with_the_best_value(self, lab, create):
        pipeline = create(**IMPATIENT)
        pipeline.train(40, progress=False)
        values = {
            epoch: value for (name, *_), (epoch, value) in points_of(lab, "small").items()
            if name == "val_loss"
        }  # fmt: skip
        best = min(values, key=values.get)

        assert pipeline.checkpoint("best").epoch == best
        assert pipeline.checkpoint("best").value == values[best]
        assert best < max(values)


class TestFailure:
    def test_what_breaks_is_raised_and_recorded_and_can_be_gone_on_with(
        self, lab, create, monkeypatch
    ):
        whole = create("whole", **{"model.args.fail_at": 100})
        whole.train(4, progress=False)
        pipeline = create("broken", **{"model.args.fail_at": 8})
        with pytest.raises(ArithmeticError, match="the model broke"):
            pipeline.train(progress=False)

        row = run_row(lab, "broken")
        assert (pipeline.status, row.reason) == ("failed", "ArithmeticError: the model broke")
        assert "parts.py" in row.traceback
        assert pipeline.checkpoint("last").epoch == 1

        monkeypatch.setenv("MENDED", "yes")
        pipeline.train(progress=False)

        assert run_row(lab, "broken").reason is None
        assert_equal_training(lab, whole, pipeline)

    @pytest.mark.parametrize(
        ("overrides", "message"),
        [
            ({"model.args.inputs": 5}, "(5|4)"),
            ({"model.args.outputs": 2, "loss": "MSELoss"}, r"shape.*\(8, 2\).*\(8, 1\)|\(8,\)"),
            ({"optimizer.args.lr": 1e30}, "(?i)nan|inf"),
            (
                {"target": "z", "dataset": "parts:frame"},
                "no column named 'z' in the dataset. It has: a, y.",
            ),
        ],
    )
    def test_data_that_does_not_fit_fails_before_or_at_the_first_step(
        self, lab, create, overrides, message
    ):
        with (lab.root / "parts.py").open("a") as file:
            file.write("\n\ndef frame():\n    import pandas\n"
                       "    return pandas.DataFrame({'a': [1.0], 'y': [0]})\n")  # fmt: skip
        pipeline = create(**overrides)
        with pytest.raises((EngineError, InvalidError), match=message) as caught:
            pipeline.train(progress=False)

        assert "\n" not in str(caught.value)
        assert pipeline.status == "failed"

    def test_a_run_that_failed_before_its_first_checkpoint_begins_anew(self, lab, create):
        pipeline = create(**{"model.args.fail_at": 2})
        with pytest.raises(ArithmeticError):
            pipeline.train(progress=False)
        with pytest.raises(ArithmeticError):
            pipeline.train(progress=False)

        assert {key for key in points_of(lab, "small") if key[0] == "train_loss"} == {
            ("train_loss", "step", 1)
        }


class TestCheckpoints:
    def damage(self, path):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    def test_a_damaged_one_is_named_and_the_one_before_is_used(self, lab, create):
        keeping = {"strategy.checkpoints.keep_last": 3}
        whole = create("whole", **keeping)
        whole.train(4, progress=False)
        pipeline = create("damaged", **keeping)
        pipeline.train(3, progress=False)
        last = pipeline.checkpoint("last")
        self.damage(last.path)

        with pytest.raises(DamagedFileError, match=last.path.name):
            pipeline.load_model("last")
        outcome = pipeline.train(4, progress=False)

        assert "'train-epoch-2' is left out" in outcome.notices[0]
        assert outcome.notices[1] == "Going on from checkpoint 'train-epoch-1' instead."
        assert_equal_training(lab, whole, pipeline)

    def test_where_all_are_damaged_nothing_is_lost_and_the_way_out_is_named(self, lab, create):
        pipeline = create(**{"strategy.checkpoints.keep_best": False})
        pipeline.train(2, progress=False)
        before = points_of(lab, "small")
        self.damage(pipeline.checkpoint("last").path)

        with pytest.raises(DamagedFileError, match=r"`labkeeper train --fresh small`"):
            pipeline.train(3, progress=False)

        assert points_of(lab, "small") == before
        assert pipeline.status == "finished"

    def test_last_best_and_epochs_are_what_they_say(self, lab, create):
        pipeline = create(**{"strategy.checkpoints.keep_last": 9, "optimizer.args.lr": 0.5})
        pipeline.train(4, progress=False)
        values = {
            epoch: value for (name, axis, _), (epoch, value) in points_of(lab, "small").items()
            if (name, axis) == ("val_loss", "epoch")
        }  # fmt: skip

        assert pipeline.checkpoint("last").epoch == 3
        assert [pipeline.checkpoint(epoch).value for epoch in values] == list(values.values())
        assert pipeline.checkpoint("best").value == min(values.values())
        assert pipeline.checkpoint("train-epoch-1").epoch == 1
        with pytest.raises(NotFoundError, match="epoch 7"):
            pipeline.checkpoint(7)

    def test_a_model_is_loaded_ready_to_be_used(self, lab, create):
        pipeline = create()
        pipeline.train(2, progress=False)
        model = pipeline.load_model("last")

        assert not model.training
        assert model(torch.zeros(1, 4)).shape == (1, 3)
        assert not torch.equal(
            model.state_dict()["layers.0.weight"],
            pipeline.load_model("best").state_dict()["layers.0.weight"] + 1,
        )

    def test_what_was_never_trained_has_nothing_to_load(self, create):
        pipeline = create()
        for ask in (pipeline.checkpoint, pipeline.load_model, pipeline.resume, pipeline.stop):
            with pytest.raises(StateError, match="was never trained: `labkeeper train small`"):
                ask()


FOREST = {
    "experiment": "small",
    "dataset": "parts:points",
    "split": {"train": 0.5, "validate": 0.25, "test": 0.25, "stratify": "y"},
    "model": {"loc": "sklearn.ensemble.RandomForestClassifier", "args": {"n_estimators": 5}},
    "metrics": ["accuracy", "f1"],
}


class TestEstimators:
    def test_an_estimator_is_fitted_once_and_measured(self, lab):
        pipeline = lab.create("forest", FOREST)
        outcome = pipeline.train(progress=False)

        assert outcome.sentence == "forest is finished."
        assert {key[0] for key in points_of(lab, "forest")} == {
            "val_accuracy", "val_f1", "test_accuracy", "test_f1"
        }  # fmt: skip
        assert pipeline.train(progress=False).sentence == (
            "forest is finished: --fresh starts another run."
        )
        assert pipeline.load_model().predict([[0, 0, 0, 0]]).shape == (1,)

    def test_what_means_nothing_to_it_is_left_out_with_a_word(self, lab):
        outcome = lab.create("forest", FOREST).train(5, device="cpu", progress=False)

        reason = "sklearn.ensemble.RandomForestClassifier is fitted in one go."
        assert outcome.notices == (
            f"forest: epochs is left out: {reason}",
            f"forest: device is left out: {reason}",
        )

    def test_the_seed_decides_what_it_draws(self, lab):
        first = lab.create("one", {**FOREST, "seed": 1})
        same = lab.create("two", {**FOREST, "seed": 1}, force=True)
        for pipeline in (first, same):
            pipeline.train(progress=False)

        probe = torch.randn(20, 4).numpy()
        assert (
            first.load_model().predict_proba(probe) == same.load_model().predict_proba(probe)
        ).all()


class TestRegression:
    def test_metrics_are_in_the_targets_own_units(self, lab):
        pipeline = lab.create(
            "line",
            {
                "seed": 1,
                "dataset": "parts:line",
                "split": {"train": 0.6, "validate": 0.2, "test": 0.2},
                "scale": {"target": "StandardScaler"},
                "model": {"loc": "torch.nn.Linear", "args": {"in_features": 1, "out_features": 1}},
                "loss": "MSELoss",
                "optimizer": {"loc": "SGD", "args": {"lr": 0.2}},
                "metrics": ["mae", "r2"],
                "batch_size": 8,
                "epochs": 40,
                "gradient_norm": True,
            },
        )
        pipeline.train(1, progress=False)
        early = {name: value for (name, *_), (_, value) in points_of(lab, "line").items()}
        pipeline.train(progress=False)
        late = {name: value for (name, *_), (_, value) in points_of(lab, "line").items()}

        assert early["val_mae"] > 5
        assert late["test_mae"] < 0.1
        assert late["test_r2"] == pytest.approx(1, abs=1e-4)
        assert late["gradient_norm"] < early["gradient_norm"]


def test_code_that_has_changed_since_is_told(lab, create):
    pipeline = create(epochs=1)
    path = lab.root / "parts.py"
    path.write_text(path.read_text() + "\n# another line\n")
    outcome = pipeline.train(progress=False)

    assert outcome.notices == (
        "small: the code of its components has changed since it was created (parts).",
    )


def test_an_archived_pipeline_is_not_trained(lab, create):
    from tracker.registry.pipelines import find_pipeline, set_archived

    pipeline = create()
    with lab.database.write() as session:
        set_archived(session, find_pipeline(session, "small"), archived=True)

    with pytest.raises(StateError, match="is archived"):
        pipeline.train(progress=False)


def test_training_leaves_the_callers_generators_and_context_as_they_were(create):
    from engine.context import ExperimentContext

    pipeline = create(epochs=1)
    torch.manual_seed(3)
    expected = torch.rand(1)
    mine = ExperimentContext()
    with mine.activate():
        torch.manual_seed(3)
        pipeline.train(progress=False)

        assert torch.equal(torch.rand(1), expected)
        assert ExperimentContext.get_active() is mine
