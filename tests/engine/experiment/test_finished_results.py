"""What had finished before a checkpoint is there in the process that goes on from it."""

import dataclasses
import time

import pytest
import torch
from sklearn.linear_model import Ridge

from engine.callbacks import Callback, Checkpointing, EarlyStopping, Evaluation
from engine.cross_validation import CrossValidation, CVBinding, CVResults, relay
from engine.errors import PhaseError
from engine.experiment import Experiment
from engine.graph import ModelGraph, ModelNode
from engine.optimizers import Optimizer
from engine.phases import EvalPhase, FitPhase, PhaseGroup, Reporter, TrainPhase
from engine.results import CallbackResult, MetricResult, TrainResults
from engine.samplers import SimpleSampler
from tests.engine.small_experiments import fresh, mse, numbers

QUIET = {"show_training_progress": False}


class Drawn(CallbackResult):
    kind = "drawing"

    def __init__(self, picture):
        super().__init__()
        self.picture = picture


class Watching(Callback):
    """Remembers, and returns, something of every kind at every place."""

    def __init__(self, label=None):
        super().__init__(label)
        self.seen = []

    def _see(self, name, value):
        self.seen.append(name)
        return [MetricResult(callback_label=name, metric_name=name, metric_value=value)]

    def on_phase_start(self, **_):
        self.seen = ["start"]
        return {"at": "start", 3: (1.5, None, float("inf"))}

    def on_epoch_start(self, **_):
        return torch.ones(2)

    def on_epoch_end(self, *, exec_ctx, **_):
        return self._see("watched", exec_ctx.epoch_idx + 0.25)

    def on_batch_end(self, *, exec_ctx, **_):
        return self._see("each", exec_ctx.batch_idx / 3)

    def on_phase_end(self, **_):
        return [Drawn("a picture")]

    def get_state(self):
        return {"seen": self.seen}

    def set_state(self, state):
        self.seen = list(state["seen"])


