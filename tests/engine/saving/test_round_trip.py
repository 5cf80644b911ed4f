import math
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from engine.errors import UnsavableError
from engine.saving import read_file, write_file

TORCH_DTYPES = [
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.uint16,
    torch.int16,
    torch.uint32,
    torch.int32,
    torch.uint64,
    torch.int64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
    torch.complex64,
    torch.complex128,
]


def same(left, right) -> bool:
    """Equal in type, structure and every bit that counts; NaN equals NaN."""
    if type(left) is not type(right):
        return False
    if isinstance(left, np.ndarray | np.generic):
        return (
            left.dtype == right.dtype
            and left.dtype.byteorder == right.dtype.byteorder
            and left.shape == right.shape
            and left.tobytes() == right.tobytes()
        )
    if isinstance(left, torch.Tensor):
        return left.dtype == right.dtype and left.shape == right.shape and raw(left) == raw(right)
    if isinstance(left, dict):
        return len(left) == len(right) and all(
            same(ours, theirs) and same(left[ours], right[theirs])
            for ours, theirs in zip(left, right, strict=True)
        )
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float):
        return (math.isnan(left) and math.isnan(right)) or left.hex() == right.hex()
    return left == right


def raw(tensor: torch.Tensor) -> bytes:
    return (
        tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        if tensor.numel()
        else b""
    )


@st.composite
def numpy_arrays(draw):
    dtype = draw(
        st.one_of(
            hnp.boolean_dtypes(),
            hnp.integer_dtypes(endianness="?"),
            hnp.floating_dtypes(sizes=(16, 32, 64), endianness="?"),
            hnp.complex_number_dtypes(sizes=(64, 128), endianness="?"),
            hnp.datetime64_dtypes(endianness="?"),
            hnp.timedelta64_dtypes(endianness="?"),
            hnp.unicode_string_dtypes(endianness="?", min_len=1, max_len=5),
            hnp.byte_string_dtypes(min_len=1, max_len=5),
        )
    )
    shape = hnp.array_shapes(min_dims=0, min_side=0, max_side=4)
    array = draw(hnp.arrays(dtype, shape))
    return np.asarray(array[..., ::2].T if array.ndim and draw(st.booleans()) else array)


@st.composite
def torch_tensors(draw):
    dtype = draw(st.sampled_from(TORCH_DTYPES))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    width = torch.empty((), dtype=dtype).element_size()
    size = math.prod(shape)
    if dtype is torch.bool:
        data = bytes(draw(st.lists(st.integers(0, 1), min_size=size, max_size=size)))
    else:
        data = draw(st.binary(min_size=size * width, max_size=size * width))
    tensor = torch.empty(shape, dtype=dtype)
    if size:
        tensor.view(-1).view(torch.uint8)[:] = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    return tensor.mT if tensor.ndim >= 2 and draw(st.booleans()) else tensor


numpy_scalars = st.one_of(
    st.floats(width=32).map(np.float32),
    st.floats(width=16).map(np.float16),
    st.floats().map(np.float64),
    st.integers(-(2**63), 2**63 - 1).map(np.int64),
    st.integers(0, 255).map(np.uint8),
    st.booleans().map(np.bool_),
    st.complex_numbers().map(np.complex128),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).map(np.str_),
    st.integers(-(10**12), 10**12).map(lambda n: np.datetime64(n, "ms")),
)
keys = st.one_of(
    st.text(max_size=5),
    st.integers(),
    st.booleans(),
    st.none(),
    st.floats(allow_nan=False),
    st.tuples(st.integers(), st.text(max_size=2)),
    st.sampled_from(["#tuple", "#", "__metadata__", "a/b"]),
)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(allow_nan=False),
    st.text(st.characters()),
    st.binary(),
    st.sets(st.integers()),
    st.frozensets(st.text(max_size=3)),
    numpy_scalars,
    numpy_arrays(),
    torch_tensors(),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(keys, inner, max_size=4),
    ),
    max_leaves=12,
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    max_examples=60,
)
@given(value=values, meta=st.dictionaries(st.text(max_size=4), values, max_size=2))
@example(value={1: (2.0, math.nan), "#float": [math.inf, -math.inf, -0.0]}, meta={})
@example(value=[np.array(5, dtype=">i2"), np.zeros((0, 3), ">f8"), np.float32("nan")], meta={})
@example(
    value=[torch.tensor(True), torch.empty(0, 2), torch.ones(2, dtype=torch.bfloat16)], meta={}
)
@example(value={"state": {0: {"step": torch.tensor(3.0)}}, "betas": (0.9, 0.999)}, meta={})
@example(value=[True, 1, 1.0, "1", b"1", b"\0" * 5000], meta={"key": ()})
@example(value=10**6000, meta={})
@example(value="\ud800", meta={})
@example(value={"__metadata__": np.ones(2), "a": {"b": np.zeros(2)}, "a/b": np.ones(1)}, meta={})
def test_every_value_comes_back_as_it_was(tmp_path, value, meta):
    path = tmp_path / "any.lk"

    saved = write_file(path, "anything", value, meta=meta)
    read, read_meta = read_file(path, "anything", sha256=saved.sha256)

    assert same(read, value)
    assert same(read_meta, meta)


