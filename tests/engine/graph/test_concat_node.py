import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from engine.batches import BatchOrder, BatchViews, ColumnStore, ExecutionContext
from engine.context import ExperimentContext
from engine.errors import GraphError, LossError
from engine.features import FeatureSet
from engine.graph import ConcatNode, EvalStep, ModelGraph, ModelNode, TrainStep
from engine.losses import AppliedLoss
from engine.optimizers import Optimizer


def feature_set(label, *, first=0.0, n=6):
    values = np.arange(n, dtype=np.float32) + np.float32(first)
    return FeatureSet.from_dict(
        label,
        {"x": values, "y": values * 10, "name": [f"{label}{k}" for k in range(n)]},
        "x",
        "y",
        "name",
    )


def context_for(graph, rows):
    """One step; `rows` says which rows each head node draws."""
    inputs = {}
    for label, node in graph.head_nodes.items():
        for reference in node.get_upstream_refs():
            store = ColumnStore(graph.ctx.get_node(reference.node_label).to_view(), reference)
            positions = np.asarray(rows[label], dtype=np.int64)
            order = BatchOrder.of_size(positions, len(positions), drop_last=False)
            inputs[label, reference] = BatchViews(store, order)[0]
    return ExecutionContext("p", 0, 0, inputs)


def merged(rows=((0, 1, 2), (0, 1, 2)), *, one_set=True, **settings):
    """Two identities on one feature set or two, merged; the context after an evaluation."""
    first = feature_set("first")
    second = first if one_set else feature_set("second", first=100)
    left = ModelNode("left", torch.nn.Identity(), first)
    right = ModelNode("right", torch.nn.Identity(), second)
    ConcatNode("both", [left, right], **settings)
    graph = ModelGraph()
    ctx = context_for(graph, {"left": rows[0], "right": rows[1]})
    EvalStep(graph)(ctx)
    return ctx.outputs["both"]


