import numpy as np
import pytest
import torch
from torch.nn import functional

from engine.batches import BatchView, ColumnStore, ExecutionContext
from engine.errors import LossError
from engine.features import FeatureSet
from engine.graph import EvalStep, ModelGraph, ModelNode
from engine.losses import AppliedLoss, Loss
from engine.models.comparing import same_values


@pytest.fixture
def data():
    return FeatureSet.from_dict(
        "data",
        {
            "a": np.arange(6, dtype=np.float32),
            "b": np.ones(6, np.float32),
            "y": np.arange(6, dtype=np.float32) * 2,
            "z": np.zeros(6, np.float32),
        },
        feature_keys=["a", "b"],
        target_keys=["y", "z"],
    )


@pytest.fixture
def graph(data):
    first = ModelNode("first", torch.nn.Linear(2, 2), data.reference(targets="y"))
    ModelNode("second", torch.nn.Linear(2, 1), first)
    return ModelGraph()


@pytest.fixture
def whole(graph):
    reference = graph.nodes["first"].upstream_ref
    view = graph.ctx.get_node("data").to_view()
    batch = BatchView(view, {"default": slice(0, 6)})
    store = ColumnStore(view, reference)
    return ExecutionContext("p", 0, 0, {("first", reference): stored(store, batch)})


def stored(store, view):
    from engine.batches import BatchOrder, BatchViews

    order = BatchOrder.of_size(np.arange(view.n_samples), view.n_samples, drop_last=False)
    return BatchViews(store, order)[0]


def value(graph, ctx, *args, **kwargs):
    """The loss in a step, which is the same when computed by hand."""
    applied = AppliedLoss(*args, **kwargs)
    EvalStep(graph, [applied])(ctx)
    (record,) = ctx.losses.values()
    assert torch.equal(applied.compute(ctx), record.auxiliary)
    return record.auxiliary


class TestInputs:
    def test_outputs_and_targets_are_the_nodes_own(self, graph, whole, data):
        found = value(graph, whole, "mse", "second", ["outputs", "targets"])

        expected = whole.outputs["second"].outputs
        assert torch.equal(found, functional.mse_loss(expected, torch.arange(6.0)[:, None] * 2))

    def test_are_outputs_and_targets_if_nothing_is_said(self, graph, whole):
        assert torch.equal(
            value(graph, whole, "mse", "second"),
            value(graph, whole, "mse", "second", ["outputs", "targets"]),
        )

    def test_outputs_of_another_node_and_features(self, graph, whole):
        found = value(graph, whole, "l1", "second", ["first.outputs", "first.features"])

        batch = next(iter(whole.inputs.values())).batch
        assert torch.equal(
            found, functional.l1_loss(whole.outputs["first"].outputs, batch.features)
        )

    def test_nodes_and_references_mean_their_outputs(self, graph, whole):
        node = graph.nodes["first"]
        texts = value(graph, whole, "l1", "second", ["first.outputs", "first.features"])

        assert torch.equal(value(graph, whole, "l1", "second", [node, "first.features"]), texts)
        by_reference = [node.reference(), "first.features"]
        assert torch.equal(value(graph, whole, "l1", "second", by_reference), texts)

    def test_columns_of_feature_sets_by_name_and_by_reference(self, graph, whole, data):
        by_name = value(graph, whole, "mse", "second", ["outputs", "data.targets.z"])
        column = data.column_reference(target="z")

        assert torch.equal(by_name, whole.outputs["second"].outputs.square().mean())
        assert torch.equal(value(graph, whole, "mse", "second", ["outputs", column]), by_name)
        whole_name = "data.targets.z.raw"
        assert torch.equal(value(graph, whole, "mse", "second", ["outputs", whole_name]), by_name)
        reference = data.reference(features=[], targets="z", tags=[])
        assert torch.equal(value(graph, whole, "mse", "second", ["outputs", reference]), by_name)

    def test_by_argument_in_any_order(self, graph, whole):
        named = {"target": "targets", "input": "outputs"}
        assert torch.equal(
            value(graph, whole, "mse", "second", named), value(graph, whole, "mse", "second")
        )

    def test_weight_multiplies(self, graph, whole):
        plain = value(graph, whole, "mse", "second")
        assert torch.equal(value(graph, whole, "mse", "second", weight=0.25), plain * 0.25)

    def test_three_arguments(self, graph, whole):
        inputs = ["first.outputs", "first.features", "first.outputs"]
        assert value(graph, whole, "tripletmargin", "second", inputs) > 0


