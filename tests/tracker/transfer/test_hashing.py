"""Pieces hashed beside other work: the same as all at once."""

import hashlib
from time import sleep

from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.transfer.hashing import Hashing

SIZES = st.lists(st.sampled_from([0, 1, 1000, 2**18 - 1, 2**18, 2**18 + 1, 2**20]), max_size=6)


@settings(max_examples=20, deadline=None)
@given(SIZES)
def test_small_and_large_pieces_in_their_order(sizes):
    hashing, whole = Hashing(), hashlib.sha256()
    for number, size in enumerate(sizes):
        hashing.update(bytes([number]) * size)
        whole.update(bytes([number]) * size)
        if number % 2:
            assert hashing.hexdigest() == whole.hexdigest()

    assert hashing.hexdigest() == whole.hexdigest()


def test_a_hash_is_told_only_when_all_is_hashed(monkeypatch):
    class Slow:
        def __init__(self):
            self.whole = sha256()

        def update(self, piece):
            sleep(0.05)
            self.whole.update(piece)

        def hexdigest(self):
            return self.whole.hexdigest()

    sha256 = hashlib.sha256
    monkeypatch.setattr("tracker.transfer.hashing.hashlib.sha256", Slow)
    hashing = Hashing()
    for _ in range(2):
        hashing.update(b"x" * 2**18)

    assert hashing.hexdigest() == sha256(b"x" * 2**19).hexdigest()
