"""A program that arranges phases in groups, looks ahead, and reads the record of its runs."""

import datetime as dt

import numpy as np
import pytest
import torch

from engine import (
    AppliedLoss,
    EvalPhase,
    Experiment,
    FeatureSet,
    FitPhase,
    InputBinding,
    Loss,
    ModelGraph,
    ModelNode,
    Optimizer,
    PhaseGroup,
    PhaseGroupResults,
    SimpleSampler,
    TrainPhase,
)
from engine.results import ExperimentRun


@pytest.fixture
def experiment():
    experiment = Experiment("plans", seed=1)
    x = np.random.default_rng(0).normal(size=(40, 2)).astype("float32")
    data = FeatureSet.from_dict("data", {"x": x, "y": x[:, 0] - x[:, 1]}, "x", "y")
    data.split_random({"train": 0.8, "test": 0.2}, seed=3)
    net = ModelNode("net", torch.nn.Linear(2, 1), data)
    ModelGraph([net], optimizer=Optimizer("sgd", opt_kwargs={"lr": 0.1}, backend="torch")).build()
    return experiment


def mse():
    return AppliedLoss(Loss("mse", backend="torch"), on="net", inputs=["outputs", "targets"])


def train(label, n_epochs=1):
    return TrainPhase.from_split(
        label,
        split="train",
        sampler=SimpleSampler(batch_size=8, shuffle=True),
        losses=[mse()],
        n_epochs=n_epochs,
    )


def evaluate(label="eval"):
    return EvalPhase.from_split(label, split="test", losses=[mse()])


def weights(experiment):
    return experiment.ctx.get_node("net").model.get_weights()["weight"].clone()


class TestGroups:
    def test_are_put_together_and_taken_apart(self, experiment):
        binding = InputBinding.for_training(
            node="net", sampler=SimpleSampler(batch_size=8), upstream="data", split="train"
        )
        seen = InputBinding.for_evaluation(node="net", upstream="data", split="test")
        plan = experiment.execution_plan
        assert isinstance(plan, PhaseGroup)
        plan.add_train("a", input_sources=[binding], losses=[mse()], n_epochs=2)
        plan.add_train_phase("b", input_sources=[binding], losses=[mse()])
        plan.add_training("c", input_sources=[binding], losses=[mse()])
        plan.add_eval("d", input_sources=[seen])
        plan.add_eval_phase("e", input_sources=[seen], losses=[mse()])
        plan.add_evaluation("f", input_sources=[seen])
        inner = PhaseGroup("inner", [train("x"), PhaseGroup("innermost", [train("y"), evaluate()])])
        assert plan.add_group(inner).add_phase(evaluate("g")) is plan

        assert [one.label for one in plan.all] == [*"abcdef", "inner", "g"]
        assert [one.label for one in plan.flatten()] == [*"abcdef", "x", "y", "eval", "g"]
        assert list(plan.phases) == [*"abcdefg"]
        assert list(plan.phase_groups) == ["inner"]
        assert dict(plan.items())["inner"] is plan.get_group("inner") is plan.get_group(6) is inner
        assert plan.get_train_phase("a") is plan.get_phase(0)
        assert plan.get_eval_phase(3).label == "d"
        for get, key in ((plan.get_train_phase, "d"), (plan.get_group, "a"), (plan.get_phase, 6)):
            with pytest.raises((TypeError, KeyError, ValueError)):
                get(key)
        with pytest.raises(ValueError, match="'a'"):
            plan.add_phase(train("a"))

        plan.remove_phase("a").remove_phase(0).remove_phase(plan.get_phase("c"))
        plan.remove_items(["d", plan.get_phase("f")])
        plan.remove_item(0)
        plan.remove_group(inner)
        assert [one.label for one in plan.all] == ["g"]
        again = PhaseGroup.from_config(inner.get_config())
        assert [one.label for one in again.flatten()] == ["x", "y", "eval"]
        assert plan.clear().all == []

    def test_give_results_of_the_same_form(self, experiment):
        group = PhaseGroup(
            label="outer",
            phases=[train("first", 2), PhaseGroup("inner", [train("second"), evaluate()])],
        )
        results = experiment.run_group(group)

        assert isinstance(results, PhaseGroupResults)
        assert results.label == "outer"
        assert results.labels == ["first", "inner"]
        assert [label for label, _ in results.items()] == results.labels
        assert list(results.flatten()) == ["first", "second", "eval"]
        assert results.get_train_result().n_epochs == 2
        assert list(results.phase_results) == ["first"]
        inner = results.get_group_result()
        assert inner is results.get_group_result("inner") is results.group_results["inner"]
        assert inner.get_eval_result() is inner.get_eval_result("eval")
        with pytest.raises(KeyError):
            results.get_phase_result("second")
        with pytest.raises(TypeError):
            results.get_phase_result("inner")
        with pytest.raises(TypeError):
            inner.get_train_result("eval")
        twice = PhaseGroup("twice", [PhaseGroup("a", [evaluate()]), PhaseGroup("b", [evaluate()])])
        with pytest.raises(ValueError, match="eval"):
            experiment.run_group(twice).flatten()


