import gc
import math

import pytest
import torch

from engine.batches import ExecutionContext
from engine.callbacks import Callback
from engine.context import ExperimentContext
from engine.errors import NonFiniteLossError, OptimizerError, PhaseError, UnknownLabelError
from engine.experiment import Experiment
from engine.graph import ModelGraph
from engine.optimizers import Scheduler
from engine.phases import InputBinding, Reporter, TrainPhase
from engine.phases.training import TrainRun
from engine.results import TrainResults
from tests.engine.phases.parts import adam, sampler
from tests.engine.small_experiments import (
    Log,
    assert_equal,
    classes,
    classifier,
    cross_entropy,
    fresh,
    line,
    mse,
    numbers,
)


class TestConstruction:
    def test_needs_epochs_losses_inputs_and_a_label(self, experiment):
        line("net", numbers("data"))
        ModelGraph(optimizer=adam())
        made = {"split": "train", "sampler": sampler(), "losses": [mse("net")]}
        for wrong, message in [
            ({"n_epochs": 0}, "at least 1, not 0"),
            ({"n_epochs": 1.5}, "at least 1, not 1.5"),
            ({"losses": []}, "has no loss to train by"),
            ({"losses": [mse("net"), mse("net")]}, "has a loss 'net.mse' already"),
            ({"non_finite": "wran"}, "Did you mean 'warn'"),
            ({"result_recording": "lst"}, "Did you mean 'last'"),
            ({"batch_schedule": "zip_strikt"}, "Did you mean 'zip_strict'"),
        ]:
            with pytest.raises(PhaseError, match=message):
                TrainPhase.from_split("train", **{**made, **wrong})
        with pytest.raises(PhaseError, match="label of a phase is a text"):
            TrainPhase.from_split(" ", **made)
        with pytest.raises(PhaseError, match="has no input"):
            TrainPhase("train", input_sources=[], losses=[mse("net")])

    def test_a_misspelt_split_or_node_names_the_nearest(self, experiment):
        line("net", numbers("data"))
        ModelGraph(optimizer=adam())
        made = {"sampler": sampler(), "losses": [mse("net")]}
        with pytest.raises(UnknownLabelError, match="Did you mean 'train'"):
            TrainPhase.from_split("a", split="trian", **made)
        with pytest.raises(UnknownLabelError, match="Did you mean 'net'"):
            TrainPhase.from_split("a", split="train", active_nodes=["nett"], **made)

    def test_without_a_graph_says_so(self, experiment):
        with pytest.raises(PhaseError, match="make a ModelGraph before"):
            TrainPhase.from_split("a", split="train", sampler=sampler(), losses=[])

    def test_a_binding_without_a_sampler_is_for_evaluation(self, experiment):
        line("net", numbers("data"))
        ModelGraph(optimizer=adam())
        binding = InputBinding.for_evaluation(node="net", split="train")
        with pytest.raises(PhaseError, match="'net' without a sampler"):
            TrainPhase("a", input_sources=[binding], losses=[mse("net")])

    def test_too_few_samples_for_one_batch_is_an_error(self, experiment):
        line("net", numbers("data"))
        ModelGraph(optimizer=adam())
        phase = TrainPhase.from_split(
            "a", split="train", sampler=sampler(500, drop_last=True), losses=[mse("net")]
        )
        with pytest.raises(PhaseError, match="no batch to train on"):
            experiment.run_phase(phase)


class TestTraining:
    def test_learns(self, experiment):
        line("net", numbers("data"))
        ModelGraph(optimizer=adam())
        phase = TrainPhase.from_split(
            "train", split="train", sampler=sampler(), losses=[mse("net")], n_epochs=60
        )

        losses = experiment.run_phase(phase).metrics().select(name="train_loss", batch=None)

        assert losses[-1] < losses[0] / 10

    def test_train_loss_is_weighted_by_samples_also_with_a_short_last_batch(self, experiment):
        line("net", numbers("data"))
        ModelGraph(optimizer=adam())
        phase = TrainPhase.from_split(
            "train", split="train", sampler=sampler(20), losses=[mse("net")]
        )

        results = experiment.run_phase(phase)

        by_batch = results.metrics().where(name="train_loss").where(batch=[0, 1]).values()
        assert [len(batch) for batch in results.batches("net").values()] == [20, 10]
        epoch = results.metrics().at(name="train_loss", epoch=0, batch=None)
        assert epoch == pytest.approx((20 * by_batch[0] + 10 * by_batch[1]) / 30, rel=1e-12)

    def test_the_callers_loop_gets_the_same_steps(self):
        def build():
            with ExperimentContext().activate():
                experiment = Experiment("small", seed=3)
                classifier(classes())
                phase = TrainPhase.from_split(
                    "train",
                    split="train",
                    sampler=sampler(),
                    losses=[cross_entropy()],
                    n_epochs=2,
                )
                return experiment, phase

        experiment, phase = build()
        expected = experiment.run_phase(phase)
        other, own = build()
        results = TrainResults("own")
        with other.ctx.activate():
            for step in own.iter_execution(results=results):
                other.model_graph.train_step(step, own.losses)

        def ids(found):
            return [list(one.sample_uuids) for one in found.batches("net").values()]

        assert ids(results) == ids(expected)
        assert results.losses("net").shape == expected.losses("net").shape

    def test_a_flag_is_checked_there_too(self, experiment):
        classifier(classes())
        phase = TrainPhase.from_split(
            "train", split="train", sampler=sampler(), losses=[cross_entropy()]
        )
        with pytest.raises(TypeError, match="Did you mean 'show_training_progress'"):
            next(phase.iter_execution(show_trainig_progress=True))


