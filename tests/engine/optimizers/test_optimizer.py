import copy
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from engine.errors import (
    CheckpointError,
    OptimizerError,
    OptimizerNotSetError,
    PackagedCodeError,
    UnknownMetricError,
)
from engine.models.comparing import same_values
from engine.optimizers import Optimizer, Scheduler
from engine.saving import read_file, write_file

SCHEDULES = {
    "StepLR": {"step_size": 2},
    "MultiStepLR": {"milestones": [1, 3, 3]},
    "ExponentialLR": {"gamma": 0.9},
    "CosineAnnealingLR": {"T_max": 4},
    "CosineAnnealingWarmRestarts": {"T_0": 2},
    "OneCycleLR": {"max_lr": 0.5, "total_steps": 20},
    "CyclicLR": {"base_lr": 0.1, "max_lr": 0.2},
    "LinearLR": {},
    "PolynomialLR": {"total_iters": 5},
}


def warm_then_decay(optimizer):
    warm = lr_scheduler.ConstantLR(optimizer)
    decay = lr_scheduler.MultiStepLR(optimizer, [1, 2])
    return lr_scheduler.SequentialLR(optimizer, [warm, decay], milestones=[2])


def parameter():
    return torch.nn.Parameter(torch.ones(3))


def built(opt="sgd", scheduler=None, **kwargs):
    optimizer = Optimizer(opt, opt_kwargs={"lr": 0.1, **kwargs}, scheduler=scheduler)
    optimizer.build(parameters=[parameter()])
    return optimizer


def step(optimizer, times=1):
    for place in range(times):
        optimizer.zero_grad()
        (optimizer.parameters[0] * (place + 1)).sum().backward()
        optimizer.step()


class TestOptimizer:
    @pytest.mark.parametrize("name", ["adam", "Adam", "ADAM"])
    def test_is_found_by_name_in_any_case(self, name):
        assert Optimizer(name).cls is torch.optim.Adam

    def test_takes_steps_as_torchs_own(self):
        ours, theirs = built("adam"), parameter()
        plain = torch.optim.Adam([theirs], lr=0.1)
        step(ours, 3)
        for place in range(3):
            plain.zero_grad()
            (theirs * (place + 1)).sum().backward()
            plain.step()

        assert torch.equal(ours.parameters[0], theirs)

    def test_forgets_gradients(self):
        optimizer = built()
        optimizer.parameters[0].grad = torch.ones(3)
        optimizer.zero_grad()
        assert optimizer.parameters[0].grad is None

    def test_leaves_forgetting_to_a_class_with_a_way_of_its_own(self):
        class Own(torch.optim.SGD):
            forgotten = 0

            def zero_grad(self, **_):
                self.forgotten += 1

        optimizer = Optimizer(Own, opt_kwargs={"lr": 0.1})
        optimizer.build(parameters=[parameter()])
        optimizer.zero_grad()
        assert optimizer.instance.forgotten == 1

    def test_is_made_by_a_factory(self):
        def make(parameters):
            return torch.optim.SGD([{"params": parameters, "lr": 0.5}], lr=0.1)

        optimizer = Optimizer.from_factory(make)
        optimizer.build(parameters=[parameter()])
        assert optimizer.instance.param_groups[0]["lr"] == 0.5
        assert optimizer.name is None

    @pytest.mark.parametrize(
        ("arguments", "match"),
        [
            ({"opt": "adm"}, "no optimizer 'adm'. Did you mean 'adam'"),
            ({"opt": "adam", "opt_kwargs": {"learning_rat": 1}}, "'learning_rat'.*Known: .*lr"),
            ({"opt": "lbfgs"}, "several times a step"),
            ({"opt": torch.nn.Linear}, "not an optimizer's name or class"),
            ({}, "either an optimizer's name or class, or a factory"),
            ({"opt": "adam", "backend": "scikit"}, "models need none"),
        ],
    )
    def test_refuses_what_it_cannot_be(self, arguments, match):
        with pytest.raises(OptimizerError, match=match):
            Optimizer(**arguments)

    def test_refuses_to_be_built_twice_without_force(self):
        optimizer = built()
        with pytest.raises(OptimizerError, match="force_rebuild"):
            optimizer.build(parameters=[parameter()])
        optimizer.build(parameters=[parameter()], force_rebuild=True)

    def test_refuses_to_work_before_it_is_built(self):
        with pytest.raises(OptimizerNotSetError, match="not built yet"):
            Optimizer("sgd").step()
        with pytest.raises(OptimizerNotSetError, match="no parameters"):
            Optimizer("sgd").build(parameters=[])

    def test_refuses_a_factory_that_makes_something_else(self):
        optimizer = Optimizer(factory=lambda parameters: 5)
        with pytest.raises(OptimizerError, match="made 5"):
            optimizer.build(parameters=[parameter()])

    def test_an_equal_one_is_made_from_its_configuration(self):
        schedule = Scheduler("StepLR", {"step_size": 2}, interval="step")
        optimizer = Optimizer(
            "adamw", opt_kwargs={"lr": 0.3, "betas": (0.8, 0.9)}, scheduler=schedule
        )
        again = Optimizer.from_config(optimizer.get_config())

        assert again.get_config() == optimizer.get_config()
        assert again.cls is torch.optim.AdamW
        with pytest.raises(PackagedCodeError):
            Optimizer(factory=lambda p: None).get_config()