class TestLookingAhead:
    @pytest.mark.parametrize("kind", ["phase", "group"])
    def test_leaves_everything_as_it_was(self, experiment, kind):
        phase = train("train", 3)
        before = experiment.model_graph.get_state()
        old = weights(experiment)
        if kind == "phase":
            previewed = experiment.preview_phase(phase, show_training_progress=False)
        else:
            group = PhaseGroup("both", [phase, evaluate()])
            previewed = experiment.preview_group(group).get_train_result()
        assert previewed.n_epochs == 3
        assert torch.equal(weights(experiment), old)
        assert experiment.history == []
        run = experiment.run_phase(phase)
        if kind == "phase":
            # What was looked at is what comes; in a group it would draw another order.
            looked, came = (one.losses("net").to_float().values() for one in (previewed, run))
            assert [one.total for one in looked] == [one.total for one in came]
        assert not torch.equal(weights(experiment), old)
        experiment.model_graph.set_state(before)
        assert torch.equal(weights(experiment), old)


class TestHistory:
    def test_has_a_record_of_every_run(self, experiment):
        experiment.execution_plan.add_items([train("one", 2), evaluate()])
        experiment.run(show_training_progress=False, show_eval_progress=True)
        experiment.run_phase(train("two"))
        experiment.run_group(PhaseGroup("three", [PhaseGroup("four", [train("five")])]))

        assert [type(one) for one in experiment.history] == [ExperimentRun] * 3
        assert [one.status for one in experiment.history] == ["completed"] * 3
        first, second, third = experiment.history
        assert experiment.last_run is third
        assert (second.label, third.label) == ("two", "three")
        assert isinstance(first.started_at, dt.datetime)
        assert first.started_at <= first.ended_at <= second.started_at
        assert first.duration_seconds == (first.ended_at - first.started_at).total_seconds()
        assert set(first.phase_durations) == {"one", "eval"}
        assert set(second.phase_durations) == {"two"}
        assert set(third.phase_durations) == {"four/five"}
        assert 0 < sum(first.phase_durations.values()) <= first.duration_seconds
        assert first.results.get_train_result("one").n_epochs == 2
        meta = third.execution_meta
        assert [label for label, _ in meta.items()] == ["four"]
        assert {one.label for one in meta.flatten().values()} == {"five"}
        first.metadata["why"] = "to see"
        assert experiment.history[0].metadata == {"why": "to see"}

    def test_survives_being_saved(self, experiment, tmp_path):
        experiment.execution_plan.add_phase(train("one"))
        experiment.run()
        experiment.history[0].metadata["who"] = {"name": "me", "at": 3}
        state = experiment.get_state()
        experiment.history[0].metadata.clear()
        experiment.set_state(state)
        assert experiment.history[0].metadata == {"who": {"name": "me", "at": 3}}
        path = experiment.save(tmp_path / "plans")
        again = Experiment.load(path, overwrite=True)
        [run] = again.history
        assert run.metadata == {"who": {"name": "me", "at": 3}}
        assert run.phase_durations == experiment.history[0].phase_durations

    def test_has_failures_with_what_was_done_before(self, experiment):
        def broken(outputs, targets):
            raise ZeroDivisionError("of no use")

        bad = EvalPhase.from_split(
            "bad",
            split="test",
            losses=[AppliedLoss(Loss(broken, backend="torch"), "net", ["outputs", "targets"])],
        )
        experiment.execution_plan.add_items([train("good"), bad, train("never")])
        with pytest.raises(Exception, match="of no use"):
            experiment.run()
        run = experiment.last_run
        assert run.status == "failed"
        assert run.results.get_train_result("good").n_epochs == 1
        assert "never" not in run.results.labels


def test_a_flag_that_no_phase_knows_is_refused(experiment):
    with pytest.raises(TypeError, match="show_training_progress"):
        experiment.run_phase(train("one"), show_trainin_progress=False)
    assert experiment.history == []


def test_a_fit_phase_says_what_it_cannot_do(experiment):
    with pytest.raises(ValueError, match="nothing to fit"):
        experiment.run_phase(FitPhase.from_split("fit", split="train"))
