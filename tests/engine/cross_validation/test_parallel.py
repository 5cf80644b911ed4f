"""Folds in processes of their own: what comes out is what comes out of one after another."""

import os
import time

import numpy as np
import pytest
import torch

from engine.callbacks import Callback
from engine.callbacks.checkpointing import Checkpointing
from engine.cross_validation import CrossValidation, CVResults
from engine.errors import FoldError, PhaseError
from engine.phases import EvalPhase, PhaseGroup
from engine.results import ResultRecording
from tests.engine.cross_validation.folding import N_FOLDS, everything, folded
from tests.engine.small_experiments import Log, assert_equal, cross_entropy, fresh


def train_of(strategy):
    return strategy.experiment.execution_plan.get_train_phase("train")


def prepared(*, n_epochs=2, recording="none", callback=None, **options):
    strategy, log = fresh(folded, n_epochs=n_epochs, **options), Log()
    train_of(strategy).result_recording = ResultRecording(recording)
    if callback is not None:
        train_of(strategy).add_callback(callback)
    strategy.experiment.add_reporter(log)
    return strategy, log


@pytest.fixture(scope="module")
def one_by_one():
    strategy, log = prepared(recording="all")
    return strategy, strategy.run(), log


class Late(Callback):
    """Has the first fold take longest."""

    def on_epoch_start(self, *, experiment, phase, exec_ctx, results):
        validated = experiment.ctx.get_node("clouds").get_split("val").indices
        time.sleep(0.15 if 0 in validated else 0)


@pytest.mark.parametrize("workers", [2, 3, 7])
def test_any_number_of_workers_gives_the_same(one_by_one, workers):
    expected, results, log = one_by_one
    strategy, found = prepared(recording="all")
    ours = strategy.run(workers=workers)

    assert_equal(everything(strategy, ours, found), everything(expected, results, log))
    assert found.events == log.events


def test_a_fold_that_ends_late_is_still_told_first(one_by_one):
    expected, results, log = one_by_one
    strategy, found = prepared(callback=Late())
    ours = strategy.run(workers=3)

    assert_equal(everything(strategy, ours, found), everything(expected, results, log))
    assert found.events == log.events


@pytest.fixture(scope="module")
def ours():
    strategy, _ = prepared(recording="all")
    return strategy, strategy.run(workers=2)


class TestResults:
    def test_hold_every_recorded_batch(self, one_by_one, ours):
        for label, fold in one_by_one[1].folds():
            theirs = fold.get_train_result()
            mine = ours[1].get_fold(label).get_train_result()
            for domain in ("outputs", "targets", "sample_uuids"):
                assert_equal(dict(mine.tensors("net", domain)), dict(theirs.tensors("net", domain)))
            assert dict(mine.metrics()) == dict(theirs.metrics())
            assert mine.callbacks().keys() == theirs.callbacks().keys()

    def test_answer_what_folds_answer(self, one_by_one, ours):
        theirs, mine = one_by_one[1], ours[1]
        assert (mine.n_folds, mine.fold_labels) == (N_FOLDS, theirs.fold_labels)
        assert dict(mine.epoch_losses("net")) == dict(theirs.epoch_losses("net"))
        assert dict(mine.validation_losses("net")) == dict(theirs.validation_losses("net"))
        assert dict(mine.metrics("val_loss")) == dict(theirs.metrics("val_loss"))
        assert mine.to_pandas().equals(theirs.to_pandas())
        names = mine.collect(lambda fold: fold.label)
        assert list(names.values()) == theirs.fold_labels

    def test_draw_on_the_folds_own_data(self, one_by_one, ours):
        for label, fold in one_by_one[1].folds():
            theirs, mine = fold.feature_sets["clouds"], ours[1].get_fold(label).feature_sets
            assert list(mine) == ["clouds"]
            assert np.array_equal(mine["clouds"].get_features("np"), theirs.get_features("np"))
            view = ours[1].get_fold(label).get_train_result().source_view("net")
            assert view.source is mine["clouds"]
            assert np.array_equal(view.indices, mine["clouds"].get_split("train").indices)

    def test_and_history_are_as_those_of_folds_run_here(self, one_by_one, ours):
        mine, theirs = ours[0].experiment.last_run, one_by_one[0].experiment.last_run
        assert (mine.label, mine.status) == (theirs.label, theirs.status)
        assert described(mine.execution_meta) == described(theirs.execution_meta)

    def test_last_callbacks_are_left_as_the_last_fold_leaves_them(self, one_by_one, ours):
        for mine, theirs in zip(
            train_of(ours[0]).callbacks, train_of(one_by_one[0]).callbacks, strict=True
        ):
            assert_equal(mine.get_state(), theirs.get_state())


