"""Training a pipeline: to a total, going on where it stands, nothing lost and nothing twice."""

import pytest
import torch

from engine.errors import EngineError
from tests.tracker.pipelines.small_lab import assert_equal_training, points_of, run_row
from tracker.errors import InvalidError, StateError
from tracker.pipelines.training import EARLY_STOPPING
from tracker.recording.checkpoints import CheckpointKeeper


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

    def test_a_run_that_failed_once_all_was_done_is_trained_for_longer_all_the_same(
        self, lab, create, monkeypatch
    ):
        whole, pieces = create("whole"), create("pieces")
        whole.train(3, progress=False)
        with monkeypatch.context() as patch:
            patch.setattr(CheckpointKeeper, "forget_passing", lambda _: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                pieces.train(2, progress=False)
        assert lab.checkpoints("pieces")["name"].tolist()[0] == "test"

        pieces.train(3, progress=False)

        assert_equal_training(lab, whole, pieces)

    def test_what_is_finished_is_left_alone_and_says_so(self, lab, create):
        pipeline = create(epochs=2)
        pipeline.train(progress=False)
        before = points_of(lab, "small")
        for epochs in (None, 1, 2):
            outcome = pipeline.train(epochs, progress=False)
            assert outcome.sentence.startswith("small is finished: --epochs above 2 or more")

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
        assert outcome.reason == f"{EARLY_STOPPING} after {stopped_at + 1} epochs"

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
        assert again.sentence.startswith(
            f"small is finished ({first.reason}): --epochs above 40 or"
        )

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
