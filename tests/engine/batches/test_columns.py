import gc
import weakref

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from engine.batches import BatchOrder, BatchViews, ColumnStore, stretches
from engine.context import ExperimentContext
from engine.errors import DataError, UnknownLabelError
from engine.features import FeatureSet, write_arrow

N = 6


def make(data, features, targets=(), tags=()):
    with ExperimentContext.dont_register():
        return FeatureSet.from_dict("set", data, features, targets, tags)


@pytest.fixture
def data():
    return make(
        {
            "image": np.arange(N * 6.0).reshape(N, 2, 3),
            "other": -np.arange(N * 6.0).reshape(N, 2, 3),
            "a": np.arange(N) * 0.5,
            "b": np.arange(N),
            "flag": np.arange(N) % 2 == 0,
            "label": np.arange(N)[::-1],
            "name": [f"n{row}" for row in range(N)],
            "fold": np.arange(N) % 3,
        },
        ["image", "other", "a", "b", "flag", "name"],
        "label",
        ["name", "fold"],
    )


def features(data, columns, **options):
    store = ColumnStore(data.to_view(), data.reference(features=columns), **options)
    return store.gather(slice(0, N)).features


class TestWhatANodeReceives:
    @pytest.mark.parametrize(
        ("columns", "shape", "dtype"),
        [
            ("a", (N, 1), torch.float32),
            ("b", (N, 1), torch.int64),
            ("flag", (N, 1), torch.float32),
            ("image", (N, 2, 3), torch.float32),
            (["a", "b"], (N, 2), torch.float32),
            (["b", "b.raw"], (N, 1), torch.int64),
            (["image", "other"], (N, 2, 2, 3), torch.float32),
        ],
    )
    def test_shape_and_type(self, data, columns, shape, dtype):
        block = features(data, columns)
        assert block.shape == shape
        assert block.dtype == dtype
        assert block.is_contiguous()

    def test_several_columns_stand_side_by_side(self, data):
        assert features(data, ["b", "a"])[3].tolist() == [3, 1.5]
        both = features(data, ["other", "image"])
        assert torch.equal(both[:, 0], -both[:, 1])

    def test_class_indices_stay_whole_numbers(self, data):
        store = ColumnStore(data.to_view(), data.reference(features="a"))
        targets = store.gather(torch.tensor([0, 2])).targets
        assert targets.tolist() == [[5], [3]]
        assert targets.dtype == torch.int64

    def test_numpy_keeps_the_columns_own_type(self, data):
        assert features(data, "a", fmt="numpy").dtype == np.float64
        assert features(data, ["a", "b"], fmt="numpy").dtype == np.float64
        assert features(data, "b", fmt="numpy").dtype == np.int64
        assert features(data, "image", fmt="numpy").shape == (N, 2, 3)
        assert features(data, "name", fmt="numpy").tolist() == [[f"n{row}"] for row in range(N)]

    def test_small_whole_numbers_become_int64(self):
        data = make(
            {"x": np.arange(3, dtype=np.uint8), "y": np.arange(3, dtype=np.int16)}, "x", "y"
        )
        sample = ColumnStore(data.to_view()).gather(slice(0, 3))
        assert sample.features.dtype == sample.targets.dtype == torch.int64

    @given(npst.arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 3))))
    def test_values_are_those_of_the_columns(self, block):
        names = [f"x{at}" for at in range(block.shape[1])]
        data = make(dict(zip(names, block.T, strict=True)), names)
        with np.errstate(over="ignore"):
            expected = block.astype(np.float32)
            got = ColumnStore(data.to_view()).gather(slice(0, len(block))).features.numpy()
        assert np.array_equal(got, expected, equal_nan=True)

    def test_columns_of_different_shapes_are_named(self, data):
        with pytest.raises(DataError, match=r"image\.raw \(2, 3\), features\.a\.raw \(1,\)"):
            features(data, ["image", "a"])

    def test_text_is_for_tags(self, data):
        with pytest.raises(DataError, match=r"'features\.name\.raw' holds text"):
            features(data, "name")

    def test_only_torch_and_numpy(self, data):
        with pytest.raises(DataError, match="torch or numpy blocks, not 'pandas'"):
            features(data, "a", fmt="pandas")


