"""A model node alone: what it makes of what it is given."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from engine.batches import Batch, RoleData, SampleData
from engine.features import FeatureSet
from engine.graph import ModelGraph, ModelNode


class Scaled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(2, 1)

    def forward(self, x, factor=1.0):
        return self.line(x) * factor


@pytest.fixture
def data():
    rows = np.arange(8.0, dtype="float32").reshape(4, 2)
    return FeatureSet.from_dict("data", {"x": rows, "y": rows.sum(axis=1)}, "x", "y")


def test_options_reach_the_models_forward_in_every_form_of_input(data):
    node = ModelNode("net", Scaled(), data)
    ModelGraph([node]).build()
    values = torch.ones(4, 2)
    samples = SampleData(features=values)
    roles = RoleData({"default": samples})

    plain = node.forward_single(values)

    for given, read in (
        (values, lambda found: found),
        (values.numpy(), lambda found: found),
        (samples, lambda found: found.outputs),
        (roles, lambda found: found["default"].outputs),
        (Batch(4, roles), lambda found: found.outputs),
    ):
        assert torch.equal(read(node.forward_single(given, factor=3.0)), plain * 3)
        assert torch.equal(read(node(given)), plain)


def test_an_option_that_the_model_does_not_take_is_the_models_error(data):
    for label, model in (("net", torch.nn.Linear(2, 1)), ("line", LinearRegression())):
        node = ModelNode(label, model, data)
        with pytest.raises(TypeError, match="unexpected keyword argument 'factor'"):
            node.forward_single(torch.ones(4, 2), factor=3.0)