class TestFeatures:
    def node(self, **settings):
        with ExperimentContext.dont_register():
            inputs = [
                ModelNode(
                    name, torch.nn.Identity(), FeatureSet.from_dict(name, {"x": [1.0]}, "x", [])
                )
                for name in ("a", "b")
            ]
            return ConcatNode("both", inputs, **settings)

    @pytest.mark.parametrize(
        ("axis", "dim", "shapes"),
        [(0, 1, [(2, 3), (2, 4)]), (0, 1, [(2, 3, 5), (2, 1, 5)]), (1, 2, [(2, 3, 5), (2, 3, 1)]),
         (-1, 2, [(2, 3, 5), (2, 3, 4)])],
    )  # fmt: skip
    def test_are_joined_along_an_axis_of_the_sample(self, axis, dim, shapes):
        values = [torch.rand(shape) for shape in shapes]
        joined = self.node(concat_axis=axis).apply_merge(values)

        assert torch.equal(joined, torch.cat(values, dim=dim))

    def test_without_a_batch_the_axis_is_the_first(self):
        values = [torch.rand(3), torch.rand(4)]
        joined = self.node().apply_merge(values, includes_batch_dim=False)

        assert torch.equal(joined, torch.cat(values))

    def test_as_arrays_come_back_in_the_format_that_is_wanted(self):
        values = [np.ones((2, 3)), np.zeros((2, 1))]
        node = self.node()

        assert isinstance(node.apply_merge(values), torch.Tensor)
        joined = node.apply_merge(values, fmt="np")
        assert np.array_equal(joined, np.concatenate(values, axis=1))
        with pytest.raises(GraphError, match="numpy or torch, not 'pandas'"):
            node.apply_merge(values, fmt="pandas")

    def test_must_have_the_axis_and_fit_in_the_others(self):
        with pytest.raises(GraphError, match=r"a \(3,\), b \(4,\) have not the axis"):
            self.node(concat_axis=1).apply_merge([torch.rand(2, 3), torch.rand(2, 4)])
        with pytest.raises(GraphError, match=r"a \(3, 2\), b \(3, 4\) differ in more"):
            self.node(concat_axis=0).apply_merge([torch.rand(2, 3, 2), torch.rand(2, 3, 4)])
        with pytest.raises(GraphError, match="not -2"):
            self.node(concat_axis=-2)

    @given(short=st.integers(1, 5), length=st.integers(1, 9), fill=st.floats(-5, 5, width=32))
    def test_are_padded_as_torch_pads(self, short, length, fill):
        value, other = torch.rand(2, 3, short), torch.rand(2, 3, length)
        more = max(length - short, 0)
        for mode, torchs in [("constant", "constant"), ("reflect", "reflect"),
                             ("replicate", "replicate"), ("circular", "circular")]:  # fmt: skip
            if (mode == "reflect" and more >= short) or (mode == "circular" and more > short):
                continue  # beyond what torch itself can do
            node = self.node(concat_axis=0, pad_inputs=True, pad_mode=mode, pad_value=fill)
            joined = node.apply_merge([value, other])
            extra = {"value": fill} if mode == "constant" else {}
            padded = functional.pad(value, (0, more), mode=torchs, **extra)
            if length >= short:
                assert torch.equal(joined, torch.cat([padded, other], dim=1))

    def test_repeat_their_pattern_where_torch_would_give_up(self):
        value, other = torch.tensor([[[1.0, 2.0, 3.0]]]), torch.zeros(1, 1, 9)
        for mode, expected in [
            ("reflect", [1, 2, 3, 2, 1, 2, 3, 2, 1]),
            ("circular", [1, 2, 3, 1, 2, 3, 1, 2, 3]),
        ]:
            node = self.node(concat_axis=0, pad_inputs=True, pad_mode=mode)
            assert node.apply_merge([value, other])[0, 0].tolist() == expected

    def test_of_several_types_meet_in_the_wider_one(self):
        joined = self.node().compute([np.ones((2, 1)), torch.ones(2, 1, dtype=torch.int64)])
        assert joined.dtype is torch.float32

    @pytest.mark.parametrize("settings", [{"pad_mode": "mirror"}, {"concat_axis_targets": "median"},
                                          {"concat_axis_tags": None}])  # fmt: skip
    def test_settings_are_checked(self, settings):
        with pytest.raises(GraphError):
            self.node(**settings)