class TestNonFinite:
    def phase(self, experiment, policy):
        line("net", numbers("data"))
        ModelGraph(optimizer=adam())

        class Poison(Callback):
            def on_batch_start(self, *, experiment, exec_ctx, **_):
                if exec_ctx.batch_idx == 1:
                    with torch.no_grad():
                        experiment.model_graph.nodes["net"].module.weight.fill_(math.nan)

        return TrainPhase.from_split(
            "train",
            split="train",
            sampler=sampler(),
            losses=[mse("net")],
            callbacks=[Poison()],
            **({} if policy is None else {"non_finite": policy}),
        )

    def test_stops_by_default_and_says_where(self, experiment):
        phase = self.phase(experiment, None)
        with pytest.raises(NonFiniteLossError, match="'train' became nan in epoch 0, batch 1"):
            experiment.run_phase(phase)

        logged = experiment.last_run.results.metrics().where(name="train_loss").values()
        assert len(logged) == 2
        assert math.isnan(logged[1])

    def test_warns_once_and_shows_in_the_metric(self, experiment):
        phase = self.phase(experiment, "warn")
        with pytest.warns(RuntimeWarning, match="Training goes on") as caught:
            results = experiment.run_phase(phase)

        assert len(caught) == 1
        assert math.isnan(results.last_metrics()["train_loss"])

    def test_is_ignored_only_on_request(self, experiment):
        results = experiment.run_phase(self.phase(experiment, "ignore"))

        assert math.isnan(results.last_metrics()["train_loss"])


class TestScheduler:
    # The second sets the learning rate as soon as it is made.
    KINDS = (
        ("steplr", {"step_size": 2, "gamma": 0.5}),
        ("linearlr", {"start_factor": 0.25, "total_iters": 6}),
    )

    def build(self, n_epochs=4, interval="epoch", kind=KINDS[0], **options):
        experiment = Experiment("small", seed=3)
        classifier(classes(), lr=0.1)
        phase = TrainPhase.from_split(
            "train",
            split="train",
            sampler=sampler(24),
            losses=[cross_entropy()],
            n_epochs=n_epochs,
            scheduler=Scheduler(*kind, interval=interval),
            result_recording="none",
            **options,
        )
        experiment.execution_plan.add_phase(phase)
        return experiment

    def rate(self, experiment):
        return experiment.model_graph.optimizer.instance.param_groups[0]["lr"]

    def test_of_the_phase_is_followed_by_epoch_or_step_and_then_left(self):
        experiment = fresh(self.build)
        experiment.run()
        assert self.rate(experiment) == pytest.approx(0.1 / 2**2)
        assert experiment.model_graph.optimizer.scheduler is None

        by_step = fresh(self.build, n_epochs=1, interval="step")
        by_step.run()
        assert self.rate(by_step) == pytest.approx(0.1 / 2)

    @pytest.mark.parametrize("interval", ["epoch", "step"])
    @pytest.mark.parametrize("step", [1, 3, 5, 8])
    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[0])
    def test_of_the_phase_is_resumed_exactly(self, tmp_path, interval, step, kind):
        whole = fresh(self.build, interval=interval, kind=kind)
        whole.run()
        experiment = fresh(self.build, interval=interval, kind=kind)

        class Stop(Reporter):
            def batch_ended(self, *, path, epoch, batch, step):
                if step == stop_at:
                    experiment.write_checkpoint(tmp_path / "x.ckpt")
                    experiment.request_stop()

        stop_at = step
        experiment.add_reporter(Stop())
        experiment.run()
        again = fresh(self.build, interval=interval, kind=kind)
        again.restore_checkpoint(tmp_path / "x.ckpt")
        again.resume()
        experiment.resume()

        for resumed in (again, experiment):
            assert_equal(resumed.model_graph.get_state(), whole.model_graph.get_state())

    def test_looks_at_a_metric_when_it_is_there(self, experiment):
        classifier(
            classes(),
            scheduler=Scheduler(
                "reducelronplateau", {"patience": 0, "threshold": 10.0}, monitor="score"
            ),
            lr=0.1,
        )

        class Rarely(Callback):
            metric_names = ("score",)

            def on_epoch_end(self, *, exec_ctx, results, **_):
                if exec_ctx.epoch_idx % 2:
                    results.metric_store.log(name="score", value=1.0, epoch_idx=exec_ctx.epoch_idx)

        phase = TrainPhase.from_split(
            "train",
            split="train",
            sampler=sampler(24),
            losses=[cross_entropy()],
            n_epochs=6,
            callbacks=[Rarely()],
        )
        experiment.run_phase(phase)

        assert self.rate(experiment) == pytest.approx(0.1 * 0.1**3)

    def test_needs_an_optimizer_without_one(self, experiment):
        classifier(classes(), scheduler=Scheduler("steplr", {"step_size": 1}))
        phase = TrainPhase.from_split(
            "train",
            split="train",
            sampler=sampler(),
            losses=[cross_entropy()],
            scheduler=Scheduler("steplr", {"step_size": 1}),
        )
        with pytest.raises(PhaseError, match="has none of its own"):
            experiment.run_phase(phase)

    def test_that_cannot_be_made_leaves_the_graph_to_the_next_phase(self):
        kind = ("OneCycleLR", {"max_lr": 0.1, "total_steps": -1})
        experiment = fresh(self.build, kind=kind, interval="step")
        phase = experiment.execution_plan.get_train_phase(0)

        with pytest.raises(OptimizerError, match="OneCycleLR cannot be made"):
            experiment.run()
        phase.scheduler = None
        experiment.run()
        assert self.rate(experiment) == 0.1

    def test_is_given_as_a_scheduler(self, experiment):
        classifier(classes())
        with pytest.raises(OptimizerError, match="not as 'StepLR'"):
            TrainPhase.from_split(
                "train",
                split="train",
                sampler=sampler(),
                losses=[cross_entropy()],
                scheduler="StepLR",
            )


