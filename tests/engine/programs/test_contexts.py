"""A program that keeps its nodes in contexts, and points to them by references."""

import threading
import warnings

import numpy as np
import pytest
import torch

from engine import (
    Experiment,
    ExperimentContext,
    FeatureSet,
    FeatureSetColumnReference,
    FeatureSetReference,
    FeatureSetSplitReference,
    ModelGraph,
    ModelNode,
    Optimizer,
    RegistrationPolicy,
)
from engine.context import ExperimentNodeReference, GraphNodeReference


def make(label="data"):
    return FeatureSet.from_dict(
        label,
        {"x": np.arange(8.0), "y": np.arange(8.0) * 2, "t": list("aabbccdd")},
        feature_keys="x",
        target_keys="y",
        tag_keys="t",
    )


class TestPolicies:
    def test_error_is_the_default(self):
        Experiment("one")
        first = make()
        with pytest.raises(ValueError, match="'data'"):
            make()
        assert ExperimentContext.get_active().get_node("data") is first

    @pytest.mark.parametrize(
        ("policy", "n_warnings"),
        [("overwrite", 0), (RegistrationPolicy.OVERWRITE, 0), ("overwrite_warn", 1)],
    )
    def test_may_let_the_new_replace_the_old(self, policy, n_warnings):
        Experiment("one", registration_policy=policy)
        make()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            second = make()
        assert ExperimentContext.get_active().get_node(label="data") is second
        assert [("data" in str(one.message)) for one in caught] == [True] * n_warnings

    def test_may_leave_nodes_out(self):
        ctx = Experiment("one", registration_policy="no_register").ctx
        make()
        assert not ctx.has_node(label="data")
        ctx.set_registration_policy(RegistrationPolicy.ERROR)
        with ctx.use_policy("no_register"):
            make("other")
        with ExperimentContext.dont_register():
            make("third")
        fourth = make("fourth")
        assert ctx.available_nodes == {"fourth": fourth}

    def test_may_be_that_of_a_context_alone(self):
        ctx = ExperimentContext(registration_policy="overwrite")
        with ctx.activate():
            make()
            make()
        with pytest.raises(ValueError, match="There is no"):
            RegistrationPolicy.from_value("owerwrite")


class TestContexts:
    def test_know_their_nodes(self):
        experiment = Experiment("one")
        ctx = experiment.ctx
        assert ctx is ExperimentContext.get_active()
        assert ctx.get_experiment() is experiment
        data = make()
        node = ModelNode("net", torch.nn.Linear(1, 1), data)
        graph = ModelGraph([node], Optimizer("sgd", opt_kwargs={"lr": 0.1}))

        assert ctx.available_nodes == {"data": data, "net": node}
        assert ctx.available_featuresets == {"data": data}
        assert ctx.available_computenodes == {"net": node}
        assert ctx.model_graph is experiment.model_graph is graph
        assert ctx.get_node(node_id=node.node_id) is ctx.get_node("net", enforce_type="ModelNode")
        with pytest.raises(Exception, match="not a FeatureSet"):
            ctx.get_node("net", enforce_type="FeatureSet")
        with pytest.raises(KeyError, match="net"):
            ctx.get_node("nett")
        with pytest.raises(KeyError):
            ctx.remove_node(label="none")
        assert ctx.remove_node(label="none", error_if_missing=False) is None
        with pytest.raises(ValueError, match="model graph"):
            ctx.register_model_graph(ModelGraph([node], register=False))
        ctx.remove_model_graph()
        assert experiment.model_graph is None
        ctx.update_node_label(data.node_id, "renamed")
        assert data.label == "renamed"
        assert ctx.remove_node(label="renamed") is data
        ctx.clear_registries()
        assert ctx.available_nodes == {}
        ctx.register_experiment_node(data)
        assert ctx.has_node(label="renamed")
        for wrong in (graph, "data"):
            with pytest.raises(TypeError):
                ctx.register_experiment_node(wrong)

    def test_are_put_back_after_a_temporary_block(self):
        experiment = Experiment("one")
        ctx, data = experiment.ctx, make()

        def fold():
            with ctx.temporary() as inner:
                assert inner is ctx is ExperimentContext.get_active()
                ctx.set_registration_policy("overwrite")
                ctx.register_model_graph(
                    ModelGraph([ModelNode("n", torch.nn.Linear(1, 1), make())])
                )
                raise ArithmeticError

        with pytest.raises(ArithmeticError):
            fold()
        assert ctx.available_nodes == {"data": data}
        assert ctx.model_graph is None
        with pytest.raises(ValueError, match="'data'"):
            make()
        state = ctx.get_state()
        ctx.clear_registries()
        ctx.set_state(state)
        assert ctx.available_nodes == {"data": data}

    def test_do_not_see_each_other(self):
        outer = Experiment("outer").ctx
        data = make()
        seen = {}

        def elsewhere():
            experiment = Experiment("elsewhere")
            seen["context"], seen["data"] = experiment.ctx, make()

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        with ExperimentContext().activate() as inner:
            twin = make()
            assert inner.get_node("data") is twin
        assert ExperimentContext.get_active() is outer
        assert outer.get_node("data") is data
        assert seen["context"].get_node("data") is seen["data"]

    def test_may_be_taken_over_by_an_experiment(self):
        ctx = ExperimentContext()
        with ctx.activate():
            data = make()
            experiment = Experiment.from_active_context("late", registration_policy="overwrite")
        assert experiment.ctx is ctx
        assert ctx.get_experiment() is experiment
        given = Experiment("given", ctx=ctx)
        assert given.ctx is ctx
        assert ctx.available_nodes == {"data": data}
        ctx.set_experiment(experiment, reset_registries=True)
        assert ctx.available_nodes == {}