class TestTargetsAndTags:
    def test_of_the_same_samples_are_there_once(self):
        output = merged()

        assert output.outputs.tolist() == [[0, 0], [1, 1], [2, 2]]
        assert output.targets.tolist() == [[0], [10], [20]]
        assert output.tags.tolist() == [["first0"], ["first1"], ["first2"]]
        assert len(output.sample_uuids) == 3

    def test_of_other_rows_are_side_by_side(self):
        output = merged(((0, 1), (4, 5)))

        assert output.targets.tolist() == [[0, 40], [10, 50]]
        assert output.tags.tolist() == [["first0", "first4"], ["first1", "first5"]]

    def test_of_other_feature_sets_are_side_by_side(self):
        assert merged(one_set=False).targets.tolist() == [[0, 1000], [10, 1010], [20, 1020]]

    @pytest.mark.parametrize(
        ("strategy", "expected"),
        [
            ("first", [[0], [10]]),
            ("last", [[40], [50]]),
            ("mean", [[20], [30]]),
            (-1, [[0, 40], [10, 50]]),
            (0, [[0, 40], [10, 50]]),
            ("concat", [[0, 40], [10, 50]]),
        ],
    )
    def test_follow_their_strategy(self, strategy, expected):
        output = merged(((0, 1), (4, 5)), concat_axis_targets=strategy)
        assert output.targets.tolist() == expected

    def test_come_from_a_named_input(self):
        first = feature_set("first")
        left = ModelNode("left", torch.nn.Identity(), first)
        right = ModelNode("right", torch.nn.Identity(), first)
        node = ConcatNode("both", [left, right], concat_axis_targets=right, concat_axis_tags="last")
        graph = ModelGraph()
        ctx = context_for(graph, {"left": (0, 1), "right": (4, 5)})
        EvalStep(graph)(ctx)

        assert ctx.outputs["both"].targets.tolist() == [[40], [50]]
        assert ctx.outputs["both"].tags.tolist() == [["first4"], ["first5"]]
        with pytest.raises(TypeError, match="not concatenated"):
            _ = node.target_axis
        with pytest.raises(
            GraphError, match="'elsewhere', which is none of its inputs left, right"
        ):
            ConcatNode("more", [left, right], concat_axis_targets=feature_set("elsewhere"))

    def test_of_a_column_are_those_of_the_rows_that_reach_the_node(self):
        first = feature_set("first")
        ModelNode("left", torch.nn.Identity(), first)
        ModelNode("right", torch.nn.Identity(), first)
        graph = ModelGraph()
        ctx = context_for(graph, {"left": (0, 1), "right": (4, 5)})
        column = first.column_reference(target="y")
        EvalStep(graph, [AppliedLoss("l1", on, ["targets", column]) for on in ("left", "right")])(
            ctx
        )

        assert [float(record.auxiliary) for record in ctx.losses.values()] == [0, 0]

    def test_a_merge_may_be_the_first_node(self):
        data = [feature_set("one"), feature_set("two", first=100)]
        both = ConcatNode("both", data, concat_axis_targets="mean")
        ModelNode("net", torch.nn.Linear(2, 1), both)
        graph = ModelGraph(optimizer=Optimizer("sgd", opt_kwargs={"lr": 1e-6}))
        ctx = context_for(graph, {"both": (0, 1)})
        TrainStep(graph, [AppliedLoss("mse", "net")])(ctx)

        assert ctx.outputs["both"].outputs.tolist() == [[0, 100], [1, 101]]
        assert ctx.outputs["net"].targets.tolist() == [[500], [510]]


@pytest.mark.parametrize(("strategy", "hint"), [(-1, True), ("first", False)])
def test_joined_targets_that_do_not_fit_name_the_node_that_joins_them(strategy, hint):
    data = [feature_set("one"), feature_set("two", first=100)]
    both = ConcatNode("both", data, concat_axis_targets=strategy)
    ModelNode("net", torch.nn.Linear(2, 3), both)
    graph = ModelGraph()
    ctx = context_for(graph, {"both": (0, 1)})

    with pytest.raises(LossError, match=r"Outputs of shape \(2, 3\)") as caught:
        EvalStep(graph, [AppliedLoss("mse", "net")])(ctx)

    told = "Node 'both' joins the targets of its inputs; with concat_axis_targets='first'"
    assert (told in str(caught.value)) is hint


def test_inputs_of_different_roles_cannot_flow_together():
    first = feature_set("first")
    left = ModelNode("left", torch.nn.Identity(), first)
    right = ModelNode("right", torch.nn.Identity(), first)
    ConcatNode("both", [left, right])
    graph = ModelGraph()
    ctx = context_for(graph, {"left": (0, 1), "right": (4, 5)})
    store = ColumnStore(first.to_view(), right.upstream_ref)
    pairs = BatchOrder({"anchor": np.array([0, 1]), "pair": np.array([2, 3])}, np.array([0, 2]))
    ctx.inputs["right", right.upstream_ref] = BatchViews(store, pairs)[0]

    with pytest.raises(GraphError, match=r"\['default'\] and \['anchor', 'pair'\]"):
        EvalStep(graph)(ctx)


class TestErrors:
    def test_of_an_axis_name_it_and_what_is_joined(self):
        with pytest.raises(GraphError, match=r"the inputs' targets .* have not the axis.*\(1\)"):
            merged(one_set=False, concat_axis_targets=1).role_data["default"].get_domain_data(
                "targets"
            )

    def test_the_mean_of_texts_is_none(self):
        with pytest.raises(GraphError, match="mean of its inputs' tags, and they are texts"):
            merged(one_set=False, concat_axis_tags="mean").role_data["default"].get_domain_data(
                "tags"
            )