class TestReporting:
    def test_every_batch_and_epoch_with_its_step(self, experiment):
        classifier(classes())
        log = Log()
        experiment.add_reporter(log)
        experiment.run_phase(
            TrainPhase.from_split(
                "train",
                split="train",
                sampler=sampler(36),
                losses=[cross_entropy()],
                n_epochs=2,
            )
        )

        assert [key[2:] for key in log.values] == [
            (0, 0, 1),
            (0, 1, 2),
            (0, None, 2),
            (1, 0, 3),
            (1, 1, 4),
            (1, None, 4),
        ]
        assert [event for event in log.events if event[0] == "epoch_ended"] == [
            ("epoch_ended", 0, 2),
            ("epoch_ended", 1, 4),
        ]

    def test_batches_only_to_those_that_want_them(self, experiment):
        classifier(classes())

        class Epochs(Log):
            wants_batch_metrics = False

        log = Epochs()
        experiment.add_reporter(log)
        experiment.run_phase(
            TrainPhase.from_split(
                "train", split="train", sampler=sampler(36), losses=[cross_entropy()]
            )
        )

        assert [key[2:] for key in log.values] == [(0, None, 2)]


def test_an_unavailable_device_is_an_error_that_says_what_works(experiment):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    classifier(classes())
    made = {"split": "train", "sampler": sampler(), "losses": [cross_entropy()]}
    with pytest.raises(PhaseError, match="'auto' or 'cpu' work"):
        experiment.run_phase(TrainPhase.from_split("a", device="cuda", **made))
    with pytest.raises(PhaseError, match="'gpu' is no device"):
        experiment.run_phase(TrainPhase.from_split("b", device="gpu", **made))


def test_a_finished_phase_does_not_hold_on_to_its_tensors(experiment):
    classifier(classes())
    phase = TrainPhase.from_split(
        "train", split="train", sampler=sampler(36), losses=[cross_entropy()]
    )
    experiment.run_phase(phase)
    gc.collect()

    alive = [one for one in gc.get_objects() if type(one) is TrainRun and one.phase is phase]
    assert alive == []
    assert not phase.is_epoch_end()


def test_contexts_say_where_they_belong(experiment):
    classifier(classes())
    phase = TrainPhase.from_split(
        "train", split="train", sampler=sampler(36), losses=[cross_entropy()]
    )

    first = experiment.run_phase(phase).execution_contexts().first()

    assert isinstance(first, ExecutionContext)
    assert (first.phase_label, first.epoch_idx, first.batch_idx) == ("train", 0, 0)