class TestState:
    @pytest.mark.parametrize("name", ["adam", "sgd", "rmsprop", "adagrad", "adamax", "nadam"])
    def test_goes_through_a_file_to_an_optimizer_built_anew(self, name, tmp_path):
        extra = {"momentum": 0.9} if name == "sgd" else {}
        first, second, whole = (built(name, **extra) for _ in range(3))
        step(whole, 2)
        step(whole, 2)
        step(first, 2)
        write_file(tmp_path / "o.lk", "optimizer", first.get_state())
        state, _ = read_file(tmp_path / "o.lk")
        with torch.no_grad():
            second.parameters[0].copy_(first.parameters[0])
        second.set_state(state)
        kept = copy.deepcopy(state)
        step(second, 2)

        assert torch.equal(second.parameters[0], whole.parameters[0])
        assert same_values(second.get_state(), whole.get_state())
        assert same_values(state, kept)

    def test_given_before_building_waits_for_it(self):
        trained = built("adam")
        step(trained, 2)
        state = copy.deepcopy(trained.get_state())
        waiting = Optimizer("adam")
        waiting.set_state(state)
        assert same_values(waiting.get_state(), state)
        waiting.build(parameters=[parameter()])
        assert same_values(waiting.get_state(), state)

    def test_of_other_parameters_is_refused(self):
        other, state = Optimizer("sgd"), built().get_state()
        other.build(parameters=[parameter(), parameter()])
        with pytest.raises(CheckpointError, match=r"for \[1\] parameters, and this one has \[2\]"):
            other.set_state(state)

    @pytest.mark.parametrize("noted", [True, False])
    @pytest.mark.parametrize(
        ("saved", "here"), [("adam", "sgd"), ("sgd", "adam"), ("adam", "adagrad")]
    )
    def test_of_another_kind_is_refused_before_anything_changes(self, saved, here, noted):
        trained, other = built(saved), built(here)
        step(trained)
        state = trained.get_state()
        if not noted:
            del state["kind"]
        before = copy.deepcopy(other.get_state())

        with pytest.raises(CheckpointError, match="does not fit the "):
            other.set_state(state)
        assert same_values(other.get_state(), before)

    def test_tells_kinds_with_the_same_settings_apart(self):
        with pytest.raises(CheckpointError, match="one of Adam and does not fit the AdamW here"):
            built("adamw").set_state(built("adam").get_state())

    def test_with_another_kind_of_schedule_is_refused_before_anything_changes(self):
        first = built(scheduler=Scheduler("ExponentialLR", {"gamma": 0.5}), momentum=0.9)
        second = built(scheduler=Scheduler("CosineAnnealingLR", {"T_max": 3}), momentum=0.9)
        step(first)
        before = copy.deepcopy(second.get_state())

        with pytest.raises(CheckpointError, match="not one of a CosineAnnealingLR"):
            second.set_state(first.get_state())
        assert same_values(second.get_state(), before)


