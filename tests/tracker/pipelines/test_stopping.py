"""Stopping, interrupting and killing a training, from elsewhere too, and going on afterwards."""

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from engine.experiment import Experiment
from tests.tracker.pipelines.small_lab import StopIn, points_of, run_row, wait_until
from tests.tracker.pipelines.test_training import assert_equal_training
from tracker.errors import StateError

# So slow that a test can catch it in the middle of an epoch.
SLOW = {"model.args.delay": 0.05, "epochs": 8}
TRAIN = """
import json
try:
    outcome = lab.pipeline({name!r}).train({epochs}, progress=False{more})
    print(json.dumps([outcome.status, outcome.reason, outcome.interrupted]))
except KeyboardInterrupt:
    print(json.dumps("interrupted"))
"""


def train(name, epochs=8, more=""):
    return TRAIN.format(name=name, epochs=epochs, more=more)


def said(process):
    out, err = process.communicate(timeout=120)
    assert out, err
    return json.loads(out)


def begun(lab, name, step=5):
    """Waits until so many steps are recorded; returns how many are."""

    def steps():
        if run_row(lab, name) is None:
            return 0
        return max((key[2] for key in points_of(lab, name)), default=0)

    wait_until(lambda: steps() >= step)
    return steps()


def whole(lab, create):
    pipeline = create("whole", **{**SLOW, "model.args.delay": 0.0})
    pipeline.train(progress=False)
    return pipeline


class TestAsked:
    def test_stop_takes_effect_within_a_batch_and_resume_loses_nothing(self, lab, create, worker):
        pipeline = create("small", **SLOW)
        process = worker(train("small"))
        begun(lab, "small")
        assert pipeline.is_running
        assert pipeline.status == "running"
        with pytest.raises(StateError, match=r"'small' is running already: process \d+ on"):
            pipeline.train(progress=False)

        pipeline.stop()

        assert said(process) == ["stopped", "asked to stop", False]
        assert not pipeline.is_running
        last = pipeline.checkpoint("last")
        # The record is asked five times a second: at most a few batches later it has stopped.
        assert (last.epoch, last.batch) < (7, 0)
        with pytest.raises(StateError, match="is not running; it is stopped"):
            pipeline.stop()

        outcome = pipeline.resume(progress=False)

        assert outcome.sentence == "small is finished."
        assert_equal_training(lab, whole(lab, create), pipeline)


class TestSignals:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_the_first_stops_after_the_batch_with_a_checkpoint(self, lab, create, worker, number):
        pipeline = create("small", **SLOW)
        process = worker(train("small"))
        begun(lab, "small")
        process.send_signal(number)

        assert said(process) == ["stopped", "interrupted", True]
        steps = max(key[2] for key in points_of(lab, "small"))
        with lab.database.read() as session:
            from tracker.registry.checkpoints import candidates

            assert candidates(session, run_row(lab, "small").id)[0].step == steps

        pipeline.train(progress=False)

        assert_equal_training(lab, whole(lab, create), pipeline)

    def test_the_second_interrupts_at_once(self, lab, create, worker):
        # Ten minutes a batch: what is not interrupted at once fails by pytest's own timeout.
        pipeline = create("small", **{**SLOW, "model.args.delay": 600.0})
        process = worker(train("small"))
        wait_until(lambda: pipeline.status == "running" and run_row(lab, "small").phase == "train")
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)

        assert said(process) == "interrupted"
        assert points_of(lab, "small") == {}
        assert pipeline.status == "stopped"
        assert run_row(lab, "small").reason == "interrupted (Ctrl-C)"

    def test_what_was_to_be_trained_next_is_left_out(self, lab, create, worker):
        create("one", **SLOW)
        create("two", **SLOW)
        process = worker(
            """
            import json
            outcomes = lab.train(["one", "two"], progress=False, ended=lambda outcome: None)
            print(json.dumps([[o.pipeline, o.status, o.interrupted] for o in outcomes]))
            """
        )
        begun(lab, "one")
        process.send_signal(signal.SIGINT)

        assert said(process) == [["one", "stopped", True]]
        assert lab.pipeline("two").runs == []


