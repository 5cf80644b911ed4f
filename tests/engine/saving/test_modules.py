"""Torch modules that were made beforehand come back from files, behaving as before."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from engine.errors import FileFormatError, PackagedCodeError, UnsavableError
from engine.models import BaseModel, TorchModelWrapper
from engine.saving.tagged import Tagged
from tests.engine.saving.programs import ROOT


class Mixed(nn.Module):
    """Attributes of many kinds, tied weights, a shared module, a buffer that no state holds."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(6, 4, dtype=torch.float64)
        self.decoder = nn.Linear(6, 4, dtype=torch.float64)
        self.decoder.weight = self.encoder.weight
        self.same = self.encoder
        self.register_buffer("shift", torch.arange(4.0), persistent=False)
        self.activation = torch.tanh
        self.size = torch.Size([2, 3])
        self.dtype, self.device = torch.float64, torch.device("cpu")
        self.layer_class, self.table = nn.ReLU, {"a": (1, [2.5, None])}
        self.frozen = nn.Parameter(torch.ones(4, dtype=torch.float64), requires_grad=False)

    def forward(self, x):
        x = x.reshape(-1, *self.size).flatten(1).to(self.dtype)
        summed = self.encoder(x) + self.decoder(x) + self.same(x) + self.shift
        return self.layer_class()(self.activation(summed)) * self.frozen


MODULES = {
    "a chain": lambda: nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)),
    "normalization": lambda: nn.Sequential(nn.BatchNorm1d(6), nn.Dropout(0.5), nn.LayerNorm(6)),
    "recurrent": lambda: nn.LSTM(6, 3, num_layers=2, bidirectional=True),
    "attention": lambda: nn.TransformerEncoderLayer(6, 2, 8, activation=nn.functional.gelu),
    "lists": lambda: nn.Sequential(nn.Identity(), nn.Unflatten(1, (2, 3)), nn.Conv1d(2, 1, 2)),
}


def same_outputs(one, other, x):
    for training in (True, False):
        one.train(training)
        other.train(training)
        outputs = []
        for module in (one, other):
            torch.manual_seed(0)
            result = module(x)
            outputs.append(result[0] if isinstance(result, tuple) else result)
        assert torch.equal(*outputs)


def saved_and_loaded(module, tmp_path, *, allowed=False):
    path = TorchModelWrapper(model=module).save(tmp_path / "net", overwrite=True)
    return BaseModel.load(path, allow_packaged_code=allowed).module


@pytest.mark.parametrize("name", MODULES)
def test_torchs_own_modules_need_no_trust(name, tmp_path):
    torch.manual_seed(1)
    module = MODULES[name]()
    module(torch.randn(4, 6))  # Moves what is averaged.
    same_outputs(saved_and_loaded(module, tmp_path), module, torch.randn(4, 6))


def test_a_users_module_keeps_its_attributes_and_what_is_one_stays_one(tmp_path):
    module = Mixed()
    module.encoder.eval()
    back = saved_and_loaded(module, tmp_path, allowed=True)
    assert type(back) is Mixed
    assert back.decoder.weight is back.encoder.weight
    assert back.same is back.encoder
    assert not back.frozen.requires_grad
    assert not back.encoder.training
    assert back.training
    assert back.table == {"a": (1, [2.5, None])}
    assert back.state_dict().keys() == module.state_dict().keys()
    same_outputs(back, module, torch.randn(5, 6))


def test_trains_on_bit_for_bit(tmp_path):
    def steps(module):
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
        for _ in range(3):
            optimizer.zero_grad()
            module(torch.ones(2, 6)).sum().backward()
            optimizer.step()
        return [one.detach().clone() for one in module.parameters()]

    module = Mixed()
    back = saved_and_loaded(module, tmp_path, allowed=True)
    assert all(map(torch.equal, steps(module), steps(back)))


def test_a_users_module_is_not_imported_unasked(tmp_path):
    with pytest.raises(PackagedCodeError, match=r"net\.model .*test_modules:Mixed in it is not"):
        saved_and_loaded(Mixed(), tmp_path)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: nn.LazyLinear(3), "its weight is not there before its first use"),
        (
            lambda: nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)),
            "Serialization of param",
        ),
    ],
)
def test_what_its_attributes_do_not_make_again_is_refused(make, match, tmp_path):
    with pytest.raises((UnsavableError, PackagedCodeError), match=match):
        saved_and_loaded(make(), tmp_path)
    assert not list(tmp_path.iterdir())


def test_hooks_are_refused(tmp_path):
    module = nn.Linear(2, 2)
    module.register_forward_hook(print)
    with pytest.raises(UnsavableError, match=r"Linear .* it has hooks \(_forward_hooks\)"):
        saved_and_loaded(module, tmp_path)


def described(**changes):
    parts = {
        "_parameters": {"weight": Tagged("#parameter", [torch.ones(1, 2), True]), "bias": None},
        "_buffers": {},
        "_modules": {},
        "_non_persistent_buffers_set": [],
        "training": True,
        "in_features": 2,
        "out_features": 1,
    }
    return Tagged("#module", {"class": "torch.nn.modules.linear:Linear", "parts": parts | changes})


@pytest.mark.parametrize(
    ("module", "match"),
    [
        (described(_modules={"x": 3}), "other things than tensors or modules"),
        (described(_parameters={"x": torch.ones(1)}), "other things than tensors or modules"),
        (described(_forward_hooks={"0": Tagged("#code", "torch:relu")}), "attribute '_forward_ho"),
        (described(training="yes"), "neither trains nor not"),
        (Tagged("#module", {"class": "torch.optim.adam:Adam", "parts": {}}), "is no Module"),
        (Tagged("#module", {"class": "torch.nn.modules.linear:Linear", "parts": {}}), "lacks its"),
        (Tagged("#module", 3), "not subscriptable"),
        (Tagged("#again", 7), "out of range"),
        (Tagged("#code", {"x": 1}), "attribute"),
        (Tagged("#dtype", "Tensor"), "torch has no type"),
        (Tagged("#device", "moon"), "device"),
        (Tagged("#size", "x"), "Size"),
    ],
)
def test_what_nobody_wrote_is_named(module, match, tmp_path):
    from engine.saving import write_file

    init_args = {"model": module, "inject_input_shape_as": None, "inject_output_shape_as": None}
    config = {"class": "engine.models.torch_wrapper:TorchModelWrapper", "init_args": init_args}
    form = {"config": config, "state": {"weights": None}, "modes": None}
    path = write_file(tmp_path / "bad.model", "model", form).path
    with pytest.raises(FileFormatError, match=rf"bad\.model cannot be read.*({match})"):
        BaseModel.load(path)


def test_in_a_new_process_the_outputs_are_the_same(tmp_path):
    torch.manual_seed(3)
    module = MODULES["attention"]().eval()
    path = TorchModelWrapper(model=module).save(tmp_path / "net")
    program = (
        "import sys, torch; from engine import BaseModel; torch.set_num_threads(1)\n"
        "torch.manual_seed(5); before = torch.get_rng_state()\n"
        "net = BaseModel.load(sys.argv[1])\n"
        "assert torch.equal(torch.get_rng_state(), before) and not net.module.training\n"
        "print(net(torch.ones(3, 6)).double().sum().item().hex())"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == module(torch.ones(3, 6)).double().sum().item().hex()
