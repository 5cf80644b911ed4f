"""Bytes hashed beside other work: the same as all at once, by every hasher."""

import hashlib
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.hashing import PIECE, Hashing, PieceHashing

SIZES = st.lists(
    st.sampled_from([0, 1, 1000, 2**18 - 1, 2**18, 2**20 + 7, PIECE - 1, PIECE, 2 * PIECE + 1]),
    max_size=6,
)


def of_all(data):
    return hashlib.sha256(data).hexdigest()


def of_pieces(data):
    pieces = [data[begin : begin + PIECE] for begin in range(0, len(data), PIECE)]
    return of_all(b"".join(hashlib.sha256(piece).digest() for piece in pieces))


@pytest.fixture(
    scope="module", params=[(Hashing, of_all), (PieceHashing, of_pieces)], ids=["whole", "pieces"]
)
def hasher(request):
    return request.param


@settings(max_examples=20, deadline=None)
@given(sizes=SIZES)
def test_small_and_large_parts_in_their_order(hasher, sizes):
    make, expected = hasher
    hashing, whole = make(), b""
    for number, size in enumerate(sizes):
        part = bytes([number + 1]) * size
        hashing.update(part if number % 2 else memoryview(part))
        whole += part
        if number % 2:
            assert hashing.hexdigest() == expected(whole)

    assert hashing.hexdigest() == expected(whole)


def test_pieces_that_are_read_by_the_thread(hasher):
    make, expected = hasher
    pieces = [bytes([number]) * PIECE for number in range(20)]
    hashing = make()
    for piece in pieces:
        hashing.take(lambda piece=piece: piece)
    hashing.update(b"the rest")

    assert hashing.hexdigest() == expected(b"".join(pieces) + b"the rest")


def test_a_piece_that_cannot_be_read_is_told(hasher):
    def fail():
        raise OSError("gone")

    hashing = hasher[0]()
    hashing.take(fail)
    with pytest.raises(OSError, match="gone"):
        hashing.hexdigest()


def test_the_caller_waits_only_when_too_much_is_held(hasher):
    read, go_on = [], Event()

    def slow():
        go_on.wait(10)
        read.append(1)
        return b"x" * PIECE

    hashing = hasher[0]()
    for _ in range(8):
        hashing.take(slow)
    assert not read

    go_on.set()
    hashing.take(slow)
    assert read
    hashing.hexdigest()
    assert len(read) == 9
