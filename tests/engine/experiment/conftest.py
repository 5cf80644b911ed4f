import pytest

from engine.experiment import Experiment
from tests.engine.small_experiments import classes, classifier


@pytest.fixture
def experiment():
    experiment = Experiment("small", seed=4)
    classifier(classes())
    return experiment