def test_without_a_reference_the_store_has_the_newest_of_all_columns(data):
    data.fit_transform("Negate", domain="features", keys="a")
    view = data.select(features=["a", "a.raw"], tags=[])
    assert ColumnStore(view).reference == data.reference(features="a", tags=[])


class TestTaking:
    @pytest.mark.parametrize("fmt", ["torch", "numpy"])
    def test_by_tensor_array_or_slice(self, data, fmt):
        store = ColumnStore(data.take([5, 4, 3, 2]), data.reference(features="b"), fmt=fmt)
        for index in (torch.tensor([1, 2]), np.array([1, 2]), slice(1, 3)):
            sample = store.gather(index)
            assert sample.features.tolist() == [[4], [3]]
            assert sample.targets.tolist() == [[1], [2]]
            assert sample.tags.tolist() == [["n4", 1], ["n3", 0]]
            assert sample.sample_uuids.tolist() == data.get_sample_uuids()[[4, 3]].tolist()
            assert sample.n_samples == len(sample) == 2
            assert store.take(["features.a.raw"], index).tolist() == [[2.0], [1.5]]

    def test_a_domain_that_is_not_referred_to_is_none(self, data):
        reference = data.reference(features="b", targets=[], tags=[])
        sample = ColumnStore(data.to_view(), reference).gather(slice(0, 2))
        assert sample.targets is None
        assert sample.tags is None

    def test_blocks_are_made_once(self, data):
        store = ColumnStore(data.to_view(), data.reference(features=["a", "b"]))
        assert store.block(store.reference.features) is store.block(store.reference.features)

    @pytest.mark.parametrize("fmt", ["torch", "numpy"])
    def test_what_is_taken_may_be_changed(self, data, fmt):
        store = ColumnStore(data.to_view(), data.reference(features="b"), fmt=fmt)
        for index in (slice(0, N), np.arange(N), torch.arange(N)):
            store.gather(index).features[:] = 99
            assert store.gather(index).features[:, 0].tolist() == list(range(N))

    def test_nothing_is_made_before_it_is_read(self, data):
        store = ColumnStore(data.to_view(), data.reference(features=["image", "a"]))
        sample = store.gather(slice(0, 2))
        assert sample.targets.tolist() == [[5], [4]]
        with pytest.raises(DataError, match="different shapes"):
            sample.features  # noqa: B018 - reading is what makes it

    def test_blocks_do_not_share_the_feature_sets_memory(self, data):
        for fmt in ("torch", "numpy"):
            features(data, "image", fmt=fmt)[:] = 99
        assert data.column("image").max() == N * 6 - 1


@pytest.fixture(params=[1, 16, 2**20], ids=["one", "some", "many"])
def _at_once(request, monkeypatch):
    """How many bytes are gathered at once; a sample of these tests has eight."""
    monkeypatch.setattr(stretches, "_BYTES_AT_ONCE", request.param)


