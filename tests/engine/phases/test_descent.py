"""Several batches a step, bounds on gradients, lower precision: as in the loop by hand."""

import copy

import numpy as np
import pytest
import torch

from engine.errors import GraphError
from engine.experiment import Experiment
from engine.graph import Descent, DescentSettings, ModelGraph
from engine.optimizers import Optimizer, Scheduler
from engine.phases import Reporter, TrainPhase
from engine.samplers import SimpleSampler
from tests.engine.small_experiments import Log, assert_equal, fresh, line, mse, numbers

BATCH = 8  # 30 samples: four batches, the last of six


def build(*, n_epochs=2, scheduler=None, optimizer="adam", stagewise=False, **options):
    experiment = Experiment("small", seed=2)
    data = numbers("data")
    torch.manual_seed(5)
    made = Optimizer(optimizer, opt_kwargs={"lr": 0.1}, scheduler=scheduler)
    own = made if stagewise else None
    ModelGraph(
        [line("net", data.reference(), optimizer=own)], optimizer=None if stagewise else made
    )
    phase = TrainPhase.from_split(
        "train",
        split="train",
        sampler=SimpleSampler(batch_size=BATCH, shuffle=True, seed=1),
        losses=[mse("net")],
        n_epochs=n_epochs,
        result_recording="none",
        **options,
    )
    experiment.execution_plan.add_phase(phase)
    return experiment


def weights(experiment):
    return dict(experiment.model_graph.get_weights()["net"])


def by_hand(*, accumulate=1, clip_norm=None, clip_value=None, dtype=None, n_epochs=2):
    """The same training without an engine: plain PyTorch over the same batches."""
    experiment = fresh(build)
    data = experiment.ctx.get_node("data")
    split = data.get_split("train")
    x = torch.from_numpy(split.get_features("np"))
    y = torch.from_numpy(split.get_targets("np"))
    experiment.model_graph.build()
    net = copy.deepcopy(experiment.model_graph.find("net").module)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    sampler = SimpleSampler(batch_size=BATCH, shuffle=True, seed=1)
    sampler.bind_sources([split])
    for epoch in range(n_epochs):
        batches = [torch.from_numpy(np.asarray(rows)) for rows in sampler.epoch_batches(epoch)]
        for start in range(0, len(batches), accumulate):
            window = batches[start : start + accumulate]
            optimizer.zero_grad()
            for rows in window:
                with torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
                    loss = torch.nn.functional.mse_loss(net(x[rows]), y[rows])
                (loss * (1 / len(window))).backward()
            if clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(net.parameters(), clip_norm)
            if clip_value is not None:
                torch.nn.utils.clip_grad_value_(net.parameters(), clip_value)
            optimizer.step()
    return {name: value.detach() for name, value in net.state_dict().items()}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"accumulate": 2},
        {"accumulate": 3},  # the last batch is a step of its own
        {"accumulate": 9},
        {"clip_norm": 0.05},
        {"clip_value": 0.01},
        {"accumulate": 2, "clip_norm": 0.05, "clip_value": 0.02},
    ],
    ids=str,
)
@pytest.mark.parametrize("stagewise", [False, True])
def test_equals_the_loop_by_hand_bit_for_bit(options, stagewise):
    experiment = fresh(build, stagewise=stagewise, **options)
    experiment.run()

    assert_equal(weights(experiment), by_hand(**options))


def test_options_matter():
    plain = by_hand()
    for options in ({"accumulate": 2}, {"clip_norm": 0.05}, {"clip_value": 0.01}):
        assert not torch.equal(by_hand(**options)["weight"], plain["weight"])


def test_bfloat16_computes_as_autocast_does():
    experiment = fresh(build, precision="bfloat16")
    experiment.run()

    found = weights(experiment)
    assert found["weight"].dtype is torch.float32
    assert_equal(found, by_hand(dtype=torch.bfloat16))
    assert not torch.equal(found["weight"], by_hand()["weight"])


