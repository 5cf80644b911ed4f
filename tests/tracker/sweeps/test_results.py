"""What trials bring, and where it is kept."""

import json
import math
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch

from tests.tracker.pipelines.small_lab import CONFIG, PARTS
from tests.tracker.sweeps.looking import curve, square
from tracker.database.kinds import RunStatus
from tracker.registry.metrics import history
from tracker.registry.params import read_params
from tracker.registry.runs import find_run
from tracker.sweeps import Config, Sweep
from tracker.sweeps.recipes import RecipeTarget
from tracker.sweeps.targets import FunctionTarget


class TestResults:
    def test_each_point_is_tried_once_and_its_result_kept(self, sweep):
        small = sweep(square, metrics=["y"])
        outcome = small.run()

        assert outcome.finished
        assert [trial.result for trial in small.trials()] == [{"y": 1}, {"y": 4}, {"y": 9}]
        assert [trial.attempts for trial in small.trials()] == [1, 1, 1]

    def test_each_trial_is_a_run_of_the_lab(self, sweep, lab):
        sweep(square, {"seed": 7, "grid": {"x": [1, 2], "model.depth": [3]}}).run()

        runs = lab.runs(columns=["name", "experiment", "status", "params.x", "metrics.y"])
        assert runs.values.tolist() == [
            ["small/1", "small", "finished", 2, 4.0],
            ["small/0", "small", "finished", 1, 1.0],
        ]
        with lab.database.read() as session:
            run = find_run(session, "small/1")
            assert run.seed == 7
            assert read_params(session, [run.id])[run.id] == {
                "seed": 7,
                "x": 2,
                "model.depth": 3,
            }

    def test_they_come_as_a_frame(self, sweep):
        small = sweep(square, {"grid": {"x": [1, 2]}})
        before = small.results()
        small.run()
        frame = small.results()

        assert before["status"].tolist() == ["queued", "queued"]
        assert list(frame.columns) == ["x", "y", "status", "seconds", "run"]
        assert frame[["x", "y", "status", "run"]].values.tolist() == [
            [1, 1, "finished", "small/0"],
            [2, 4, "finished", "small/1"],
        ]
        assert frame.index.tolist() == [0, 1]
        assert (frame["seconds"] > 0).all()

    def test_a_metric_called_like_a_field_has_a_column_of_its_own(self, sweep):
        small = sweep(lambda config: {"x": -config.x, "status": 5})
        small.run()

        assert small.results()[["x", "metrics.x", "metrics.status"]].values.tolist() == [
            [1, -1, 5],
            [2, -2, 5],
            [3, -3, 5],
        ]

    def test_what_a_trial_logs_is_a_curve_and_its_last_value_a_result(self, sweep, lab):
        def train(config, trial):
            for step in range(3):
                trial.log(loss=config.x / (step + 1), step=step)

        small = sweep(train)
        small.run()

        assert curve(lab, "small/1", "loss") == {0: 2.0, 1: 1.0, 2: 2 / 3}
        assert small.trials()[1].result == {"loss": 2 / 3}

    def test_what_it_returns_stands_where_its_curves_end(self, sweep, lab):
        def train(config, trial):
            trial.log(loss=2.0, step=4)
            return {"score": config.x, "loss": 1.5}

        sweep(train).run()

        assert curve(lab, "small/0", "score") == {4: 1.0}
        assert curve(lab, "small/0", "loss") == {4: 1.5}

    def test_what_it_logged_itself_is_not_stored_again(self, sweep, lab):
        def train(config, trial):
            trial.log(loss=math.nan, epoch=0)
            return {"loss": math.nan}

        sweep(train).run()

        with lab.database.read() as session:
            run = find_run(session, "small/0")
            assert [(one.axis, one.length) for one in history(session, [run.id]).series] == [
                ("epoch", 1)
            ]
            assert history(session, [run.id], axis="step").series == []

    def test_a_list_of_numbers_is_a_curve(self, sweep, lab):
        small = sweep(lambda config: {"losses": [3.0, config.x, math.inf]})
        small.run()

        assert curve(lab, "small/1", "losses") == {0: 3.0, 1: 2.0, 2: math.inf}
        assert small.trials()[1].result == {"losses": [3.0, 2, math.inf]}

    @pytest.mark.parametrize(
        ("value", "kept"),
        [
            (np.float32(0.5), 0.5),
            (torch.tensor(2.0), 2.0),
            (np.array([1, 2]), [1, 2]),
            (True, True),
            ("banana", "banana"),
            (None, None),
            (-math.inf, -math.inf),
            (10**20, 10**20),
        ],
    )
    def test_values_come_back_as_they_were(self, sweep, value, kept):
        small = sweep(lambda config: {"m": value})
        small.run()

        assert small.trials()[0].result == {"m": kept}
        assert type(small.trials()[0].result["m"]) is type(kept)

    def test_nan_comes_back_as_nan(self, sweep, lab):
        small = sweep(lambda config: {"m": math.nan})
        small.run()

        assert math.isnan(small.trials()[0].result["m"])
        assert lab.runs("m < 1").empty

    def test_declared_metrics_are_the_only_ones_of_what_was_logged(self, sweep):
        def train(config, trial):
            trial.log(loss=1.0, accuracy=0.5)

        small = sweep(train, metrics=["accuracy"])
        small.run()

        assert small.trials()[0].result == {"accuracy": 0.5}

    @pytest.mark.parametrize(
        ("returned", "words"),
        [
            ({"z": 1}, "The metric 'y' was neither returned nor logged; there are: z."),
            (None, "The metric 'y' was neither returned nor logged; there are: none."),
            (3, "A trial returns its metrics as a mapping, {'accuracy': 0.9}, or None; not 3."),
            ({"y": object}, "a number, or a list of numbers, is expected"),
            ({3: 1, "y": 2}, "The name of a metric must be text"),
        ],
    )
    def test_a_trial_that_brings_something_else_fails_with_the_reason(self, sweep, returned, words):
        small = sweep(lambda config: returned, metrics=["y"])
        small.run(max_attempts=3)

        (first, *_) = small.trials()
        assert first.status is RunStatus.FAILED
        assert words in first.reason
        assert first.attempts == 1, "another attempt would change nothing"
        assert words in small.log(0)


