"""Folds in processes of their own that are stopped, fail or are killed, and go on."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from engine.callbacks import Callback
from engine.cross_validation import CVResults, relay
from engine.errors import FoldError
from engine.phases import Reporter
from tests.engine.cross_validation.folding import N_FOLDS, everything, folded
from tests.engine.cross_validation.test_resume import SaveAfter, StopAfter
from tests.engine.small_experiments import Log, assert_equal, fresh

STEPS_A_FOLD = 6  # 60 samples in batches of 24, twice
N_STEPS = N_FOLDS * STEPS_A_FOLD


def prepared(callback=None):
    strategy, log = fresh(folded, n_epochs=2), Log()
    strategy.experiment.add_reporter(log)
    if callback is not None:
        strategy.experiment.execution_plan.get_train_phase("train").add_callback(callback)
    return strategy, log


@pytest.fixture(scope="module")
def whole():
    strategy, log = prepared()
    return everything(strategy, strategy.run(), log)


@pytest.fixture(autouse=True)
def telling_where_they_stand(monkeypatch):
    """As long runs do."""
    monkeypatch.setattr(relay, "STANDING_EVERY_S", 0.0)
    monkeypatch.setattr(relay, "HOLD_S", 0.0)


def in_process_of_fold(number, experiment):
    """Whether the caller is in that fold: which samples it validates tells."""
    rows = folded_rows(experiment)
    return experiment.ctx.get_node("clouds").get_split("val").indices.tolist() == rows[number]


def folded_rows(experiment):
    strategy = fresh(folded)
    data = strategy.experiment.ctx.get_node("clouds")
    folds = strategy.bindings[0].folds(data, N_FOLDS, seed=4)
    return [fold["val"].tolist() for fold in folds]


class Once(Callback):
    """Does something at the second epoch's start of one fold, the first time only."""

    def __init__(self, folder, number):
        super().__init__()
        self.mark, self.number = folder / "done", number

    def on_epoch_start(self, *, experiment, phase, exec_ctx, results):
        due = exec_ctx.epoch_idx == 1 and not self.mark.exists()
        if due and in_process_of_fold(self.number, experiment):
            self.mark.touch()
            self.act()


class Failing(Once):
    def act(self):
        raise ArithmeticError("of this fold's own")


class Dying(Once):
    def act(self):
        os.kill(os.getpid(), signal.SIGKILL)


class Interrupting(Once):
    def act(self):
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(0.05)


@pytest.mark.parametrize(("first", "second"), [(2, 2), (3, 1), (1, 2)])
@pytest.mark.parametrize("step", [1, 3, STEPS_A_FOLD, STEPS_A_FOLD + 2, N_STEPS])
def test_stopped_and_resumed_by_any_number(whole, step, first, second):
    strategy, log = prepared()
    strategy.experiment.add_reporter(StopAfter(strategy.experiment, step))
    strategy.run(workers=first)
    data = strategy.experiment.ctx.get_node("clouds")
    assert data.get_split("val").indices.tolist() not in folded_rows(strategy.experiment)
    results = strategy.resume(workers=second)

    assert_equal(everything(strategy, results, log), whole)
    assert strategy.experiment.last_run.status == "completed"


@pytest.mark.parametrize(("first", "second"), [(2, 2), (3, 1), (1, 2)])
@pytest.mark.parametrize("step", [1, 3, STEPS_A_FOLD + 2, N_STEPS - 1])
def test_saved_and_resumed_by_another_process(whole, tmp_path, step, first, second):
    before, early = prepared()
    before.experiment.add_reporter(SaveAfter(before.experiment, step, tmp_path / "at.ckpt"))
    before.run(workers=first)

    after, late = prepared()
    after.experiment.restore_checkpoint(tmp_path / "at.ckpt")
    results = after.resume(workers=second)

    # What was told before the checkpoint is told, and not again.
    known = {key: value for key, value in early.values.items() if key[-1] <= step}
    epoch_end = {key for key in known if key[3] is None and key[-1] == step}
    assert not late.values.keys() & (known.keys() - epoch_end)
    late.values = {key: late.values.get(key, known.get(key)) for key in whole["values"]}
    assert_equal(everything(after, results, late), whole)