@pytest.mark.usefixtures("_at_once")
class TestBatchViews:
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.permutations(range(N)),
        st.integers(1, 7),
        st.booleans(),
        st.booleans(),
        st.lists(st.integers(0, N - 1), max_size=8),
    )
    def test_are_the_orders_batches_in_whatever_sequence(
        self, rows, size, drop_last, sequential, asked
    ):
        data = make({"x": range(N), "y": range(N, 2 * N)}, "x", "y")
        rows = np.arange(N) if sequential else np.array(rows)
        order = BatchOrder.of_size(rows, size, drop_last=drop_last, sequential=sequential)
        for fmt in ("torch", "numpy"):
            views = BatchViews(ColumnStore(data.to_view(), fmt=fmt), order)
            assert len(views) == len(order)
            for number in [*range(len(order)), *(at for at in asked if at < len(order))]:
                view, expected = views[number], order[number].tolist()
                assert view.batch.features[:, 0].tolist() == expected
                assert view.take(["targets.y.raw"])[:, 0].tolist() == [N + at for at in expected]
                assert view.take(["features.x.raw"])[:, 0].tolist() == expected
                assert view.role_indices["default"].tolist() == expected
                assert view.get_role_view().column("x").tolist() == expected
                assert view.n_samples == view.batch.batch_size == len(expected)
                assert view.batch.role_data.n_samples == len(expected)
                view.batch.features[:] = 99
            assert [view.n_samples for view in views[1:]] == order.sizes[1:].tolist()

    def test_past_the_end_there_is_none(self):
        data = make({"x": range(4)}, "x")
        order = BatchOrder.of_size(np.arange(4), 2, drop_last=True)
        views = BatchViews(ColumnStore(data.to_view()), order)
        assert views[-1].batch.features[:, 0].tolist() == [2, 3]
        with pytest.raises(IndexError):
            views[2]

    def test_read_no_more_they_let_go_of_their_tensors_at_once(self):
        data = make({"x": range(4)}, "x")
        order = BatchOrder.of_size(np.arange(4), 2, drop_last=True)
        views = BatchViews(ColumnStore(data.to_view()), order)
        batch = views[0].batch
        tensor = weakref.ref(batch.features)
        gc.disable()
        try:
            del batch
            assert tensor() is None
        finally:
            gc.enable()

    def test_know_their_store_and_their_roles(self, data):
        store = ColumnStore(data.to_view(), data.reference(features="b", tags=[]))
        view = BatchViews(store, BatchOrder.of_size(np.arange(4), 2, drop_last=True))[1]
        assert view.store is store
        assert view.roles == ["default"]
        assert view.batch is view.batch
        assert view.batch.features is view.batch.features
        assert view.batch.targets is view.batch.targets
        assert view.batch.sample_uuids is view.batch.sample_uuids
        assert view.batch.tags is None
        assert view.batch.sample_uuids.tolist() == data.get_sample_uuids()[2:4].tolist()
        assert view.materialize_batch(features="a").features.tolist() == [[1.0], [1.5]]
        for ask in (view.get_role_view, lambda role: view.take(["features.b.raw"], role)):
            with pytest.raises(UnknownLabelError, match="Did you mean 'default'"):
                ask("defalt")

    def test_weights_come_along(self):
        data = make({"x": range(4)}, "x")
        order = BatchOrder(
            {"anchor": np.array([0, 1, 2]), "pair": np.array([3, 2, 1])},
            np.array([0, 2, 3]),
            weights={"pair": np.array([1, 0.5, 0.25], np.float32)},
        )
        batch = BatchViews(ColumnStore(data.to_view()), order)[0].batch
        assert batch.get_data("pair", "features").tolist() == [[3], [2]]
        assert batch.role_weights["pair"].tolist() == [1, 0.5]
        assert batch.role_weights["anchor"].tolist() == [1, 1]


