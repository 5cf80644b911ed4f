"""`unscale=True`: outputs and targets in the units of the columns that they stand for."""

import numpy as np
import pytest
import torch

from engine.errors import PhaseError
from engine.experiment import Experiment
from engine.features import FeatureSet
from engine.graph import ConcatNode, ModelGraph, ModelNode
from engine.phases import EvalPhase


@pytest.fixture
def experiment():
    return Experiment("units", seed=1)


def cells(label, *, offset):
    """Eight samples with two targets on scales of their own."""
    rows = np.arange(8.0)
    data = {"x": rows / 8, "volts": offset + rows**2, "ohms": 1000 * offset + rows}
    feature_set = FeatureSet.from_dict(label, data, "x", ["volts", "ohms"])
    feature_set.fit_transform("StandardScaler", domain="targets", keys="volts")
    feature_set.fit_transform("MinMaxScaler", domain="targets", keys="ohms")
    return feature_set


def evaluated(experiment):
    ModelGraph()
    phase = EvalPhase("all", input_sources=bindings(experiment))
    return experiment.run_phase(phase)


def bindings(experiment):
    heads = experiment.model_graph.head_nodes.values()
    return [head.create_input_binding() for head in heads]


def node(label, upstream, outputs, inputs=1):
    return ModelNode(label, torch.nn.Linear(inputs, outputs), upstream)


def raw(feature_set, *columns):
    return np.stack(
        [feature_set.get_targets("np", targets=one, rep="raw")[:, 0] for one in columns], 1
    )


@pytest.mark.parametrize(
    "targets",
    [
        ["volts.raw"],
        ["volts.raw", "ohms.raw"],
        ["volts.transformed"],
        ["ohms.transformed", "volts.raw"],
        ["volts.raw", "ohms.transformed"],
    ],
)
def test_only_what_was_scaled_is_unscaled(experiment, targets):
    data = cells("cells", offset=3)
    node("net", data.reference(features="x", targets=targets), len(targets))
    results = evaluated(experiment)

    found = results.stacked_tensors("net", "targets", fmt="np", unscale=True)

    keys = [name.partition(".")[0] for name in targets]
    assert found.reshape(8, -1) == pytest.approx(raw(data, *keys), rel=1e-6)


class TestSeveralFeatureSets:
    @pytest.fixture
    def sources(self):
        return cells("old", offset=3), cells("new", offset=50)

    def joined(self, experiment, sources, strategy, **options):
        heads = [
            node(f"of {one.label}", one.reference(features="x", targets=["volts", "ohms"]), 2)
            for one in sources
        ]
        chosen = heads[1] if strategy == "the second" else strategy
        both = ConcatNode("both", heads, concat_axis=-1, concat_axis_targets=chosen)
        node("net", both, options.get("outputs", 2), inputs=4)
        return evaluated(experiment)

    @pytest.mark.parametrize(("strategy", "whose"), [("first", 0), ("last", 1), ("the second", 1)])
    def test_a_merge_that_takes_the_targets_of_one_has_its_scale(
        self, experiment, sources, strategy, whose
    ):
        results = self.joined(experiment, sources, strategy)

        found = results.stacked_tensors("net", "targets", fmt="np", unscale=True)

        assert found == pytest.approx(raw(sources[whose], "volts", "ohms"), rel=1e-6)
        outputs = results.stacked_tensors("net", "outputs", fmt="np")
        unscaled = results.stacked_tensors("net", "outputs", fmt="np", unscale=True)
        assert unscaled == pytest.approx(
            sources[whose].unscale_data_for_cols(
                data=outputs, domain="targets", columns=["volts", "ohms"]
            )
        )

    def test_joined_targets_stand_side_by_side_each_in_its_own_units(self, experiment, sources):
        results = self.joined(experiment, sources, -1, outputs=4)

        found = results.stacked_tensors("net", "targets", fmt="np", unscale=True)

        truth = np.concatenate([raw(one, "volts", "ohms") for one in sources], axis=1)
        assert found == pytest.approx(truth, rel=1e-6)

    def test_outputs_that_are_none_of_them_are_refused(self, experiment, sources):
        results = self.joined(experiment, sources, -1, outputs=3)

        with pytest.raises(PhaseError) as caught:
            results.stacked_tensors("net", "outputs", unscale=True)
        assert str(caught.value) == (
            "Values of shape (8, 3) do not stand for 4 target columns of old, new side by side."
        )

    def test_a_mean_of_several_scales_is_refused(self, experiment, sources):
        results = self.joined(experiment, sources, "mean")

        with pytest.raises(PhaseError, match="No target columns of one scale reach 'net'"):
            results.stacked_tensors("net", "targets", unscale=True)


def test_the_same_samples_twice_have_the_units_of_their_first_columns(experiment):
    data = cells("cells", offset=3)
    heads = [node(one, data.reference(features="x", targets=one), 1) for one in ("volts", "ohms")]
    node("net", ConcatNode("both", heads, concat_axis=-1), 1, inputs=2)
    results = evaluated(experiment)

    found = results.stacked_tensors("net", "targets", fmt="np", unscale=True)

    assert found == pytest.approx(raw(data, "volts"), rel=1e-6)
