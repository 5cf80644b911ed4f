import io
import os
import re
from contextlib import redirect_stderr, suppress
from types import SimpleNamespace

import pytest

from tracker.cli.progress import ProgressBar, ProgressLines, progress

PATH = (0,)


def train(reporter, epochs, *, batches=3, first=(0, 0), label="train", metrics=None):
    """What the engine tells of a training phase."""
    phase = SimpleNamespace(label=label, n_epochs=epochs)
    reporter.phase_started(phase, path=PATH, kind="train", resumed=first != (0, 0))
    step = first[0] * batches + first[1]
    for epoch in range(first[0], epochs):
        for batch in range(first[1] if epoch == first[0] else 0, batches):
            step += 1
            reporter.batch_ended(path=PATH, epoch=epoch, batch=batch, step=step)
        values = metrics or {"train_loss": 1 / (epoch + 1), "val_loss": 0.5}
        reporter.metrics(values, path=PATH, epoch=epoch, batch=None, step=step)
        reporter.epoch_ended(path=PATH, epoch=epoch, step=step)
    reporter.phase_ended(phase, path=PATH, status="completed", results=None)
    reporter.run_ended(None, status="completed", error=None)


def without_speed(text):
    return re.sub(r"\d+ batches/s", "N batches/s", text)


class TestLines:
    def test_each_epoch_is_a_line(self, capsys):
        train(ProgressLines("mlp"), 2)

        captured = capsys.readouterr()
        assert captured.out == ""
        assert without_speed(captured.err) == (
            "mlp  train  epoch 0 (1 of 2)  train_loss 1  val_loss 0.5\n"
            "mlp  train  epoch 1 (2 of 2)  train_loss 0.5  val_loss 0.5  (N batches/s)\n"
        )

    def test_only_the_chosen_metrics_are_shown(self, capsys):
        train(ProgressLines("mlp", ["val_loss"]), 1)

        assert capsys.readouterr().err == "mlp  train  epoch 0 (1 of 1)  val_loss 0.5\n"

    def test_a_chosen_metric_that_nobody_logged_is_named(self, capsys):
        train(ProgressLines("mlp", ["val_los"]), 1)

        assert capsys.readouterr().err.splitlines()[-1] == (
            "Nobody logged the metric 'val_los'. Did you mean 'val_loss'?"
        )

    def test_a_fit_is_one_line(self, capsys):
        reporter, phase = ProgressLines("forest"), SimpleNamespace(label="fit")
        reporter.phase_started(phase, path=PATH, kind="fit", resumed=False)
        reporter.metrics({"val_accuracy": 0.9}, path=PATH, epoch=None, batch=None, step=0)
        reporter.phase_ended(phase, path=PATH, status="completed", results=None)

        assert capsys.readouterr().err == "forest  fit  completed  val_accuracy 0.9\n"

    def test_metrics_of_batches_are_not_gathered(self, capsys):
        reporter, phase = ProgressLines("mlp"), SimpleNamespace(label="train", n_epochs=1)
        reporter.phase_started(phase, path=PATH, kind="train", resumed=False)
        reporter.metrics({"noise": 1.0}, path=PATH, epoch=0, batch=0, step=1)
        reporter.metrics({"train_loss": 0.5}, path=PATH, epoch=0, batch=None, step=1)
        reporter.epoch_ended(path=PATH, epoch=0, step=1)

        assert capsys.readouterr().err == "mlp  train  epoch 0 (1 of 1)  train_loss 0.5\n"

    def test_names_cannot_move_the_cursor(self, capsys):
        train(ProgressLines("m\x1b[2Jlp"), 1)

        assert "\x1b" not in capsys.readouterr().err

    def test_a_reader_that_has_gone_stops_no_training(self):
        reading, writing = os.pipe()
        os.close(reading)
        gone = os.fdopen(writing, "w", buffering=1)
        with redirect_stderr(gone):
            train(ProgressLines("mlp"), 3)
        with suppress(BrokenPipeError):
            gone.close()


class Terminal(io.StringIO):
    """What was drawn, by the lines that stood on the screen one after another."""

    encoding = "utf-8"

    def isatty(self):
        return True

    @property
    def states(self):
        return [state.strip() for state in re.split(r"[\r\n]", self.getvalue()) if state.strip()]


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    return Terminal()


class TestBar:
    def test_is_chosen_on_a_terminal_only(self, terminal):
        assert isinstance(progress("mlp"), ProgressLines)
        with redirect_stderr(terminal):
            assert isinstance(progress("mlp"), ProgressBar)

    def test_shows_epoch_batches_and_metrics(self, terminal):
        with redirect_stderr(terminal):
            train(ProgressBar("mlp"), 4)

        assert terminal.states[0].startswith("mlp train epoch 0 (1 of 4)")
        last = terminal.states[-1]
        assert "epoch 3 (4 of 4)" in last
        assert "12/12" in last
        assert "batch/s" in last
        assert last.endswith("train_loss=0.25, val_loss=0.5]")

    def test_goes_on_where_an_earlier_session_stood(self, terminal):
        with redirect_stderr(terminal):
            train(ProgressBar("mlp"), 4, first=(2, 1))

        assert terminal.states[0].startswith("mlp train epoch 2 (3 of 4)")
        assert "9/12" in "".join(terminal.states)
        assert "12/12" in terminal.states[-1]

    def test_many_metrics_leave_room_for_the_bar(self, terminal):
        with redirect_stderr(terminal):
            train(ProgressBar("mlp"), 1, metrics={f"m{number}": 1.0 for number in range(9)})

        assert "m3=1" in terminal.states[-1]
        assert "m4=1" not in terminal.states[-1]

    @pytest.mark.parametrize("width", [80, 100, 140])
    def test_no_value_is_cut_off(self, terminal, monkeypatch, width):
        """A number without its last digits would be another number."""
        monkeypatch.setattr("tracker.cli.progress.UNKNOWN_WIDTH", width)
        metrics = {"train_loss": 0.1234, "val_loss": 0.1234, "val_accuracy": 0.1234, "f1": 0.1234}
        with redirect_stderr(terminal):
            train(ProgressBar("a-rather-long-name"), 3, metrics=metrics)

        assert all(len(state) <= width for state in terminal.states)
        assert "3 of 3" in terminal.states[-1]
        shown = re.findall(r"(\w+)=(\S*?)[,\]]", terminal.states[-1])
        assert shown == list(dict.fromkeys(metrics, "0.1234").items())[: len(shown)]
        assert terminal.states[-1].endswith("]")
        assert bool(shown) is (width > 80)

    def test_a_fit_is_one_line(self, terminal):
        reporter, phase = ProgressBar("forest"), SimpleNamespace(label="fit")
        with redirect_stderr(terminal):
            reporter.phase_started(phase, path=PATH, kind="fit", resumed=False)
            reporter.metrics({"r2": 0.9}, path=PATH, epoch=None, batch=None, step=0)
            reporter.phase_ended(phase, path=PATH, status="completed", results=None)

        assert terminal.states == ["forest  fit  completed  r2 0.9"]