class TestScheduler:
    @pytest.mark.parametrize("interval", ["epoch", "step"])
    @pytest.mark.parametrize("name", SCHEDULES)
    @given(cut=st.integers(0, 6))
    def test_goes_on_from_its_state_as_if_never_stopped(
        self, name, interval, cut, tmp_path_factory
    ):
        def run(optimizer, times):
            rates = []
            for _ in range(times):
                step(optimizer)
                optimizer.end_epoch({})
                rates.append(optimizer.instance.param_groups[0]["lr"])
            return rates

        def make():
            kwargs = {"momentum": 0.5} if name in ("CyclicLR", "OneCycleLR") else {}
            return built(scheduler=Scheduler(name, SCHEDULES[name], interval=interval), **kwargs)

        whole = run(make(), 8)
        first, second = make(), make()
        rates = run(first, cut)
        path = tmp_path_factory.getbasetemp() / "schedule.lk"
        write_file(path, "optimizer", first.get_state())
        second.set_state(read_file(path)[0])

        assert rates + run(second, 8 - cut) == whole
        assert len(set(whole)) > 1

    def test_follows_torchs_own(self):
        optimizer = built(scheduler=Scheduler("multi_step_lr", {"milestones": [2]}))
        rates = []
        for _ in range(4):
            step(optimizer)
            optimizer.end_epoch()
            rates.append(optimizer.instance.param_groups[0]["lr"])
        assert rates == [0.1, pytest.approx(0.01), pytest.approx(0.01), pytest.approx(0.01)]

    def test_may_be_made_by_a_function(self):
        first, second = (
            built(scheduler=Scheduler(warm_then_decay)),
            built(scheduler=Scheduler(warm_then_decay)),
        )
        for _ in range(3):
            step(first)
            first.end_epoch()
        with warnings.catch_warnings():
            # torch itself calls a deprecated form inside SequentialLR.
            warnings.simplefilter("ignore")
            second.set_state(first.get_state())
            for optimizer in (first, second):
                step(optimizer)
                optimizer.end_epoch()
        assert same_values(second.scheduler.get_state(), first.scheduler.get_state())

    def test_counts_its_milestones_as_torch_does(self):
        first, second = (
            built(scheduler=Scheduler("MultiStepLR", {"milestones": [1, 1, 2]})) for _ in range(2)
        )
        second.set_state(first.get_state())

        milestones = second.scheduler.instance.milestones
        assert sorted(milestones.elements()) == [1, 1, 2]

    def test_looks_at_a_metric(self):
        schedule = Scheduler("ReduceLROnPlateau", {"patience": 0}, monitor="val_loss")
        optimizer = built(scheduler=schedule)
        for value in (1.0, 2.0):
            step(optimizer)
            optimizer.end_epoch({"val_loss": value})
        assert optimizer.instance.param_groups[0]["lr"] == pytest.approx(0.01)
        with pytest.raises(UnknownMetricError, match="Did you mean 'val_los'"):
            optimizer.end_epoch({"val_los": 1.0})

    @pytest.mark.parametrize(
        ("arguments", "match"),
        [
            (("StepLRR", {}), "no scheduler 'StepLRR'. Did you mean 'steplr'"),
            (("StepLR", {"stepsize": 2}), "StepLR.*Did you mean 'step_size'"),
            (("StepLR", {}), "missing a required argument: 'step_size'"),
            (("ReduceLROnPlateau", {}), "monitor="),
            ((5, {}), "5 is not a scheduler"),
        ],
    )
    def test_refuses_what_it_cannot_be(self, arguments, match):
        with pytest.raises(OptimizerError, match=match):
            Scheduler(*arguments)
        with pytest.raises(OptimizerError, match="'epoch' or 'step', not 'batch'"):
            Scheduler("ExponentialLR", {"gamma": 0.9}, interval="batch")

    def test_can_be_attached_later(self):
        optimizer = built()
        schedule = Scheduler("ExponentialLR", {"gamma": 0.5})
        optimizer.attach_scheduler(schedule)
        step(optimizer)
        optimizer.end_epoch()
        assert optimizer.instance.param_groups[0]["lr"] == 0.05

    def test_belongs_to_one_optimizer(self):
        schedule = Scheduler("StepLR", {"step_size": 1})
        first = built(scheduler=schedule)

        with pytest.raises(OptimizerError, match=r"StepLR.*another.*already.*Scheduler of its own"):
            built(scheduler=schedule)
        with pytest.raises(OptimizerError, match="another"):
            built().attach_scheduler(schedule)
        first.attach_scheduler(None)
        built(scheduler=schedule)

    def test_that_cannot_be_made_leaves_the_optimizer_as_it_was(self):
        optimizer = built(momentum=0.9)
        before = copy.deepcopy(optimizer.get_state())

        with pytest.raises(OptimizerError, match=r"OneCycleLR cannot be made.*total_steps"):
            optimizer.attach_scheduler(Scheduler("OneCycleLR", {"max_lr": 0.1, "total_steps": -1}))
        with pytest.raises(OptimizerError, match="CyclicLR cannot be made"):
            optimizer.attach_scheduler(
                Scheduler("CyclicLR", {"base_lr": 0.2, "max_lr": 0.3, "mode": "up"})
            )
        assert optimizer.scheduler is None
        assert same_values(optimizer.get_state(), before)

    def test_of_a_function_that_fails_shows_the_functions_own_error(self):
        def fail(optimizer):
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            built(scheduler=Scheduler(fail))

    @pytest.mark.parametrize("given", ["StepLR", 5])
    def test_is_given_as_a_scheduler(self, given):
        with pytest.raises(OptimizerError, match=r"as Scheduler\('StepLR'.*not as"):
            Optimizer("sgd", scheduler=given)
