"""What happens when the reader goes away, and when nobody sits at a terminal."""

import os
import re

import pytest


@pytest.fixture
def long_history(lab):
    with lab.run("long") as run:
        run.log_history({"step": range(50_000), "loss": [0.5] * 50_000})
    return lab


@pytest.mark.parametrize("form", ["--csv", "--json", "--ndjson", "--long"])
def test_a_reader_that_has_seen_enough_is_no_error(long_history, process, form):
    writer = process("history", "long", form)
    assert writer.stdout.readline()
    writer.stdout.close()
    error = writer.stderr.read()

    assert (writer.wait(), error) == (0, "")


def test_remarks_that_nobody_reads_stop_no_training(small, create, process):
    create("small", "epochs=2")
    reading, writing = os.pipe()
    os.close(reading)
    training = process("train", "small", stderr=writing)
    os.close(writing)
    out, _ = training.communicate()

    assert (training.returncode, out) == (0, "small is finished.\n")


def test_a_pipe_gets_no_colours(three_runs, process):
    listed = process("show", "mlp")
    out, _ = listed.communicate()

    assert "\x1b" not in out


def test_a_terminal_gets_a_bar(small, create, terminal):
    create("small", "epochs=3", "model.args.delay=0.02")
    screen = terminal("train", "small", "--metric", "val_loss")
    text = screen.read_all()

    assert screen.process.wait() == 0
    assert "small train epoch 0 (1 of 3)" in text
    last = re.split(r"[\r\n]+", text.strip())[-3]
    assert re.search(r"epoch 2 \(3 of 3\) .* 9/9 .*batch/s, val_loss=", last)
    assert text.rstrip().endswith("small is finished.")


def test_a_bar_goes_on_where_the_run_stood_on_a_terminal_of_no_width_too(
    small, create, labkeeper, terminal
):
    create("small", "epochs=2")
    labkeeper("train", "small", "-q")
    screen = terminal("train", "small", "--epochs", "4", columns=0)
    text = screen.read_all()

    assert "epoch 2 (3 of 4)" in text
    assert "(1 of" not in text
    assert "12/12" in text