class TestTimeLimit:
    def test_it_stops_with_a_checkpoint_before_the_time_is_up(self, lab, create):
        pipeline = create("small", **SLOW)
        outcome = pipeline.train(time_limit="1s", progress=False)

        assert outcome.sentence == (
            "small is stopped (time limit of 1s): `labkeeper resume small` goes on."
        )
        assert not outcome.interrupted

        pipeline.resume(progress=False)

        assert_equal_training(lab, whole(lab, create), pipeline)

    def test_it_is_for_all_pipelines_together(self, lab, create):
        create("one", **SLOW)
        create("two", **SLOW)
        outcomes = lab.train(["one", "two"], time_limit=0.5, progress=False)

        assert [outcome.pipeline for outcome in outcomes] in (["one"], ["one", "two"])
        assert lab.pipeline("two").status != "finished"


class TestKilled:
    def kill_and_go_on(self, lab, worker, pipeline, *, kills, delay):
        process = worker(train(pipeline.name))
        for _ in range(kills):
            begun(lab, pipeline.name, step=3)
            time.sleep(delay())
            process.kill()
            process.communicate()
            assert pipeline.status in {"lost", "finished"}
            process = worker(train(pipeline.name))
        said(process)

    def test_a_killed_trainer_is_lost_at_once_and_gone_on_with(self, lab, create, worker):
        pipeline = create("small", **SLOW)
        process = worker(train("small"))
        begun(lab, "small", step=8)
        process.send_signal(signal.SIGKILL)
        process.communicate()

        assert pipeline.status == "lost"
        assert not pipeline.is_running

        outcome = pipeline.resume(progress=False)

        assert outcome.status == "finished"
        assert_equal_training(lab, whole(lab, create), pipeline)

    @pytest.mark.slow
    @pytest.mark.parametrize("seed", range(4))
    def test_any_number_of_kills_at_any_moment_change_nothing(self, lab, create, worker, seed):
        drawn = random.Random(seed)
        pipeline = create("small", **SLOW)
        self.kill_and_go_on(lab, worker, pipeline, kills=5, delay=lambda: drawn.uniform(0, 0.6))

        assert_equal_training(lab, whole(lab, create), pipeline)


class TestBackground:
    def test_it_outlives_its_starter_and_can_be_stopped(self, lab, create, worker):
        pipeline = create("small", **SLOW)
        starter = worker(
            "import json; started = lab.train_detached(['small'], epochs=8)\n"
            "print(json.dumps([started.pid, str(started.log), started.sentence]))"
        )
        pid, log, sentence = said(starter)
        assert sentence is None
        assert pipeline.is_running
        assert os.getsid(pid) == pid

        pipeline.stop()
        wait_until(lambda: not pipeline.is_running)

        assert pipeline.status == "stopped"
        wait_until(lambda: "small is stopped (asked to stop)" in Path(log).read_text())
        with lab.database.read() as session:
            from tracker.registry.sessions import sessions_of

            recorded = sessions_of(session, run_row(lab, "small").id)[0].log
        assert (lab.root / ".labkeeper" / recorded).samefile(log)

    def test_what_fails_before_the_first_step_is_told_to_the_starter(self, lab, create):
        pipeline = create("small", **{"model.args.inputs": 9})
        with pytest.raises(StateError, match=r"shape") as caught:
            lab.train_detached(["small"])

        assert "\n" not in str(caught.value)
        assert "The log: " in str(caught.value)
        assert pipeline.status == "failed"

    def test_a_process_that_vanishes_before_the_first_step_is_noticed(self, lab, create):
        (lab.root / "rude.py").write_text("import os\n\ndef points():\n    os._exit(3)\n")
        create("small", dataset="rude:points")

        with pytest.raises(StateError, match="ended before its first step: it printed nothing"):
            lab.train_detached(["small"])

    def test_nothing_to_do_is_told_as_well(self, lab, create):
        create("small", epochs=1).train(progress=False)

        assert lab.train_detached(["small"]).sentence.startswith("small is finished:")

    def test_a_name_that_is_not_there_starts_no_process(self, lab):
        with pytest.raises(KeyError, match="no pipeline named 'smal'"):
            lab.train_detached(["smal"])

        assert not (lab.root / ".labkeeper" / "logs").exists()