def test_stopped_saved_and_resumed_by_another_process(whole, tmp_path):
    before, early = prepared()
    before.experiment.add_reporter(StopAfter(before.experiment, 2))
    before.run(workers=3)
    before.experiment.write_checkpoint(tmp_path / "at.ckpt")

    after, late = prepared()
    after.experiment.restore_checkpoint(tmp_path / "at.ckpt")
    results = after.resume(workers=2)

    assert not late.values.keys() & early.values.keys()
    late.values = {key: {**early.values, **late.values}[key] for key in whole["values"]}
    assert_equal(everything(after, results, late), whole)


@pytest.mark.parametrize("number", range(N_FOLDS))
def test_the_error_of_a_fold_is_its_own_and_it_is_run_again(whole, tmp_path, number):
    strategy, log = prepared(Failing(tmp_path, number))
    with pytest.raises(ArithmeticError, match="of this fold's own") as caught:
        strategy.run(workers=2)

    (note,) = caught.value.__notes__
    assert f"In the process of fold_{number}" in note
    assert "self.act()" in note
    failed = strategy.experiment.last_run
    assert (failed.status, failed.label) == ("failed", "CV")
    assert ("phase_ended", f"fold_{number}", (0, number), "failed") in log.events
    assert f"fold_{number}" in CVResults.of(failed.results).fold_labels
    opened = [event[1] for event in log.events if event[0] == "phase_started"]
    assert len(opened) == len([event for event in log.events if event[0] == "phase_ended"])

    results = strategy.resume()
    assert_equal(everything(strategy, results, log), whole)


def test_finished_folds_are_kept_when_another_fails(tmp_path):
    strategy, log = prepared(Failing(tmp_path, 2))
    with pytest.raises(ArithmeticError):
        strategy.run(workers=2)

    kept = CVResults.of(strategy.experiment.last_run.results)
    assert kept.get_fold(0).weights is not None
    log.events.clear()
    strategy.resume(workers=2)
    begun = [event[1] for event in log.events if event[0] == "phase_started" and not event[4]]
    assert "fold_0" not in begun


@pytest.mark.parametrize("number", [0, 1])
def test_a_process_that_is_killed_is_named_and_its_fold_run_again(whole, tmp_path, number):
    strategy, log = prepared(Dying(tmp_path, number))
    with pytest.raises(FoldError, match=f"fold_{number} ended with SIGKILL"):
        strategy.run(workers=2)

    results = strategy.resume(workers=2)
    assert_equal(everything(strategy, results, log), whole)


def test_ctrl_c_stops_all_folds_where_they_go_on(whole, tmp_path):
    strategy, log = prepared(Interrupting(tmp_path, 1))
    with pytest.raises(KeyboardInterrupt):
        strategy.run(workers=2)

    assert strategy.experiment.last_run.status == "stopped"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    results = strategy.resume(workers=2)
    assert_equal(everything(strategy, results, log), whole)