@pytest.mark.parametrize("fmt", ["torch", "numpy"])
def test_padded_rows_are_empty_and_weigh_nothing(data, fmt):
    store = ColumnStore(data.to_view(), data.reference(features="a"), fmt=fmt)
    roles = {"anchor": np.array([2, 1, 3, 0]), "pair": np.array([-1, 3, -1, 2])}
    weights = {"pair": np.array([4, 2, 4, 1], np.float32)}
    order = BatchOrder(roles, np.array([0, 2, 4]), weights=weights)
    for views in (BatchViews(store, order), BatchViews(store, BatchOrder(roles, order._bounds))):
        for number in (0, 1, 0):  # The second time a batch is gathered by itself.
            batch = views[number].batch
            known = roles["pair"][2 * number : 2 * number + 2] >= 0
            pair, whole = batch.role_data["pair"], data.to_view()
            assert batch.role_masks["pair"].tolist() == known.tolist()
            assert batch.role_masks["anchor"].tolist() == [1, 1]
            assert batch.role_weights["anchor"].tolist() == [1, 1]
            assert (batch.role_weights["pair"] > 0).tolist() == known.tolist()
            at = roles["pair"][2 * number : 2 * number + 2][known]
            assert pair.features[known][:, 0].tolist() == whole.column("a")[at].tolist()
            assert not pair.features[~known].any()
            assert not pair.targets[~known].any()
            assert pair.sample_uuids[~known].tolist() == [None] * (~known).sum()
            assert pair.sample_uuids[known].tolist() == whole.get_sample_uuids()[at].tolist()
            assert pair.tags[~known][:, 0].tolist() == [None] * (~known).sum()
            assert views[number].get_role_view("pair").sample_mask.tolist() == known.tolist()
    assert BatchViews(store, order)[1].batch.role_weights["pair"].tolist() == [0, 1]
    assert not BatchOrder({"anchor": roles["anchor"]}, order._bounds).is_padded


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_blocks_lie_on_the_device(data):
    store = ColumnStore(data.to_view(), data.reference(features="a"), device="cuda")
    order = BatchOrder.of_size(np.arange(N)[::-1].copy(), 4, drop_last=False)
    batch = BatchViews(store, order)[0].batch
    assert batch.features.device.type == "cuda"
    assert batch.features[:, 0].tolist() == [2.5, 2.0, 1.5, 1.0]
    assert batch.tags[0].tolist() == ["n5", 2]
    assert batch.as_format("numpy").features[0, 0] == 2.5


class TestStreamed:
    @pytest.fixture
    def stores(self, tmp_path):
        """A store in memory and one over a file, of the same five samples."""
        data = {"x": np.arange(12.0).reshape(6, 2), "y": range(6), "t": list("abcdef")}
        path = write_arrow(tmp_path / "x.arrow", [data], "x", "y", "t")
        sets = [
            FeatureSet.from_dict("here", data, "x", "y", "t"),
            FeatureSet.from_arrow("there", path),
        ]
        return lambda fmt: [ColumnStore(each.take([5, 4, 3, 2, 1]), fmt=fmt) for each in sets]

    @pytest.mark.parametrize("fmt", ["torch", "numpy"])
    def test_takes_what_a_store_in_memory_does(self, stores, fmt):
        for index in (np.array([4, 0, 4]), slice(1, 3), torch.tensor([2])):
            here, there = (store.gather(index) for store in stores(fmt))
            assert type(here.features) is type(there.features)
            assert here.features.tolist() == there.features.tolist()
            assert here.targets.tolist() == there.targets.tolist()
            assert here.tags.tolist() == there.tags.tolist()
            assert list(here.sample_uuids) == list(there.sample_uuids)

    @pytest.mark.parametrize("fmt", ["torch", "numpy"])
    def test_a_padded_row_is_all_zeros(self, stores, fmt):
        padded = stores(fmt)[1].gather(np.array([4, -1]))
        assert padded.features.tolist() == [[2, 3], [0, 0]]
        assert padded.tags.tolist() == [["b"], [None]]
        assert padded.sample_uuids[1] is None

    def test_keeps_no_block(self, tmp_path):
        path = write_arrow(
            tmp_path / "x.arrow", [{"x": np.zeros(100), "t": ["a"] * 100}], "x", (), "t"
        )
        store = ColumnStore(FeatureSet.from_arrow("there", path).to_view())
        order = BatchOrder.of_size(np.arange(100), 32, drop_last=False)
        for batch_view in BatchViews(store, order):
            assert len(batch_view.batch.features) == len(batch_view.batch.tags)
        assert not store._blocks
