import json

import numpy as np
import pytest
import torch

from engine.context import ExperimentContext
from engine.errors import DataError, PhaseError, UnknownLabelError
from engine.experiment import Experiment
from engine.features import FeatureSetView
from engine.graph import ConcatNode, ModelGraph, ModelNode
from engine.optimizers import Optimizer
from engine.phases import EvalPhase, InputBinding, TrainPhase
from engine.phases.feed import Feed
from engine.samplers import SimpleSampler
from tests.engine.small_experiments import line, mse, numbers


@pytest.fixture
def data():
    Experiment("small", seed=1)
    return numbers("data")


@pytest.fixture
def node(data):
    node = line("net", data)
    ModelGraph(optimizer=Optimizer("adam"))
    return node


def sampler():
    return SimpleSampler(batch_size=10, shuffle=True, seed=1)


class TestMaking:
    def test_the_only_feature_set_of_a_node_need_not_be_named(self, node, data):
        for given in ("net", node):
            binding = InputBinding.for_training(node=given, sampler=sampler(), split="train")
            assert binding.node_id == "net"
            assert binding.upstream_ref == data.reference()

    def test_a_feature_set_a_split_or_a_label_names_it_too(self, node, data):
        for upstream in (data, "data", data.to_view()):
            binding = InputBinding.for_evaluation(node=node, upstream=upstream)
            assert (binding.split, len(binding.resolve_input_view())) == (None, 40)
        by_view = InputBinding.for_evaluation(node=node, upstream=data["val"])
        assert (by_view.split, len(by_view.resolve_input_view())) == ("val", 10)

    def test_unknown_names_suggest_the_nearest(self, node, data):
        with pytest.raises(UnknownLabelError, match="Did you mean 'val'"):
            InputBinding.for_evaluation(node=node, split="vall")
        with pytest.raises(UnknownLabelError, match="Did you mean 'net'"):
            InputBinding.for_evaluation(node="nett")
        with pytest.raises(UnknownLabelError, match="Did you mean 'data'"):
            InputBinding.for_evaluation(node=node, upstream="dat")

    def test_a_node_without_feature_sets_takes_no_binding(self, node):
        inner = line("inner", node, inputs=1)
        with pytest.raises(PhaseError, match="'inner' takes in no feature set"):
            InputBinding.for_evaluation(node=inner)

    @pytest.mark.parametrize("active", [None, ["head"], ["net"]])
    def test_a_split_is_bound_wherever_a_computed_node_takes_in_a_feature_set(self, active):
        experiment = Experiment("small", seed=1)
        data = numbers("data")
        node = line("net", data)
        line("head", ConcatNode("both", [node, data]), inputs=3)
        ModelGraph(optimizer=Optimizer("adam"))
        loss = mse("net" if active == ["net"] else "head")
        given = {"losses": [loss], "active_nodes": active}
        train = TrainPhase.from_split("a", split="train", sampler=sampler(), **given)
        judge = EvalPhase.from_split("b", split="val", **given)

        wanted = ["net"] if active == ["net"] else ["net", "both"]
        for phase, split in ((train, "train"), (judge, "val")):
            bound = [(one.node_id, one.split) for one in phase.input_sources]
            assert bound == [(label, split) for label in wanted]
            experiment.run_phase(phase)

    def test_one_of_several_must_be_named(self, data):
        other = numbers("other", seed=1)
        ConcatNode("both", [data, other])
        with pytest.raises(PhaseError, match="several feature sets, data, other"):
            InputBinding.for_evaluation(node="both")
        assert InputBinding.for_evaluation(node="both", upstream=other).upstream_ref == (
            other.reference()
        )

    def test_wrong_parts_are_refused(self, node, data):
        with pytest.raises(PhaseError, match="is no sampler"):
            InputBinding("net", data.reference(), sampler="simple")
        with pytest.raises(PhaseError, match="needs a reference to a FeatureSet"):
            InputBinding("net", node.reference())