def branch(data):
    torch.manual_seed(0)
    layers = (torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    return ModelNode("left", torch.nn.Sequential(*layers), data)


def training(label, recording="all", **options):
    evaluation = Evaluation.from_split(
        label=f"{label}-val", split="val", losses=[mse("left")], active_nodes=["left"]
    )
    return TrainPhase.from_split(
        label,
        split="train",
        sampler=SimpleSampler(batch_size=8, shuffle=True),
        losses=[mse("left")],
        active_nodes=["left"],
        n_epochs=5,
        callbacks=[evaluation, EarlyStopping(patience=2, min_delta=0.2), Watching()],
        result_recording=recording,
        **options,
    )


def evaluation(label):
    return EvalPhase.from_split(
        label,
        split="val",
        losses=[mse("left")],
        active_nodes=["left"],
        batch_size=3,
        callbacks=[Watching()],
    )


def build(recording="all", folds=0, directory=None):
    experiment = Experiment("any", seed=8)
    data = numbers("first")
    ModelGraph([branch(data), ModelNode("ridge", Ridge(), data)], Optimizer("adam"))
    saving = directory and Checkpointing(mode="disk", directory=directory / "own", max_to_keep=2)
    plan = experiment.execution_plan
    plan.add_phase(training("first", recording, checkpointing=saving))
    plan.add_phase(FitPhase.from_split("fit", split="train", active_nodes=["ridge"]))
    plan.add_group(PhaseGroup("group", [evaluation("test"), training("inner", recording)]))
    if folds:
        cv = CrossValidation(
            bindings=CVBinding("first", ["train", "val"]),
            n_folds=2,
            phase=[training("folded"), evaluation("judged"), training("again")],
            experiment=experiment,
            workers=folds,
        )
        plan.add_group(cv.group)
    plan.add_phase(training("last", recording))
    return experiment


class SaveAt(Reporter):
    def __init__(self, experiment, to, label, batch=1, epoch=1, path=None):
        self.experiment, self.to, self.at = experiment, to, (label, epoch, batch)
        self.label, self.path = None, path

    def phase_started(self, phase, *, path, kind, resumed):
        self.label = phase.label

    def batch_ended(self, *, path, epoch, batch, step):
        if (self.label, epoch, batch) == self.at and self.path in (None, path):
            self.experiment.write_checkpoint(self.to)


def gone_on(tmp_path, label="last", **options):
    """The results of a run that was never interrupted, and of one that goes on in a checkpoint."""
    experiment = fresh(build, **options)
    experiment.add_reporter(SaveAt(experiment, tmp_path / "saved.ckpt", label))
    expected = experiment.run(**QUIET)
    again = fresh(build, **options)
    again.restore_checkpoint(tmp_path / "saved.ckpt")
    return experiment, expected, again, again.resume(**QUIET)


def told(results):
    """All that results say, but for batches, as plain values."""
    return {place: told_by(phase) for place, phase in results.walk()}


def told_by(phase):
    said = {
        "metrics": [(key, value) for key, value in phase.metrics().items() if key[2] is None],
        "returned": [
            (key, content(one)) for key, one in phase.callbacks().items() if key[3] is None
        ],
    }
    if isinstance(phase, TrainResults):
        return said | {"epochs": phase.epoch_indices}
    if phase.label.startswith("fit"):  # without a loss
        return said | {"mean": phase.mean_loss()}
    losses = phase.losses("left")
    return {
        **said,
        "mean": phase.mean_loss(),
        "sums": phase.aggregated_losses("left", reducer="sum"),
        "losses": [(key, one.as_dict()) for key, one in losses.to_float().items()],
    }


def content(one):
    if one.kind == "evaluation":
        losses = [one.aggregated_losses("left", reducer=each) for each in ("mean", "sum")]
        return losses, list(one.metrics().items())
    if one.kind == "drawing" or (one.kind == "payload" and one.epoch is not None):
        return "left behind"
    return dataclasses.asdict(one)


def left_on(experiment):
    """What the callbacks of all phases are like."""
    return [
        [(one.state_key, one.get_state()) for one in phase.callbacks]
        for phase in experiment.execution_plan.flatten()
    ]


@pytest.mark.parametrize("recording", ["all", "last", "none"])
def test_results_are_as_if_nothing_had_been(tmp_path, recording):
    before, expected, after, results = gone_on(tmp_path, recording=recording)

    assert told(results) == told(expected)
    assert told(after.last_run.results) == told(expected)
    assert left_on(after) == left_on(before)


@pytest.mark.parametrize("label", ["first", "inner"])
def test_so_are_those_of_a_phase_that_goes_on_in_its_middle(tmp_path, label):
    before, expected, after, results = gone_on(tmp_path, label)

    assert told(results) == told(expected)
    assert left_on(after) == left_on(before)


@pytest.mark.parametrize("workers", [1, 2])
def test_so_are_those_of_folds(tmp_path, workers):
    before, expected, after, results = gone_on(tmp_path, folds=workers)

    assert told(results) == told(expected)
    assert left_on(after) == left_on(before)
    losses = CVResults.of(results["CV"]).validation_losses("left", phase="folded")
    assert losses == CVResults.of(expected["CV"]).validation_losses("left", phase="folded")


class Behind(Callback):
    """The first fold is slow, once the others had time to end."""

    def on_epoch_start(self, *, experiment, exec_ctx, **_):
        if experiment.cursor.path[1:2] == (0,) and exec_ctx.epoch_idx == 1:
            time.sleep(1)


@pytest.mark.parametrize("fold", [0, 1])
def test_so_are_those_of_folds_that_are_interrupted_side_by_side(tmp_path, monkeypatch, fold):
    monkeypatch.setattr(relay, "STANDING_EVERY_S", 0.0)

    def folded():
        experiment = build(folds=2)
        again = experiment.execution_plan.get_group("CV").get_group(0).get_train_phase("again")
        again.add_callback(Behind())
        return experiment

    before = fresh(folded)
    before.add_reporter(SaveAt(before, tmp_path / "saved.ckpt", "again", path=(3, fold, 2)))
    expected = before.run(**QUIET)
    after = fresh(folded)
    after.restore_checkpoint(tmp_path / "saved.ckpt")
    results = after.resume(**QUIET)

    assert told(results) == told(expected)
    assert left_on(after) == left_on(before)


def test_what_was_left_is_taken_by_its_own_phase_only(tmp_path):
    gone_on(tmp_path)

    def turned_round():
        experiment = build()
        group = experiment.execution_plan.get_group("group")
        items = group.all
        group.clear().add_items(items[::-1])
        return experiment

    again = fresh(turned_round)
    again.restore_checkpoint(tmp_path / "saved.ckpt")
    again.resume(**QUIET)

    group = again.execution_plan.get_group("group")
    assert [phase.callbacks[-1].seen for phase in group] == [[], []]


def test_from_one_checkpoint_after_another_too(tmp_path):
    _, expected, *_ = gone_on(tmp_path)
    second = fresh(build)
    second.restore_checkpoint(tmp_path / "saved.ckpt")
    second.add_reporter(SaveAt(second, tmp_path / "again.ckpt", "last", epoch=2))
    second.resume(**QUIET)
    third = fresh(build)
    third.restore_checkpoint(tmp_path / "again.ckpt")

    results = third.resume(**QUIET)

    assert told(results) == told(expected)
    with pytest.raises(PhaseError, match="before the run went on from a checkpoint"):
        results.get_group_result("group").get_eval_result("test").batches("left")


def test_in_one_process_everything_stays(tmp_path):
    experiment = fresh(build)

    class Stop(Reporter):
        def epoch_ended(self, *, path, epoch, step):
            if path == (3,) and epoch == 1:
                experiment.request_stop()

    experiment.add_reporter(Stop())
    experiment.run(**QUIET)
    results = experiment.resume(**QUIET)

    assert results.get_train_result("first").batches("left").axis_values("epoch")[0] == 0
    assert results.get_train_result("last").batches("left").axis_values("epoch")[0] == 0


class TestWhatAStateDoesNotHold:
    @pytest.fixture
    def both(self, tmp_path):
        _, expected, _, results = gone_on(tmp_path)
        return expected, results

    @pytest.mark.parametrize(
        "ask",
        [
            lambda found: found.losses("left"),
            lambda found: found.batches("left"),
            lambda found: found.tensors("left", "outputs"),
            lambda found: found.execution_contexts(),
            lambda found: found.source_views("left"),
            lambda found: found.tail_node(),
        ],
    )
    def test_batches_of_a_training_are_missed_by_name(self, both, ask):
        with pytest.raises(PhaseError, match=r"No recorded batches of 'first'.*checkpoint"):
            ask(both[1].get_train_result("first"))

    @pytest.mark.parametrize(
        "ask",
        [
            lambda found: found.batches("left"),
            lambda found: found.stacked_tensors("left", "outputs"),
            lambda found: found.n_batches,
            lambda found: found.source_view("left"),
        ],
    )
    def test_those_of_an_evaluation_too(self, both, ask):
        with pytest.raises(PhaseError, match=r"No recorded batches of 'test'.*checkpoint"):
            ask(both[1].get_group_result("group").get_eval_result("test"))

    def test_of_an_evaluation_in_a_training_its_batches_are_missed(self, both):
        (one, *_) = both[1].get_train_result("first").callbacks().select(kind="evaluation")

        assert one.aggregated_losses("left")
        with pytest.raises(PhaseError, match="No recorded batches of 'first-val'"):
            one.losses("left")

    def test_a_metric_of_a_batch(self, both):
        metrics = both[1].get_train_result("first").metrics()

        assert (
            both[0].get_train_result("first").metrics().at(name="each", epoch=0, batch=1) == 1 / 3
        )
        with pytest.raises(KeyError, match=r"single batches.*checkpoint"):
            metrics.at(name="each", epoch=0, batch=1)
        with pytest.raises(ValueError, match=r"single batches.*checkpoint"):
            metrics.where(name="each", epoch=0, batch=1).one()

    def test_epochs_of_a_training_that_went_on(self, both):
        batches = both[1].get_train_result("last").batches("left")

        # It went on in epoch 1, half of which would be a lie.
        assert batches.axis_values("epoch") == list(
            range(2, both[0].get_train_result("last").n_epochs)
        )
        with pytest.raises(KeyError, match="before the run went on from a checkpoint"):
            batches.at(epoch=0, batch=0)

    @pytest.mark.parametrize(("kind", "name"), [("payload", "payload"), ("drawing", "picture")])
    def test_results_of_other_types(self, both, kind, name):
        returned = both[1].get_train_result("first").callbacks()
        one = returned.where(kind=kind).last()

        with pytest.raises(PhaseError, match=rf"'Watching' returned a .*no '{name}' any more"):
            getattr(one, name)

    def test_what_was_never_recorded_is_told_as_before(self, tmp_path):
        *_, results = gone_on(tmp_path, recording="none")

        with pytest.raises(PhaseError, match=r"only metrics\. Run it with"):
            results.get_train_result("first").batches("left")


def test_a_checkpointing_knows_what_it_has_kept(tmp_path):
    before, _, after, _ = gone_on(tmp_path, directory=tmp_path)

    kept = [
        experiment.execution_plan.get_train_phase("first").checkpointing.saved_paths
        for experiment in (before, after)
    ]
    assert kept[0] == kept[1]
    assert len(kept[0]) == 2
    assert after.available_checkpoints == before.available_checkpoints


def test_a_checkpoint_grows_by_some_bytes_an_epoch(tmp_path):
    experiment = fresh(build)
    sizes = []

    class Sizes(Reporter):
        def epoch_ended(self, *, path, epoch, step):
            if path == (3,):
                sizes.append(experiment.write_checkpoint(tmp_path / "saved.ckpt").bytes)

    last = experiment.execution_plan.get_train_phase("last")
    last.n_epochs = 60
    last.callbacks[1].patience = 100
    experiment.add_reporter(Sizes())
    experiment.run(**QUIET)

    assert (sizes[-1] - sizes[32]) / 27 < 250