class TestRefusals:
    @pytest.mark.parametrize(
        ("inputs", "match"),
        [
            (["output", "targets"], "'output' says neither.*Did you mean 'outputs'"),
            ([3, "targets"], "3 is not a reference"),
            ([], "has no inputs"),
            ({"inputs": "outputs"}, "no argument 'inputs'; it takes input, target"),
        ],
    )
    def test_when_it_is_made(self, inputs, match):
        with pytest.raises(LossError, match=match):
            AppliedLoss("mse", "second", inputs)

    @pytest.mark.parametrize(
        ("inputs", "match"),
        [
            (["nobody.some.outputs", "targets"], "neither a node of the graph nor a feature set"),
            (["outputs", "data.targets.q"], "q"),
            (["outputs", "tags"], "No tags reach node 'second'"),
        ],
    )
    def test_when_it_meets_the_graph(self, graph, inputs, match):
        with pytest.raises((LossError, KeyError), match=match):
            EvalStep(graph, [AppliedLoss("mse", "second", inputs)])

    def test_of_wrong_types(self):
        with pytest.raises(TypeError, match="not on 5"):
            AppliedLoss("mse", 5)
        with pytest.raises(TypeError, match="a list or a mapping"):
            AppliedLoss("mse", "net", "outputs")

    def test_of_roles_that_are_not_there(self, graph, whole):
        step = EvalStep(graph, [AppliedLoss("mse", "second", ["outputs.anchor", "targets"])])
        with pytest.raises(KeyError, match=r"'anchor'.*Known: default"):
            step(whole)


class TestRoles:
    @pytest.fixture
    def pairs(self, graph, whole):
        """A step with two roles, as samplers of pairs make them; the second is weighted."""
        from engine.batches import BatchOrder, BatchViews

        reference = graph.nodes["first"].upstream_ref
        store = ColumnStore(graph.ctx.get_node("data").to_view(), reference)
        order = BatchOrder(
            {"anchor": np.array([0, 1, 2]), "pair": np.array([3, 4, 5])},
            np.array([0, 3]),
            weights={"pair": np.array([1.0, 0.0, 3.0], np.float32)},
        )
        return ExecutionContext("p", 0, 0, {("first", reference): BatchViews(store, order)[0]})

    def test_each_role_passes_through_the_same_nodes(self, graph, pairs):
        EvalStep(graph)(pairs)
        second = graph.nodes["second"].module
        first = graph.nodes["first"].module
        batch = next(iter(pairs.inputs.values())).batch

        output = pairs.outputs["second"]
        assert output.available_roles == ["anchor", "pair"]
        for role in ("anchor", "pair"):
            expected = second(first(batch.role_data[role].features))
            assert torch.equal(output.role_data[role].outputs, expected)
            assert torch.equal(output.role_data[role].targets, batch.role_data[role].targets)

    @pytest.mark.parametrize(
        "text", ["outputs.{}", "{}.outputs", "second.outputs.{}", "second.{}.outputs"]
    )
    def test_losses_name_roles_and_are_weighted_by_them(self, graph, pairs, text):
        applied = AppliedLoss("mse", "second", [text.format("anchor"), text.format("pair")])
        EvalStep(graph, [applied])(pairs)
        output = pairs.outputs["second"].role_data
        each = (output["anchor"].outputs - output["pair"].outputs).square().squeeze(1)

        expected = (each * torch.tensor([1.0, 0.0, 3.0])).sum() / 4
        assert torch.allclose(pairs.losses.auxiliary, expected)
        assert torch.equal(applied.compute(pairs), pairs.losses.auxiliary)

    def test_a_loss_that_names_none_is_refused(self, graph, pairs):
        step = EvalStep(graph, [AppliedLoss("mse", "second")])
        with pytest.raises(LossError, match=r"'outputs.anchor'; the roles are anchor, pair"):
            step(pairs)


class TestDescription:
    def test_labels_are_unique_by_node_and_loss(self, graph):
        assert AppliedLoss("mse", "second").label == "second.mse"
        assert AppliedLoss("mse", graph.nodes["first"]).label == "first.mse"
        assert AppliedLoss("mse", "second", label="mine").label == "mine"

    def test_an_equal_one_is_made_from_its_configuration(self, graph, data):
        column = data.column_reference(target="z")
        for inputs in (
            ["outputs", column],
            {"input": graph.nodes["first"], "target": data.reference(targets="z")},
        ):
            applied = AppliedLoss(Loss("huber", reduction="sum"), "second", inputs, weight=2)
            again = AppliedLoss.from_config(applied.get_config())
            assert same_values(again.get_config(), applied.get_config())
            assert (again.label, again.weight, again.node_id) == ("second.huber", 2.0, "second")

    def test_only_references_are_made_from_it(self):
        config = AppliedLoss("mse", "net").get_config()
        config["inputs"] = [{"class": "os:PathLike", "config": {}}]
        with pytest.raises(LossError, match="is not a reference"):
            AppliedLoss.from_config(config)

    def test_a_summary_says_it_in_a_box(self):
        applied = AppliedLoss("mse", "net", {"input": "outputs", "target": "targets"}, weight=0.5)
        rows = [line.strip("│ ").split(maxsplit=1) for line in applied.summary().splitlines()[1:-1]]

        assert rows == [
            ["loss", "mse(input='outputs', target='targets')"],
            ["node", "net"],
            ["weight", "0.5"],
        ]
