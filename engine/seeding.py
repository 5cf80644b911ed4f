"""Randomness that depends on a seed and a name, and on nothing else."""

import hashlib
import json
import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.errors import DataError


def derive_seed(seed: int | None, *labels: str | int) -> int:
    """The seed, below 2**63, of the part that these labels name; the same on every machine.

    Without a seed it depends on the labels alone.
    """
    text = json.dumps([seed, *labels], ensure_ascii=True)
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def checked_seed(seed: Any) -> int:
    """The seed itself, if it is one."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise DataError(f"A seed is a whole number from 0 on, not {seed!r}.")
    return int(seed)


def permutation(length: int, seed: int) -> NDArray[np.int64]:
    """The numbers from 0 to `length` - 1 in an order that the seed alone decides."""
    # numpy promises never to change what RandomState draws from a bit generator;
    # it makes no such promise for its newer Generator.
    legacy = np.random.RandomState(np.random.PCG64(seed))
    return legacy.permutation(length).astype(np.int64, copy=False)


def capture_generators() -> dict[str, Any]:
    """The state of every global generator: Python's, numpy's, torch's, CUDA's once it is used."""
    version, internal, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002 - users' models draw from it
    state: dict[str, Any] = {
        "python": {"version": version, "internal": list(internal), "gauss": gauss},
        "numpy": {
            "name": name,
            "keys": keys,
            "position": int(position),
            "has_gauss": int(has_gauss),
            "cached": float(cached),
        },
        "torch": torch.get_rng_state(),
        "cuda": [],
    }
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch leaves it untyped
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore_generators(state: dict[str, Any]) -> None:
    """Put every global generator where `capture_generators` found it."""
    python, legacy = state["python"], state["numpy"]
    random.setstate((python["version"], tuple(python["internal"]), python["gauss"]))
    np.random.set_state(  # noqa: NPY002 - as above
        (
            legacy["name"],
            np.asarray(legacy["keys"], dtype=np.uint32),
            legacy["position"],
            legacy["has_gauss"],
            legacy["cached"],
        )
    )
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"][: torch.cuda.device_count()])


def seed_generators(seed: int) -> None:
    """Seed every global generator."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - as above
    # Covers CUDA as well, at once or when it is first used.
    torch.manual_seed(seed)


class _Turns:
    """Whose turn it is with the global generators, which all threads of a process share."""

    def __init__(self) -> None:
        self.lock = threading.RLock()

    def renew(self) -> None:
        """In a forked process, where the thread whose turn it was may not be."""
        self.lock = threading.RLock()


_TURNS = _Turns()
os.register_at_fork(after_in_child=_TURNS.renew)


@contextmanager
def generators(seed: int) -> Iterator[None]:
    """Seeds every global generator for the length of the block; afterwards all are as before.

    Another thread that comes to such a block waits until this one is left.
    """
    with _TURNS.lock:
        before = capture_generators()
        seed_generators(seed)
        try:
            yield
        finally:
            restore_generators(before)
