from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.batches import Batch, BatchView, RoleData, SampleData, SampledView, SampleShapes
from engine.context import ExperimentContext
from engine.errors import DataError, UnknownLabelError
from engine.features import FeatureSet


@pytest.fixture
def data():
    with ExperimentContext.dont_register():
        return FeatureSet.from_dict(
            "set",
            {"x": np.arange(6.0), "y": range(6), "t": list("abcdef")},
            "x",
            "y",
            "t",
        )


def samples(first=0, n=2):
    return SampleData(
        features=torch.arange(first, first + n, dtype=torch.float32)[:, None],
        targets=torch.arange(first, first + n)[:, None],
        tags=np.array([[f"t{at}"] for at in range(first, first + n)]),
        sample_uuids=np.array([f"id{at}" for at in range(first, first + n)]),
    )


class TestSampleData:
    def test_from_a_mapping_or_by_name(self):
        by_mapping = SampleData({"features": [1], "sample_uuids": ["a"]})
        by_name = SampleData(features=[1], sample_uuids=["a"])
        for sample in (by_mapping, by_name):
            assert (sample.features, sample.targets, sample.sample_uuids) == ([1], None, ["a"])
            assert sample.get_domain_data("features") == [1]
            assert len(sample) == 1
        assert SampleData({"outputs": [2]}, kind="output").outputs == [2]

    def test_unknown_domains_suggest_the_nearest(self):
        with pytest.raises(UnknownLabelError, match="Did you mean 'features'"):
            SampleData({"feature": [1]})
        with pytest.raises(UnknownLabelError, match="Did you mean 'targets'"):
            samples().get_domain_data("target")

    def test_an_output_keeps_all_else_of_its_input(self):
        given_ = samples()
        out = SampleData.output(torch.zeros(2, 5), given_)
        assert out.kind == "output"
        assert out.outputs.shape == (2, 5)
        assert out.targets is given_.targets
        assert out.tags is given_.tags
        assert out.sample_uuids is given_.sample_uuids
        again = SampleData.output(torch.ones(2, 1), out)
        assert again.targets is given_.targets

    def test_shapes_are_those_of_one_sample(self):
        shapes = SampleData(features=np.zeros((2, 3, 4)), targets=np.zeros(2)).shapes
        assert shapes == SampleShapes(features=(3, 4), targets=())
        assert shapes.outputs == (3, 4)

    def test_changes_format_there_and_back(self):
        sample = samples()
        there = sample.as_format("numpy")
        assert isinstance(there.features, np.ndarray)
        assert there.targets.dtype == np.int64
        assert there.tags.tolist() == [["t0"], ["t1"]]
        assert there.sample_uuids.tolist() == ["id0", "id1"]
        assert isinstance(sample.features, torch.Tensor)
        there.to_format("torch")
        assert torch.equal(there.features, sample.features)
        assert torch.equal(there.targets, sample.targets)
        with pytest.raises(DataError, match="torch or numpy, not 'pandas'"):
            sample.as_format("pandas")

    def test_detached_it_lets_go_of_the_graph(self):
        sample = SampleData(features=torch.ones(2, requires_grad=True) * 2)
        sample.detach_tensors()
        assert not sample.features.requires_grad


class TestRoleData:
    def test_is_a_mapping_with_shortcuts_for_a_single_role(self):
        one = samples()
        roles = RoleData({"default": one})
        assert dict(roles) == {"default": one}
        assert roles.features is one.features
        assert roles.outputs is one.outputs
        assert roles.targets is one.targets
        assert roles.tags is one.tags
        assert roles.sample_uuids is one.sample_uuids
        assert roles.n_samples == 2
        assert roles.shapes == one.shapes

    def test_with_several_roles_one_must_be_named(self):
        roles = RoleData({"anchor": samples(), "pair": samples(2)})
        with pytest.raises(DataError, match="say which: anchor, pair"):
            roles.features  # noqa: B018 - reading is what fails
        assert roles["pair"].targets.tolist() == [[2], [3]]
        with pytest.raises(UnknownLabelError, match="Did you mean 'anchor'"):
            roles["ancor"]


