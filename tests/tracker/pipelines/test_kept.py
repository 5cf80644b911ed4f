import pytest
import torch

from tests.tracker.pipelines.small_lab import assert_equal_training, points_of
from tracker.errors import DamagedFileError, NotFoundError, StateError


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
