"""What the engine's tests share: an experiment context of their own."""

import pytest

from engine.context import ExperimentContext


@pytest.fixture(autouse=True)
def context():
    """Every test has its own register of nodes."""
    with ExperimentContext().activate() as context:
        yield context
