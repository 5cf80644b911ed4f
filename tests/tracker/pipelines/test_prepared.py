"""What training is made of, before it begins; and what it shows while it goes on."""

import io
import re
from contextlib import redirect_stderr

import pytest
import torch

from tests.tracker.pipelines.small_lab import points_of
from tracker.errors import InvalidError


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    return Terminal()


class TestPrepared:
    def test_of_one_never_trained_it_is_what_training_would_begin_with(self, lab, create):
        pipeline = create()
        experiment = pipeline.prepare()

        assert pipeline.runs == []
        experiment.run(show_training_progress=False)
        pipeline.train(progress=False)
        (net,) = experiment.model_graph.model_nodes
        trained = pipeline.load_model("last").state_dict()
        assert all(
            torch.equal(trained[name], value) for name, value in net.module.state_dict().items()
        )

    def test_of_a_trained_one_it_has_the_state_of_the_last_checkpoint(self, lab, create):
        pipeline = create()
        pipeline.train(2, progress=False)
        before = points_of(lab, pipeline.name)
        experiment = pipeline.prepare()

        trained = pipeline.load_model("last").state_dict()
        (net,) = experiment.model_graph.model_nodes
        assert all(
            torch.equal(trained[name], value) for name, value in net.module.state_dict().items()
        )
        experiment.resume(show_training_progress=False)
        assert points_of(lab, pipeline.name) == before


class TestShownMetrics:
    def test_the_bar_shows_those_that_are_chosen(self, create, terminal):
        with redirect_stderr(terminal):
            outcome = create().train(2, metrics=["val_accuracy"])

        assert re.search(r"val_accuracy=[\d.]+\]", terminal.getvalue())
        assert "loss=" not in terminal.getvalue()
        assert outcome.notices == ()

    def test_one_that_nobody_logs_is_named(self, create):
        outcome = create().train(1, metrics=["val_acuracy"], progress=False)

        assert outcome.notices == (
            "Nobody logged the metric 'val_acuracy'. Did you mean 'val_accuracy'?",
        )

    def test_a_text_is_no_list(self, create):
        with pytest.raises(InvalidError, match=r"\['val_loss'\]"):
            create().train(metrics="val_loss")