def test_an_ordered_mapping_comes_back_as_an_equal_plain_one(tmp_path):
    weights = torch.nn.Linear(2, 3).state_dict()

    write_file(tmp_path / "w.lk", "weights", OrderedDict(weights))
    read, _ = read_file(tmp_path / "w.lk")

    assert type(read) is dict
    assert same(read, dict(weights))


def test_parameters_come_back_as_detached_tensors(tmp_path):
    layer = torch.nn.Linear(2, 3)

    write_file(tmp_path / "p.lk", "weights", [layer.weight])
    ([read], _) = read_file(tmp_path / "p.lk")

    assert type(read) is torch.Tensor
    assert not read.requires_grad
    assert torch.equal(read, layer.weight)


def test_conjugated_tensors_are_stored_as_what_they_show(tmp_path):
    tensor = torch.tensor([1 + 2j, 3 - 1j])

    write_file(tmp_path / "c.lk", "x", [tensor, tensor.conj(), tensor.conj().imag])
    (read, _) = read_file(tmp_path / "c.lk")

    assert same(read, [tensor, tensor.conj().resolve_conj(), -tensor.imag])


class TestTies:
    def test_tied_weights_are_stored_once_and_tied_again(self, tmp_path):
        big = torch.randn(300, 300)
        payload = {"encoder": big, "decoder": big.detach(), "transposed": big.T}

        saved = write_file(tmp_path / "tied.lk", "weights", payload)
        read, _ = read_file(tmp_path / "tied.lk")

        assert read["encoder"] is read["decoder"]
        assert torch.equal(read["transposed"], big.T)
        assert saved.bytes < 2.1 * big.nbytes

    def test_the_same_array_twice_is_one_array_again(self, tmp_path):
        array = np.arange(5)

        write_file(tmp_path / "a.lk", "x", [array, array, array[:3], array.astype(np.uint64)])
        (first, second, part, unsigned), _ = read_file(tmp_path / "a.lk")

        assert first is second
        assert same(part, array[:3])
        assert same(unsigned, array.astype(np.uint64))

    def test_the_same_memory_seen_as_another_type_is_another_value(self, tmp_path):
        tensor, array = torch.ones(3), np.ones(3)
        payload = [tensor, tensor.view(torch.int32), array, array.view(np.int64)]
        write_file(tmp_path / "v.lk", "x", payload)

        assert same(read_file(tmp_path / "v.lk")[0], payload)

    def test_empty_tensors_stay_apart(self, tmp_path):
        write_file(tmp_path / "e.lk", "x", [torch.empty(0), torch.empty(0), torch.empty(0, 4)])
        (first, second, wide), _ = read_file(tmp_path / "e.lk")

        assert first is not second
        assert wide.shape == (0, 4)


class TestRefusals:
    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (object(), "a object"),
            (np.array([object()]), "numpy.ndarray"),
            (np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]), "numpy.ndarray"),
            (np.longdouble(1), "longdouble"),
            (torch.empty(2, device="meta"), "torch.Tensor"),
            (torch.eye(2).to_sparse(), "torch.Tensor"),
            (torch.Size([1]), "torch.Size"),
            (lambda: 1, "function"),
        ],
    )
    def test_what_has_no_safe_form_is_refused_with_its_place(self, tmp_path, value, words):
        with pytest.raises(UnsavableError, match="weights/1/deep") as caught:
            write_file(tmp_path / "no.lk", "x", {"weights": [0, {"deep": value}]})

        assert words in str(caught.value)
        assert list(tmp_path.iterdir()) == []

    def test_a_value_that_contains_itself_is_refused(self, tmp_path):
        loop: list = []
        loop.append(loop)

        with pytest.raises(UnsavableError, match="contains itself"):
            write_file(tmp_path / "no.lk", "x", loop)

    def test_too_much_plain_text_is_refused_with_advice(self, tmp_path, monkeypatch):
        monkeypatch.setattr("engine.saving.files.MAX_CONTENT", 1000)

        with pytest.raises(UnsavableError, match="into arrays"):
            write_file(tmp_path / "no.lk", "x", [0.5] * 1000)
