import pytest

from engine.experiment import Experiment


@pytest.fixture
def experiment():
    return Experiment("small", seed=3)
