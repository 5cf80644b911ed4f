import numpy as np
import pytest
import torch

from engine.batches import Batch, BatchView, ExecutionContext, LossCollection, LossRecord
from engine.context import ExperimentContext
from engine.errors import UnknownLabelError
from engine.features import FeatureSet


class TestLossRecord:
    def test_its_total_is_what_is_there(self):
        assert LossRecord("a", trainable=2.0).total == 2.0
        assert LossRecord("a", auxiliary=3.0).total == 3.0
        assert LossRecord("a", trainable=2.0, auxiliary=3.0).total == 5.0
        assert LossRecord("a").total is None

    def test_tensors_become_numbers_when_asked(self):
        record = LossRecord("a", "node", trainable=torch.tensor(0.5))
        assert isinstance(record.trainable, torch.Tensor)
        assert record.to_float() == LossRecord("a", "node", trainable=0.5)
        assert record.to_float().as_dict() == {
            "label": "a",
            "node_id": "node",
            "trainable": 0.5,
            "auxiliary": None,
        }

    def test_merging_adds_and_mean_divides(self):
        records = [LossRecord("a", "n", 1.0, 4.0), LossRecord("a", "n", 3.0), LossRecord("a", "n")]
        assert LossRecord.merge(*records) == LossRecord("a", "n", 4.0, 4.0)
        assert LossRecord.mean(*records) == LossRecord("a", "n", 4.0 / 3, 4.0 / 3)
        other = LossRecord.merge(LossRecord("a", "n", 1.0), LossRecord("b", "m", 1.0))
        assert other == LossRecord("merged", None, 2.0)
        assert records[0].trainable == 1.0


class TestLossCollection:
    @pytest.fixture
    def losses(self):
        return LossCollection(
            [
                LossRecord("mse", "a", trainable=torch.tensor(1.0)),
                LossRecord("l1", "a", auxiliary=torch.tensor(2.0)),
                LossRecord("mse", "b", trainable=torch.tensor(4.0)),
            ]
        )

    def test_has_axes_for_node_and_label(self, losses):
        assert losses.axes == ("node", "label")
        assert losses.node_ids == ["a", "b"]
        assert losses.loss_labels == ["mse", "l1"]
        assert losses["a", "l1"].auxiliary == 2.0

    def test_sums_what_is_trained_and_what_is_looked_at(self, losses):
        assert losses.trainable == 5.0
        assert losses.auxiliary == 2.0
        assert losses.total == 7.0
        assert LossCollection([]).trainable is None

    def test_parts_of_it_are_collections_too(self, losses):
        assert losses.where(node="a").trainable == 1.0
        assert losses.collapse("node", "sum").to_float()["mse"] == LossRecord("mse", None, 5.0)
        assert losses.collapse("label", "mean").where(node="a").trainable == 0.5
        assert losses.where(node="a").squeeze().node_ids == []

    def test_concatenating_losses_makes_no_sense(self, losses):
        with pytest.raises(UnknownLabelError, match="no reducer 'concat'"):
            losses.collapse("node", "concat")

    def test_becomes_plain_numbers_when_asked(self, losses):
        plain = losses.to_float()
        assert plain["b", "mse"].trainable == 4.0
        assert isinstance(plain.trainable, float)


class TestExecutionContext:
    def test_is_filled_step_by_step(self):
        with ExperimentContext.dont_register():
            data = FeatureSet.from_dict("d", {"x": [1]}, "x")
        view, key = BatchView(data, {"default": np.array([0])}), ("node", data.reference())
        ctx = ExecutionContext("train", 2, 3)
        assert (ctx.phase_label, ctx.epoch_idx, ctx.batch_idx) == ("train", 2, 3)
        ctx.set_input(key, view)
        batch = view.materialize_batch()
        ctx.set_output("node", batch)
        ctx.add_losses([LossRecord("a", "node", 1.0)])
        ctx.add_losses([LossRecord("b", "node", 2.0)])
        assert ctx.inputs == {key: view}
        assert ctx.outputs == {"node": batch}
        assert ctx.losses.trainable == 3.0

    def test_may_come_filled(self):
        outputs, losses = {"node": Batch(0, {})}, LossCollection([])
        ctx = ExecutionContext("p", 0, 0, {}, outputs, losses)
        assert ctx.outputs is outputs
        assert ctx.losses is losses
        assert ExecutionContext("p", 0, 0).outputs == {}
        assert ExecutionContext("p", 0, 0).losses is None