class TestBatch:
    def test_reads_its_single_role(self):
        one = samples()
        batch = Batch(2, {"default": one})
        assert batch.features is one.features
        assert batch.targets is one.targets
        assert batch.tags is one.tags
        assert batch.sample_uuids is one.sample_uuids
        assert batch.available_roles == ["default"]
        assert batch.shapes == SampleShapes((1,), (1,), (1,))
        assert batch.get_data() == batch.role_data
        assert batch.get_data("default") is one
        assert batch.get_data(domain="targets") is one.targets
        assert batch.get_data("default", "tags") is one.tags
        assert batch.role_weights["default"].tolist() == [1, 1]
        assert batch.role_masks["default"].tolist() == [1, 1]
        assert len(batch) == 2

    def test_an_output_keeps_roles_weights_and_masks(self):
        weights = {"pair": np.array([0.5, 1])}
        batch = Batch(2, {"pair": samples()}, None, weights, {"pair": np.array([1, 0])})
        out = Batch.output(torch.zeros(2, 3), batch)
        assert out.outputs.shape == (2, 3)
        assert out.available_roles == ["pair"]
        assert out.targets is batch.targets
        assert out.role_weights["pair"].tolist() == [0.5, 1]
        assert out.role_masks["pair"].tolist() == [1, 0]

    def test_in_another_format_keeps_weights_and_masks(self):
        masks = {"pair": np.array([1, 0])}
        batch = Batch(2, {"pair": samples()}, None, {"pair": np.array([0.5, 1])}, masks)
        assert batch.as_format("numpy").role_weights["pair"].tolist() == [0.5, 1]
        assert batch.as_format("numpy").role_masks["pair"].tolist() == [1, 0]

    def test_several_roles_need_a_name(self):
        batch = Batch(2, {"anchor": samples(), "pair": samples(2)})
        with pytest.raises(DataError, match="say which"):
            batch.features  # noqa: B018 - reading is what fails
        assert batch.get_data("pair", "targets").tolist() == [[2], [3]]

    @given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.sampled_from([None, "np"]))
    def test_joined_batches_hold_all_samples_in_order(self, sizes, fmt):
        starts = np.cumsum([0, *sizes])
        parts = [
            Batch(n, {"default": samples(int(first), n)})
            for first, n in zip(starts[:-1], sizes, strict=True)
        ]
        whole = Batch.concat(*parts, fmt=fmt)
        expected = samples(0, int(starts[-1]))
        assert whole.batch_size == starts[-1]
        assert whole.features.tolist() == expected.features.tolist()
        assert whole.targets.tolist() == expected.targets.tolist()
        assert whole.tags.tolist() == expected.tags.tolist()
        assert whole.sample_uuids.tolist() == expected.sample_uuids.tolist()
        assert len(whole.role_weights["default"]) == starts[-1]
        assert isinstance(whole.features, np.ndarray if fmt else torch.Tensor)
        again = parts[0].concat_with(*parts[1:])
        assert again.targets.tolist() == expected.targets.tolist()

    @pytest.mark.parametrize(("first", "kind"), [("np", np.ndarray), ("torch", torch.Tensor)])
    def test_joined_batches_have_the_format_of_the_first(self, first, kind):
        one, other = (Batch(2, {"default": samples(at)}) for at in (0, 2))
        joined = Batch.concat(one.as_format(first), other, one.as_format("np"))
        assert isinstance(joined.features, kind)
        assert isinstance(joined.targets, kind)
        assert joined.features[:, 0].tolist() == [0, 1, 2, 3, 0, 1]

    def test_joined_batches_keep_roles_weights_and_masks(self):
        def pair(first, weights, mask):
            data = {"anchor": samples(first), "pair": samples(first + 5)}
            return Batch(2, data, None, {"pair": np.array(weights)}, {"pair": np.array(mask)})

        joined = pair(0, [0.5, 2], [1, 1]).concat_with(pair(2, [1, 0], [1, 0]), fmt="np")
        assert joined.available_roles == ["anchor", "pair"]
        assert joined.get_data("pair", "targets").tolist() == [[5], [6], [7], [8]]
        assert joined.role_weights["pair"].tolist() == [0.5, 2, 1, 0]
        assert joined.role_weights["anchor"].tolist() == [1, 1, 1, 1]
        assert joined.role_masks["pair"].tolist() == [1, 1, 1, 0]

    def test_samples_of_other_shapes_cannot_be_joined(self):
        wide = Batch(2, {"default": SampleData(features=torch.zeros(2, 5))})
        with pytest.raises(DataError, match=r"cannot be joined: \(1,\), \(5,\)"):
            Batch.concat(Batch(2, {"default": samples()}), wide)

    def test_batches_of_other_roles_cannot_be_joined(self):
        with pytest.raises(DataError, match=r"\['a'\] and \['b'\] differ"):
            Batch.concat(Batch(2, {"a": samples()}), Batch(2, {"b": samples()}))
        with pytest.raises(DataError, match="no batch to join"):
            Batch.concat()

    @pytest.mark.parametrize(
        ("backend", "kind"),
        [
            ("torch", torch.Tensor),
            ("scikit", np.ndarray),
            ("numpy", np.ndarray),
            (SimpleNamespace(value="scikit"), np.ndarray),
        ],
    )
    def test_backends_hold_torch_or_numpy(self, backend, kind):
        batch = Batch(2, {"default": samples()})
        assert isinstance(batch.as_backend(backend).features, kind)
        assert isinstance(batch.features, torch.Tensor)
        batch.to_backend(backend)
        assert isinstance(batch.features, kind)

    def test_summary_shows_roles_and_shapes(self):
        batch = Batch(2, {"anchor": samples(), "pair": SampleData(features=np.zeros((2, 5)))})
        assert batch.summary() == (
            "┌ Batch of 2 ──────────────────────────────────────────┐\n"
            "│ anchor  features (2, 1), targets (2, 1), tags (2, 1) │\n"
            "│ pair    features (2, 5)                              │\n"
            "└──────────────────────────────────────────────────────┘"
        )

    def test_detached_all_roles_let_go(self):
        batch = Batch(
            1, {role: SampleData(features=torch.ones(1, requires_grad=True) * 2) for role in "ab"}
        )
        batch.detach_tensors()
        assert not any(one.features.requires_grad for one in batch.role_data.values())


