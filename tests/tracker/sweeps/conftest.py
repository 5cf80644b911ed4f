"""A lab, and sweeps in it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tracker.lab import Lab
from tracker.sweeps import Sweep


@pytest.fixture
def lab(lab_root: Path) -> Iterator[Lab]:
    lab = Lab(lab_root)
    yield lab
    lab.close()


@pytest.fixture
def sweep(lab: Lab) -> Callable[..., Sweep]:
    """Makes a sweep over a mapping, by default of three points: `sweep(function)`."""

    def make(target, config=None, **options):
        options = {"name": "small", "lab": lab, **options}
        return Sweep({"grid": {"x": [1, 2, 3]}} if config is None else config, target, **options)

    return make