def test_float16_is_scaled_and_learns():
    experiment, log = fresh(build, precision="float16", n_epochs=30), Log()
    experiment.add_reporter(log)
    experiment.run()

    losses = [value for (name, _, _, batch, _), value in log.values.items() if batch is None]
    assert losses[-1] < losses[0] / 10
    scaler = experiment.execution_plan.all[0].descent
    assert scaler.precision == "float16"


def test_float16_is_clipped_on_the_scale_of_the_gradients():
    experiment = fresh(build, precision="float16", clip_norm=0.05, optimizer="sgd")
    before = weights(experiment)
    experiment.run()

    moved = sum(
        torch.linalg.vector_norm(value - before[name]) ** 2
        for name, value in weights(experiment).items()
    )
    # Eight steps of 0.1 * 0.05 at most; those that overflow at first are left out.
    assert 0.015 < moved.sqrt() <= 8 * 0.1 * 0.05 * 1.01


def test_what_was_gathered_is_there_before_the_next_batch():
    experiment = fresh(build)
    experiment.model_graph.build()
    optimizers = experiment.model_graph.optimizers
    for parameter in optimizers[0].parameters:
        parameter.grad = torch.ones_like(parameter)
    gathering = Descent(DescentSettings(accumulate=3), torch.device("cpu"))
    gathering.at(1, 6)
    state = gathering.get_state(optimizers)
    optimizers[0].zero_grad()

    restored = Descent(DescentSettings(accumulate=3), torch.device("cpu"))
    restored.set_state(state, optimizers)
    assert_equal(restored.get_state(optimizers), state)
    assert state["gradients"] is not None


def test_a_schedule_counts_steps_not_batches():
    scheduler = Scheduler("steplr", {"step_size": 1, "gamma": 0.5}, interval="step")
    experiment = fresh(build, scheduler=scheduler, accumulate=2)
    experiment.run()

    state = experiment.model_graph.get_state()["optimizer"]
    assert state["scheduler"]["last_epoch"] == 4
    assert state["optimizer"]["state"][0]["step"] == 4
    assert experiment.step == 8


class StopAfter(Reporter):
    def __init__(self, experiment, step, path=None):
        self.experiment, self.step, self.path = experiment, step, path

    def batch_ended(self, *, path, epoch, batch, step):
        if step != self.step:
            return
        if self.path is None:
            self.experiment.request_stop()
        else:
            self.experiment.write_checkpoint(self.path)


@pytest.mark.parametrize("step", range(1, 9))
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_interrupted_between_the_batches_of_a_step(tmp_path, step, precision):
    options = {"accumulate": 3, "clip_norm": 0.5, "precision": precision}
    whole = fresh(build, **options)
    whole.add_reporter(StopAfter(whole, step, tmp_path / "at.ckpt"))
    whole.run()

    stopped = fresh(build, **options)
    stopped.add_reporter(StopAfter(stopped, step))
    stopped.run()
    stopped.resume()
    assert_equal(stopped.model_graph.get_state(), whole.model_graph.get_state())

    elsewhere = fresh(build, **options)
    elsewhere.restore_checkpoint(tmp_path / "at.ckpt")
    elsewhere.resume()
    assert_equal(elsewhere.model_graph.get_state(), whole.model_graph.get_state())


def test_is_part_of_the_configuration():
    options = {"accumulate": 2, "clip_norm": 0.5, "clip_value": None, "precision": "bfloat16"}
    experiment = build(**options)
    config = experiment.execution_plan.all[0].get_config()
    again = TrainPhase.from_config(config)

    assert {name: config[name] for name in options} == options
    assert again.descent == DescentSettings(**options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"accumulate": 0}, "not 0"),
        ({"accumulate": True}, "not True"),
        ({"accumulate": 1.5}, "not 1.5"),
        ({"clip_norm": 0.0}, "clip_norm is a bound greater than 0, not 0.0"),
        ({"clip_value": float("nan")}, "clip_value is a bound greater than 0, not nan"),
        ({"precision": "half"}, "There is no precision 'half'; there are float32"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(options, said):
    with pytest.raises(GraphError) as refused:
        build(**options)

    assert said in str(refused.value)