def test_a_name_opens_what_is_on_record(sweep, lab):
    sweep(square).run()
    found = Sweep.open("small", lab=lab)

    assert len(found) == 3
    assert found.fields == ["x"]
    assert repr(found) == "<Sweep small: 3 finished>"
    assert json.dumps(found.trials()[0].config) == '{"x": 1}'


class TestSeconds:
    def test_are_of_the_trial_and_not_of_what_a_process_does_once(self, sweep, monkeypatch):
        warmed = []

        def warm_up(self, config):
            warmed.append(config.x)
            time.sleep(1.2)
            raise ImportError("the trial says so, if it matters")

        def train(config, trial):
            return {} if trial.stop_requested else {"y": 1}

        monkeypatch.setattr(FunctionTarget, "warm_up", warm_up)
        small = sweep(train, {"grid": {"x": [2]}})
        small.run(isolated=False, trial_time_limit=0.9)

        (trial,) = small.trials()
        assert (warmed, trial.status) == ([2], RunStatus.FINISHED)
        assert trial.seconds < 0.9

    def test_a_recipe_brings_its_modules_before_its_first_trial_begins(self, lab_root):
        (lab_root / "late_net.py").write_text(textwrap.dedent(PARTS))
        named = {"dataset": {"loc": "late_net:points"}, "model": {"loc": "late_net:Net"}}
        config = Config(CONFIG | named)
        target = RecipeTarget(lab_root)
        assert "late_net" not in sys.modules
        target.warm_up(config)
        assert sys.modules.pop("late_net")
        target.warm_up(config)
        assert "late_net" not in sys.modules, "once is enough"

    def test_what_saves_a_state_is_imported_on_nobodys_account(self, lab_root):
        program = """
import sys, time
from tracker.sweeps import Sweep

def train(config, trial):
    began = time.monotonic()
    trial.checkpoint({"step": 1})
    return {"took": time.monotonic() - began}

sweep = Sweep({"grid": {"x": [1]}}, train, name="small", lab=sys.argv[1])
sweep.run()
(trial,) = sweep.trials()
print(trial.seconds / trial.result["took"])
"""
        command = [sys.executable, "-c", program, str(lab_root)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)

        assert float(done.stdout) < 0.5
