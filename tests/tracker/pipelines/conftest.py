"""A lab with a small problem to learn."""

import subprocess
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tracker.pipelines.small_lab import CONFIG, PARTS, start_worker
from tracker.lab import Lab


@pytest.fixture
def lab(lab_root: Path) -> Iterator[Lab]:
    (lab_root / "parts.py").write_text(textwrap.dedent(PARTS))
    lab = Lab(lab_root)
    yield lab
    lab.close()


@pytest.fixture
def create(lab: Lab) -> Callable[..., object]:
    """Makes a pipeline with the small configuration: `create("a", **{"optimizer.args.lr": 1})`."""

    def make(name="small", **overrides):
        return lab.create(name, CONFIG, overrides=overrides, force=True)

    return make


@pytest.fixture
def worker(lab: Lab) -> Iterator[Callable[..., subprocess.Popen]]:
    """Runs Python in a process of its own, with `lab` open in it."""
    started = []

    def start(program: str, **environment: str) -> subprocess.Popen:
        started.append(start_worker(lab, program, **environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()