class TestReferences:
    def test_lead_to_what_they_name(self):
        Experiment("one")
        data = make()
        data.split_random({"train": 0.5, "test": 0.5}, seed=1)
        data.fit_transform("MinMaxScaler", domain="features", fit_to_split="train")
        node = ModelNode("net", torch.nn.Linear(1, 1), data.reference(features="x", tags=[]))

        whole = data.reference()
        assert isinstance(whole, FeatureSetReference)
        assert (whole.features, whole.targets, whole.tags) == (
            ("features.x.transformed",),
            ("targets.y.raw",),
            ("tags.t.raw",),
        )
        raw = data.reference(["features.x.raw"], targets="y", rep="raw")
        assert raw.features == ("features.x.raw",)
        assert raw.resolve().get_features("np").ravel().tolist() == list(range(8))
        column = data.column_reference(feature="x", rep="transformed")
        assert column == FeatureSetColumnReference("features", "x", "transformed", "data")
        assert column == FeatureSetColumnReference.from_string("features.x.transformed", "data")
        assert data.column_reference("tags.t.raw").domain == "tags"
        values = column.resolve().get_features("np", rep="transformed")
        assert values.min() >= -1
        split = FeatureSetSplitReference(split_name="test", node_label="data")
        assert len(split.resolve()) == 4
        assert node.reference() == GraphNodeReference(node_label="net")
        assert node.reference().resolve() is node
        assert (
            ExperimentNodeReference("data", data.node_id).resolve(
                Experiment.from_active_context("x").ctx
            )
            is data
        )
        assert len({whole, data.reference(), split, column}) == 3
        for one in (whole, column, split, node.reference()):
            assert type(one).from_config(one.get_config()) == one
            with pytest.raises(AttributeError):
                one.node_label = "other"
            with ExperimentContext().activate(), pytest.raises(Exception, match="There is no"):
                one.resolve()

    def test_to_what_is_not_there_are_refused(self):
        Experiment("one")
        data = make()
        for wrong in (
            lambda: data.reference(features="z"),
            lambda: data.column_reference(feature="x", rep="transformed"),
            data.column_reference,
            lambda: data.reference(targets="y", rep="transformed"),
        ):
            with pytest.raises((KeyError, ValueError)):
                wrong()