class TestBatchView:
    def test_says_which_samples_it_has(self, data):
        view = BatchView(data, {"anchor": np.array([1, 2]), "pair": np.array([3, -1])})
        assert view.roles == ["anchor", "pair"]
        assert view.n_samples == len(view) == 2
        assert view.role_indices["pair"].tolist() == [3, -1]
        assert view.role_masks["pair"].tolist() == [1, 0]
        assert view.get_role_mask("anchor").tolist() == [1, 1]
        pair = view.get_role_view("pair")
        assert pair.indices.tolist() == [3, -1]
        assert pair.label == "pair"
        with pytest.raises(UnknownLabelError, match="Did you mean 'pair'"):
            view.get_role_view("pairs")

    @pytest.mark.parametrize("indices", [{}, {"anchor": np.array([1, 2]), "pair": np.array([3])}])
    def test_its_roles_are_of_one_length(self, data, indices):
        with pytest.raises(DataError, match="needs roles of equal length"):
            BatchView(data, indices)

    def test_positions_are_those_of_its_source(self, data):
        view = BatchView(data.take([5, 4, 3]), {"default": slice(1, 3)})
        assert view.get_role_view().column("x").tolist() == [4, 3]
        assert view.role_indices["default"].tolist() == [1, 2]

    def test_materializes_the_selected_columns(self, data):
        view = BatchView(data, {"default": torch.tensor([4, 0])})
        batch = view.materialize_batch(features="x", tags=[])
        assert batch.features.tolist() == [[4.0], [0.0]]
        assert batch.features.dtype == np.float64
        assert batch.targets.tolist() == [[4], [0]]
        assert batch.tags is None
        assert view.materialize_batch("torch").features.dtype == torch.float32
        node = SimpleNamespace(upstream_ref=data.reference(targets=[]))
        assert view.materialize_batch(node=node).targets is None
        assert view.materialize_batch(columns=["targets.y.raw"], features=[]).features is None

    def test_materializes_no_more_than_its_view_has(self, data):
        view = data.select(targets=[])
        assert BatchView(view, {"default": np.array([1])}).materialize_batch().targets is None

    def test_padded_rows_are_masked_when_materialized(self, data):
        batch = BatchView(data, {"default": np.array([2, -1])}).materialize_batch()
        assert batch.features.tolist() == [[2.0], [0.0]]
        assert batch.role_masks["default"].tolist() == [1, 0]

    def test_without_a_store_it_has_no_batch(self, data):
        view = BatchView(data, {"default": np.array([0])})
        with pytest.raises(DataError, match="no store"):
            view.batch  # noqa: B018 - reading is what fails
        with pytest.raises(DataError, match="no store"):
            view.take(["features.x.raw"])


def test_sampled_views_are_found_by_stream(data):
    one = BatchView(data, {"default": np.array([0])})
    sampled = SampledView({"a": [one, one], "b": [one]})
    assert sampled.num_batches == 1
    assert sampled.num_streams == 2
    assert sampled.stream_names == ["a", "b"]
    assert sampled.get_stream("b") == [one]
    with pytest.raises(UnknownLabelError, match="no stream 'c'"):
        sampled.get_stream("c")
    assert SampledView({}).num_batches == 0


def test_all_of_it_can_be_looked_at(data):
    one = samples(n=2)
    assert (
        repr(one)
        == "SampleData(2 samples, features (2, 1), targets (2, 1), tags (2, 1), sample_uuids (2,))"
    )
    assert repr(RoleData({"anchor": SampleData(features=[1])})) == (
        "RoleData(anchor: SampleData(1 samples, features))"
    )
    view = BatchView(data, {"left": np.arange(3), "right": np.arange(3)})
    assert repr(view) == f"BatchView(3 samples, roles: left, right) of {data!r}"
    assert repr(SampledView({"s": [view]})) == "SampledView(batches by stream: s: 1)"
    assert repr(data.collection) == (
        "SampleCollection(6 samples: features.x.raw, targets.y.raw, tags.t.raw)"
    )
