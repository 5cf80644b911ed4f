"""`train A B C --workers N`, as a process of its own: what its children print is seen too."""

import signal

from sqlalchemy import select

from tests.tracker.cli.test_training import SLOW, begun, status
from tests.tracker.pipelines.small_lab import wait_until
from tracker.database.tables import RunSession


def test_each_tells_in_lines_and_one_that_breaks_keeps_nobody(small, create, process):
    for name in "abc":
        create(name, "epochs=2")
    create("breaks", "model.args.fail_at=1")
    training = process("train", "a", "breaks", "b", "c", "--workers", "2", "-m", "val_loss")
    out, err = training.communicate()

    assert training.returncode == 1
    assert sorted(out.splitlines()) == [f"{name} is finished." for name in "abc"]
    epochs = {line.partition("  val_loss")[0] for line in err.splitlines() if "  epoch " in line}
    assert epochs == {
        f"{name}  train  epoch {epoch} ({epoch + 1} of 2)" for name in "abc" for epoch in (0, 1)
    }
    assert [line for line in err.splitlines() if "  val_loss" not in line] == [
        (
            "Error: breaks failed: ArithmeticError: the model broke."
            " `labkeeper show breaks` says where."
        )
    ]
    with small.database.read() as session:
        pids = set(session.scalars(select(RunSession.pid)))
    assert len({*pids, training.pid}) == 5


def test_ctrl_c_stops_all(small, create, process):
    for name in "abc":
        create(name, *SLOW)
    training = process("train", "a", "b", "c", "--workers", "2", "-q")
    begun(small, "a")
    begun(small, "b")
    training.send_signal(signal.SIGINT)
    out, err = training.communicate()

    assert (training.returncode, err) == (130, "")
    assert sorted(out.splitlines()) == [
        f"{name} is stopped (interrupted): `labkeeper resume {name}` goes on." for name in "ab"
    ]
    assert status(small, "c") is None


def test_they_are_trained_in_the_background(small, create, labkeeper):
    for name in "ab":
        create(name, "epochs=2")
    result = labkeeper("train", "a", "b", "--workers", "2", "--detach")

    assert result.exit_code == 0, result.stderr
    for name in "ab":
        wait_until(lambda name=name: status(small, name) == "finished")


def test_threads_without_workers_are_a_usage_error(small, create, labkeeper):
    create("a")

    result = labkeeper("train", "a", "--threads", "2")
    assert (result.exit_code, "--workers" in result.stderr) == (2, True)
    assert labkeeper("train", "a", "--workers", "0").exit_code == 2