def described(meta):
    assert meta.ended_at >= meta.started_at
    children = [described(child) for _, child in meta.items()] if hasattr(meta, "items") else []
    return (meta.label, meta.status, children)


def test_data_graph_and_context_are_as_they_were():
    strategy, _ = prepared()
    context = strategy.experiment.ctx
    before = (context.model_graph.get_state(), dict(context.available_nodes))
    strategy.run(workers=2)

    assert_equal(context.model_graph.get_state(), before[0])
    assert context.available_nodes == before[1]


def test_groups_and_evaluations_run_in_folds_too():
    def nested():
        strategy = folded()
        train = train_of(strategy)
        test = EvalPhase.from_split("test", split="val", losses=[cross_entropy()])
        return CrossValidation(
            bindings=list(strategy.bindings),
            n_folds=2,
            phase=PhaseGroup("both", [train, test]),
            experiment=strategy.experiment,
            workers=2,
        )

    found, expected = fresh(nested), fresh(nested)
    logs = Log(), Log()
    for strategy, log in zip((found, expected), logs, strict=True):
        strategy.experiment.add_reporter(log)
    mine, theirs = found.run(), expected.run(workers=1)

    assert logs[0].events == logs[1].events
    assert logs[0].values == logs[1].values
    evaluated = [
        one.get_fold(1).get_group_result("both").get_eval_result() for one in (mine, theirs)
    ]
    first, second = (one.stacked_tensors("net", "outputs") for one in evaluated)
    assert torch.equal(first, second)


def test_as_part_of_a_plan():
    strategy, log = prepared(workers=2)
    experiment = strategy.experiment
    experiment.execution_plan.clear().add_group(strategy.group)
    run = experiment.run()
    other, expected = prepared()
    other.experiment.execution_plan.clear().add_group(other.group)
    other.experiment.run()

    assert CVResults.of(run["CV"]).n_folds == N_FOLDS
    assert log.events == expected.events
    assert log.values == expected.values


class TestCheckpointing:
    def test_in_memory_is_left_as_the_last_fold_leaves_it(self):
        def kept(workers):
            strategy, _ = prepared()
            checkpointing = Checkpointing(max_to_keep=1)
            train_of(strategy).set_checkpointing(checkpointing)
            strategy.run(workers=workers)
            return {key: checkpointing.get_state(key) for key in checkpointing.saved_keys}

        found = kept(2)
        assert list(found) == [1]
        assert_equal(found, kept(1))

    def test_on_disk_has_a_folder_for_each_fold_and_can_be_gone_on_from(self, tmp_path):
        def saving(folder):
            strategy, log = prepared()
            train_of(strategy).set_checkpointing(Checkpointing(mode="disk", directory=folder))
            return strategy, log

        first, _ = saving(tmp_path / "one")
        whole, _ = saving(tmp_path / "other")
        results = whole.run()
        first.run(workers=2)
        assert sorted(first.experiment.available_checkpoints) == sorted(
            whole.experiment.available_checkpoints
        )

        # A fold's checkpoint knows nothing of the others, so that they are run again.
        for workers in (1, 2):
            second, _ = saving(tmp_path / f"by {workers}")
            second.experiment.restore_checkpoint(
                first.experiment.available_checkpoints["CV/fold_1/train_epoch0"]
            )
            ours = second.resume(workers=workers)
            assert_equal(ours.to_pandas().to_dict(), results.to_pandas().to_dict())


class Trying(Callback):
    """Runs a phase of its own, which is history too."""

    def __init__(self, phase):
        super().__init__()
        self.own = phase

    def on_phase_end(self, *, experiment, phase, results):
        experiment.run_phase(self.own)


def test_what_callbacks_run_is_in_the_history():
    def history(workers):
        strategy, _ = prepared()
        with strategy.experiment.ctx.activate():
            own = EvalPhase.from_split("own", split="val", losses=[cross_entropy()])
        train_of(strategy).add_callback(Trying(own))
        strategy.run(workers=workers)
        return [(run.label, run.status) for run in strategy.experiment.history]

    assert history(2) == history(1) == [*[("own", "completed")] * N_FOLDS, ("CV", "completed")]