class FirstIsLate(Callback):
    """The first fold waits for the second to be done, and then for the stop to be asked for."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_batch_start(self, *, experiment, phase, exec_ctx, results):
        if experiment.cursor.path[1] == 0 and exec_ctx.epoch_idx == 1:
            self.wait_for(["second", "asked"][min(exec_ctx.batch_idx, 1)])

    def on_epoch_end(self, *, experiment, phase, exec_ctx, results):
        if experiment.cursor.path[1] == 1 and exec_ctx.epoch_idx == 1:
            (self.folder / "second").touch()

    def wait_for(self, name):
        end = time.monotonic() + 30
        while not (self.folder / name).exists():
            assert time.monotonic() < end, name
            time.sleep(0.01)
        time.sleep(0.2)  # what follows it takes a moment


class Ask(StopAfter):
    def __init__(self, experiment, step, folder):
        super().__init__(experiment, step)
        self.folder = folder

    def batch_ended(self, *, path, epoch, batch, step):
        super().batch_ended(path=path, epoch=epoch, batch=batch, step=step)
        if step == self.step:
            (self.folder / "asked").touch()


def test_what_is_left_is_known_of_folds_that_finished_before_their_turn(tmp_path):
    strategy, _ = prepared(FirstIsLate(tmp_path))
    strategy.experiment.add_reporter(Ask(strategy.experiment, STEPS_A_FOLD - 2, tmp_path))
    strategy.run(workers=2)
    strategy.experiment.write_checkpoint(tmp_path / "at.ckpt")
    other, _ = prepared()
    other.experiment.restore_checkpoint(tmp_path / "at.ckpt")

    for left in (strategy.remaining(), other.remaining()):
        done = [entry.place for entry in left if entry.status == "completed"]
        assert ("CV", "fold_1") in done
        assert ("CV", "fold_1", "train") in done
        assert ("CV", "fold_0") not in done


class Refusing(Reporter):
    def epoch_ended(self, *, path, epoch, step):
        raise OSError("the disk is full")


def test_an_error_of_a_listener_ends_what_it_has_heard_begin():
    strategy, log = prepared()
    strategy.experiment.add_reporter(Refusing())
    with pytest.raises(OSError, match="the disk is full"):
        strategy.run(workers=2)

    ended = [event[1:] for event in log.events if event[0] == "phase_ended"]
    assert ended == [
        ("train", (0, 0, 0), "failed"),
        ("fold_0", (0, 0), "failed"),
        ("CV", (0,), "failed"),
    ]
    assert strategy.experiment.last_run.status == "failed"


class Waiting(Callback):
    """Tells its process, and is busy for long."""

    def __init__(self, tell, seconds=0.2):
        super().__init__()
        self.tell, self.seconds = tell, seconds

    def on_batch_end(self, *, experiment, phase, exec_ctx, results):
        self.tell(os.getpid())
        time.sleep(self.seconds)


def test_nobody_is_left_when_the_run_itself_is_killed(killed_after):
    def run(tell):
        # So long that it cannot notice by what it says.
        strategy, _ = prepared(Waiting(tell, seconds=60))
        strategy.run(workers=2)

    began = time.monotonic()
    pids = {int(line) for line in killed_after(0.3, run)}
    assert pids
    assert time.monotonic() - began < 30, "they were waited for"
    for pid in pids:
        assert gone(pid)


def gone(pid, seconds=5.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if _is_zombie(pid):
            return True
        time.sleep(0.01)
    return False


def _is_zombie(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_somebody_else_may_ask_to_stop(whole):
    strategy, log = prepared(Waiting(lambda _: None))
    asking = threading.Timer(0.3, strategy.experiment.request_stop)
    asking.start()
    strategy.run(workers=2)
    asking.join()
    stopped = strategy.experiment.last_run
    assert stopped.status == "stopped"
    assert CVResults.of(stopped.results).get_fold(1).weights is None
    results = strategy.resume(workers=3)

    assert_equal(everything(strategy, results, log), whole)


PROGRAM = """
import torch
torch.set_num_threads(2)
from tests.engine.cross_validation.folding import everything, folded
from tests.engine.small_experiments import Log, assert_equal, fresh

# What OpenMP's threads in this process have done, a forked process waits for in vain.
torch.randn(1000, 1000) @ torch.randn(1000, 1000)
torch.randn(4_000_000).exp().sum()
found = []
for workers in (1, 2):
    strategy, log = fresh(folded), Log()
    strategy.experiment.add_reporter(log)
    found.append(everything(strategy, strategy.run(workers=workers), log))
assert_equal(*found)
print("the same")
"""


@pytest.mark.slow
def test_several_threads_do_not_wait_for_those_of_another_process():
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment | {"PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "the same\n"), done.stderr