class TestSeveral:
    def test_each_is_trained_and_one_that_fails_does_not_keep_the_next(self, lab, create):
        create("one", epochs=1)
        create("two", **{"model.args.fail_at": 1})
        create("three", epochs=1)
        ended = []
        lab.train(["one", "two", "three", "one"], progress=False, ended=ended.append)

        assert [outcome.sentence for outcome in ended] == [
            "one is finished.",
            "two failed: ArithmeticError: the model broke. `labkeeper show two` says where.",
            "three is finished.",
        ]

    def test_what_failed_is_raised_in_the_end_where_nobody_takes_care_of_it(self, lab, create):
        create("one", **{"model.args.fail_at": 1})
        create("two", **{"model.args.fail_at": 1})
        create("three", epochs=1)

        with pytest.raises(ArithmeticError):
            lab.train(["one"], progress=False)
        with pytest.raises(ExceptionGroup, match="These pipelines failed: one, two"):
            lab.train(["one", "two", "three"], progress=False)
        assert lab.pipeline("three").status == "finished"

    def test_every_name_is_looked_up_first(self, lab, create):
        pipeline = create("one", epochs=1)
        with pytest.raises(KeyError, match="no pipeline named 'tow'"):
            lab.train(["one", "tow"], progress=False)

        assert pipeline.runs == []


def test_fewer_epochs_than_there_are_already_change_nothing(lab, create):
    pipeline = create("small", epochs=4)
    pipeline.train(reporters=[StopIn(8)], progress=False)
    before = points_of(lab, "small")
    outcome = pipeline.train(2, progress=False)

    assert outcome.sentence == "small is in its epoch 3 already; ask for more than 2 in all."
    assert pipeline.status == "stopped"
    assert points_of(lab, "small") == before


def test_of_two_that_begin_at_once_one_trains(lab, create, worker):
    pipeline = create("small", **SLOW)
    program = """
    import json
    from tracker.errors import StateError
    try:
        print(json.dumps(lab.pipeline("small").train(progress=False).status))
    except StateError as error:
        print(json.dumps(str(error)))
    """
    ended = sorted(said(process) for process in [worker(program) for _ in range(3)])

    refused = [text for text in ended if "is running already" in text]
    assert len(refused) + ended.count("finished") == 3
    assert pipeline.runs == ["small"]
    assert_equal_training(lab, whole(lab, create), pipeline)


def test_resume_goes_on_to_what_was_asked_and_train_to_what_is_configured(lab, create):
    pipeline = create("small", **{**SLOW, "model.args.delay": 0.02})
    pipeline.train(5, time_limit=0.3, progress=False)
    assert pipeline.status == "stopped"

    assert lab.train(["small"], resume=True, progress=False)[0].status == "finished"
    assert run_row(lab, "small").epoch == 4

    pipeline.train(progress=False)
    assert run_row(lab, "small").epoch == 7


@pytest.mark.parametrize("method", ["run", "resume"])
def test_a_ctrl_c_while_it_is_being_built_is_not_lost(lab, create, monkeypatch, method):
    pipeline = create("small")
    if method == "resume":
        pipeline.train(reporters=[StopIn(5)], progress=False)
    original = getattr(Experiment, method)

    def told_before(experiment, **flags):
        os.kill(os.getpid(), signal.SIGINT)
        return original(experiment, **flags)

    with monkeypatch.context() as patch:
        patch.setattr(Experiment, method, told_before)
        outcome = pipeline.train(progress=False)

    assert (outcome.status, outcome.reason, outcome.interrupted) == ("stopped", "interrupted", True)
    assert max((key[2] for key in points_of(lab, "small")), default=0) <= 5
    assert pipeline.resume(progress=False).status == "finished"
    other = create("whole")
    other.train(progress=False)
    assert_equal_training(lab, other, pipeline)