class Asking(Callback):
    def on_phase_end(self, *, experiment, phase, results):
        return experiment.checkpointing is None


def test_only_one_process_writes_checkpoints_of_the_experiment(tmp_path):
    strategy, _ = prepared(callback=Asking())
    strategy.experiment.set_checkpointing(
        Checkpointing(mode="disk", save_on="phase_end", directory=tmp_path)
    )
    results = strategy.run(workers=2)

    for _, fold in results.folds():
        (payload,) = fold.get_train_result().callbacks().where(kind="payload").values()
        assert payload.payload
    assert strategy.experiment.checkpointing is not None


def test_checkpoints_of_the_experiment_are_those_of_the_whole_run(tmp_path):
    def saved(workers):
        strategy, _ = prepared()
        folder = tmp_path / f"by {workers}"
        hooks = ["phase_start", "phase_end", "group_start", "group_end"]
        checkpointing = Checkpointing(mode="disk", save_on=hooks, directory=folder)
        strategy.experiment.set_checkpointing(checkpointing)
        strategy.run(workers=workers)
        return folder, list(strategy.experiment.available_checkpoints)

    folder, names = saved(2)
    assert names == saved(1)[1]
    # That of the second fold's end: the third is all that is left.
    strategy, log = prepared()
    strategy.experiment.restore_checkpoint(folder / "fold_1.ckpt")
    results = strategy.resume()
    begun = [event[1] for event in log.events if event[0] == "phase_started"]
    assert begun == ["CV", "fold_2", "train"]
    assert results.to_pandas().equals(prepared()[0].run().to_pandas())


class Returning(Callback):
    def on_phase_end(self, *, experiment, phase, results):
        return lambda: "nobody can send this"


def test_what_cannot_be_sent_is_named():
    strategy, _ = prepared(callback=Returning())
    with pytest.raises(FoldError, match=r"What fold_\d recorded cannot be sent.*workers=1"):
        strategy.run(workers=2)


class Broken(Callback):
    """Fails in the first epoch, in a fold that has recorded what nobody can send."""

    def __init__(self, returned=None):
        super().__init__()
        self.returned = returned

    def on_epoch_start(self, *, experiment, phase, exec_ctx, results):
        return self.returned

    def on_epoch_end(self, *, experiment, phase, exec_ctx, results):
        raise ArithmeticError("of the user's own")


@pytest.mark.parametrize(
    "returned", [None, lambda: "nobody can send this"], ids=["data", "payload"]
)
def test_a_folds_own_error_is_shown_whatever_it_has_recorded(returned):
    strategy, log = prepared(recording="all", callback=Broken(returned))
    with pytest.raises(ArithmeticError, match="of the user's own") as caught:
        strategy.run(workers=2)

    (note,) = caught.value.__notes__
    assert "In the process of fold_" in note
    assert "on_epoch_end" in note
    ended = {event[1]: event[-1] for event in log.events if event[0] == "phase_ended"}
    assert "failed" in ended.values()


class Pids(Callback):
    def on_phase_end(self, *, experiment, phase, results):
        return (os.getpid(), os.getpgid(0))


def test_each_fold_has_a_process_and_none_is_left():
    strategy, _ = prepared(callback=Pids())
    results = strategy.run(workers=2)

    pids = set()
    for _, fold in results.folds():
        (payload,) = fold.get_train_result().callbacks().where(kind="payload").values()
        pid, group = payload.payload
        assert pid == group != os.getpid()
        pids.add(pid)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert len(pids) == N_FOLDS


@pytest.mark.parametrize("workers", [0, -1, True, 1.5, "2"])
def test_a_number_of_workers_is_a_number(workers):
    with pytest.raises(PhaseError, match="workers is a whole number"):
        folded(workers=workers)
    with pytest.raises(PhaseError, match="workers is a whole number"):
        folded().run(workers=workers)


def test_only_folds_run_side_by_side():
    strategy = folded(workers=2)
    strategy.group.add_phase(EvalPhase.from_split("test", split="val", losses=[cross_entropy()]))
    with pytest.raises(PhaseError, match="holds more than folds"):
        strategy.run()


def test_configuration_keeps_the_workers():
    strategy = folded(workers=2)
    again = CrossValidation.from_config(strategy.get_config(), experiment=strategy.experiment)
    assert again.workers == 2
    assert type(again.group).from_config(strategy.group.get_config()).workers == 2
