import io
from contextlib import redirect_stderr

import pytest

from engine.callbacks import Evaluation
from engine.errors import UnknownFlagError
from engine.experiment import Experiment
from engine.phases import EvalPhase, TrainPhase
from engine.phases.display import TrainDisplay, check_flags, in_notebook, is_watched
from engine.samplers import SimpleSampler
from tests.engine.small_experiments import classes, classifier, cross_entropy


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def experiment():
    experiment = Experiment("small", seed=1)
    classifier(classes())
    return experiment


def training():
    evaluation = Evaluation.from_split(label="val", split="val", losses=[cross_entropy()])
    return TrainPhase.from_split(
        "learning",
        split="train",
        sampler=SimpleSampler(batch_size=24),
        losses=[cross_entropy()],
        n_epochs=2,
        callbacks=[evaluation],
    )


def test_nothing_is_written_when_piped(experiment, capfd):
    experiment.run_phase(training())
    experiment.run_phase(
        EvalPhase.from_split("test", split="val"), show_eval_progress=True, persist_progress=True
    )

    assert capfd.readouterr() == ("", "")


class TestOnATerminal:
    def shown(self, run, **flags):
        with redirect_stderr(Terminal()) as screen:
            run(**flags)
        return screen.getvalue()

    def test_bars_show_epochs_batches_and_losses(self, experiment):
        shown = self.shown(lambda: experiment.run_phase(training()))

        assert "learning" in shown
        assert "2/2" in shown
        assert "epoch 2" in shown
        assert "train_loss=" in shown
        assert "val_loss=" in shown

    def test_and_go_when_switched_off(self, experiment):
        shown = self.shown(lambda: experiment.run_phase(training(), show_training_progress=False))

        assert shown == ""

    def test_an_evaluation_shows_one_on_request_only(self, experiment):
        phase = EvalPhase.from_split("testing", split="val", batch_size=4)

        silent = self.shown(lambda: experiment.run_phase(phase))
        shown = self.shown(lambda: experiment.run_phase(phase, show_eval_progress=True))

        assert silent == ""
        assert "testing" in shown

    def test_are_closed_when_the_phase_fails(self, experiment, monkeypatch):
        closed = []
        monkeypatch.setattr(TrainDisplay, "close", lambda self: closed.append(self._epochs.close()))
        phase = training()
        phase.callbacks[0].on_epoch_end = None

        with redirect_stderr(Terminal()), pytest.raises(TypeError):
            experiment.run_phase(phase)

        assert len(closed) == 1


def test_a_test_run_is_neither_watched_nor_a_notebook():
    assert not in_notebook()
    assert not is_watched()


def test_unknown_flags_name_the_nearest():
    check_flags({"persist_progress": True, "val_loss_metric": "x"})
    with pytest.raises(UnknownFlagError, match="Did you mean 'persist_progress'"):
        check_flags({"persist_progres": True})