class TestViews:
    """A view as upstream: exactly its rows, in its order."""

    @pytest.mark.parametrize(
        "rows", [range(39, -1, -1), [0] * 40, [0] * 50, [3, 1, 2], range(1, 40)]
    )
    @pytest.mark.parametrize("label", [None, "mine", "train", "data"])
    def test_feed_their_rows_in_their_order(self, node, data, rows, label):
        view = data.take(rows, label)
        for binding in (
            InputBinding.for_evaluation(node=node, upstream=view),
            InputBinding.for_training(node=node, upstream=view, sampler=sampler()),
            node.create_input_binding(upstream=view),
        ):
            assert binding.split is None
            assert binding.resolve_input_view().indices.tolist() == list(rows)

    def test_of_the_same_rows_share_their_draws_and_others_do_not(self, node, data):
        views = [data.take([1, 2, 3]), data.take([1, 2, 3], "same"), data.take([4, 5, 6])]
        one, same, other = (InputBinding.for_evaluation(node=node, upstream=view) for view in views)
        assert one == same
        assert one != other
        assert one != InputBinding.for_evaluation(node=node)
        feeds = [
            Feed(pair, seed=1, formats={"net": "torch"}) for pair in ([one, same], [one, other])
        ]
        assert [len(feed.get_state()) for feed in feeds] == [1, 2]

    def test_are_not_changed_from_outside(self, node, data):
        rows = np.array([5, 6, 7])
        view = FeatureSetView.from_featureset(data, rows=rows)
        binding = InputBinding.for_evaluation(node=node, upstream=view)
        rows[:] = 0
        assert binding.resolve_input_view().indices.tolist() == [5, 6, 7]

    def test_that_are_the_split_of_their_label_follow_it(self, node, data):
        binding = InputBinding.for_evaluation(node=node, upstream=data["val"])
        assert (binding.split, binding.rows) == ("val", None)
        old = data["val"]
        data.clear_splits()
        data.add_split(data.take([7, 8], "val"))
        assert binding.resolve_input_view().indices.tolist() == [7, 8]
        stale = InputBinding.for_evaluation(node=node, upstream=old)
        assert stale.resolve_input_view().indices.tolist() == old.indices.tolist()

    def test_go_with_a_split_only_if_they_are_everything_or_the_split_itself(self, node, data):
        for upstream in (data.to_view(), data["val"]):
            both = InputBinding.for_evaluation(node=node, upstream=upstream, split="val")
            assert (both.split, len(both.resolve_input_view())) == ("val", 10)
        for upstream in (data.take([0, 1]), data["train"], data.take(range(39, -1, -1))):
            with pytest.raises(PhaseError, match=r"split='val' would be other rows.*data\['val'\]"):
                InputBinding.for_evaluation(node=node, upstream=upstream, split="val")
        with pytest.raises(PhaseError, match="Give rows or the split 'val', not both"):
            InputBinding("net", data.reference(), split="val", rows=np.array([1]))

    def test_without_samples_or_of_another_set_are_refused(self, node, data):
        with pytest.raises(PhaseError, match="has no samples"):
            InputBinding.for_evaluation(node=node, upstream=data.take([]))
        with ExperimentContext.dont_register():
            twin, other = numbers("data"), numbers("data", seed=5)
        for upstream in (other, other.take([1])):
            with pytest.raises(PhaseError, match="another feature set than the one that is reg"):
                InputBinding.for_evaluation(node=node, upstream=upstream)
        assert InputBinding.for_evaluation(node=node, upstream=twin.take([1])).rows.tolist() == [1]

    def test_come_back_from_their_configuration(self, node, data):
        made = InputBinding.for_evaluation(node=node, upstream=data.take([3, 1, 1]))
        config = json.loads(json.dumps(made.get_config()))
        assert InputBinding.from_config(config) == made
        # As it was written before a binding could have rows.
        del config["rows"]
        assert InputBinding.from_config(config).resolve_input_view().n_samples == 40

    def test_out_of_range_are_refused_when_they_come_back(self, node, data):
        config = InputBinding.for_evaluation(node=node, upstream=data.take([3])).get_config()
        with pytest.raises(DataError, match="between 0 and 39"):
            InputBinding.from_config({**config, "rows": [40]})


class TestBatches:
    def test_are_those_of_the_first_epoch(self, node):
        binding = InputBinding.for_training(node=node, sampler=sampler(), split="train")

        first, again = (binding.materialize_batches(show_progress=False) for _ in range(2))

        assert [len(view) for view in first] == [10, 10, 10]
        for one, other in zip(first, again, strict=True):
            assert np.array_equal(one.role_indices["default"], other.role_indices["default"])

    def test_leave_the_sampler_alone(self, node):
        shared = sampler()
        InputBinding.for_training(node=node, sampler=shared, split="train").materialize_batches()

        assert not shared.is_bound

    def test_without_a_sampler_are_everything_at_once(self, node):
        (view,) = InputBinding.for_evaluation(node=node, split="val").materialize_batches()

        assert len(view) == 10
        assert view.get_role_view().n_samples == 10


def test_the_configuration_makes_an_equal_one(node):
    made = InputBinding.for_training(node=node, sampler=sampler(), split="train")

    again = InputBinding.from_config(made.get_config())

    assert again.get_config() == made.get_config()
    assert again.upstream_ref == made.upstream_ref
    assert isinstance(again.sampler, SimpleSampler)
    assert (
        InputBinding.from_config(InputBinding.for_evaluation(node="net").get_config()).sampler
        is None
    )


def test_a_model_node_of_a_view_is_bound_to_its_feature_set(data):
    ModelNode("narrow", torch.nn.Linear(1, 1), data.select(features=["x0"]))
    binding = InputBinding.for_evaluation(node="narrow", split="val")

    assert binding.upstream_ref.features == ("features.x0.raw",)
