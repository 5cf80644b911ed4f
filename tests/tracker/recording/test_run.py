import math
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tracker.errors import InvalidError
from tracker.registry.params import read_params


class TestStart:
    def test_run_parameters_tags_and_seed_are_recorded(self, lab, rows):
        lab.run("mlp", experiment="digits", params={"lr": 0.1}, tags=["a", "b"], seed=7).finish()

        assert rows(
            "SELECT runs.name, experiments.name, seed, status FROM runs"
            " JOIN experiments ON experiments.id = experiment_id"
        ) == [("mlp", "digits", 7, "finished")]
        assert rows("SELECT name FROM tags ORDER BY name") == [("a",), ("b",)]
        with lab.database.read() as session:
            assert read_params(session, [1]) == {1: {"lr": 0.1}}

    def test_a_name_that_is_taken_gets_a_number(self, lab):
        names = []
        for _ in range(3):
            with lab.run("mlp", experiment="digits") as run:
                names.append(run.name)

        assert names == ["mlp", "mlp-2", "mlp-3"]

    def test_a_refused_run_leaves_nothing(self, lab, rows):
        with pytest.raises(InvalidError):
            lab.run("mlp", params={"bad": object()})

        assert rows("SELECT count(*) FROM runs") == [(0,)]

    def test_environment_process_and_command_are_recorded_unasked(self, lab, rows, monkeypatch):
        monkeypatch.setattr("sys.orig_argv", ["python", "train me.py"])
        lab.run().finish()
        lab.run().finish()

        assert rows("SELECT DISTINCT command, environment_id FROM sessions") == [
            ("python 'train me.py'", 1)
        ]
        ((python, packages),) = rows("SELECT python, packages FROM environments")
        assert "CPython" in python
        assert '"numpy"' in packages


class TestLog:
    def test_keywords_and_mappings_at_a_step(self, run, points):
        run.log(loss=0.5, step=3)
        run.log({"val/loss": 0.25}, step=4, epoch=1)

        assert points() == [("loss", "step", 3, None, 0.5), ("val/loss", "step", 4, 1, 0.25)]

    def test_a_step_that_is_not_said_is_one_after_the_last(self, run, points):
        run.log(loss=1)
        run.log(loss=2)
        run.log(loss=3, step=10)
        run.log(acc=4)

        assert [point[2:] for point in points()] == [
            (11, None, 4.0),
            (0, None, 1.0),
            (1, None, 2.0),
            (10, None, 3.0),
        ]

    def test_an_epoch_alone_makes_points_along_epochs_at_the_runs_last_step(self, run, points):
        for step in range(4):
            run.log(loss=step, step=step)
            if step % 2:
                run.log(acc=step, epoch=step // 2)

        assert [point[1:] for point in points() if point[0] == "acc"] == [
            ("epoch", 1, 0, 1.0),
            ("epoch", 3, 1, 3.0),
        ]

    def test_epochs_alone_stand_at_steps_of_their_own(self, run, points):
        for epoch in range(3):
            run.log(acc=epoch, epoch=epoch)

        assert points() == [("acc", "epoch", epoch, epoch, float(epoch)) for epoch in range(3)]

    def test_the_same_metric_twice_at_one_step_or_epoch_the_later_stands(self, run, points):
        for value in (1, 2):
            run.log(loss=value, step=0)
            run.log(acc=value, epoch=0)
            run.log(acc=value, epoch=1)
        run.log(acc=9, epoch=0)

        assert points() == [
            ("acc", "epoch", 0, 0, 9.0),
            ("acc", "epoch", 1, 1, 2.0),
            ("loss", "step", 0, None, 2.0),
        ]

    def test_a_call_with_one_bad_value_stores_nothing(self, run, points):
        with pytest.raises(InvalidError, match="'bad' is 'x', a str"):
            run.log(good=1.0, bad="x", step=0)
        with pytest.raises(InvalidError, match="name of a metric"):
            run.log({"good": 1.0, "": 2.0}, step=0)

        assert points() == []
        run.log(good=2.0)
        assert points() == [("good", "step", 0, None, 2.0)]

    def test_a_call_without_metrics_stores_nothing(self, run, points):
        run.log({}, step=5)
        run.log(loss=1.0)

        assert points() == [("loss", "step", 0, None, 1.0)]

    @settings(
        max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(st.lists(st.floats(), min_size=1, max_size=5))
    @example([math.nan, math.inf, -math.inf, -0.0, 5e-324])
    def test_values_come_back_as_they_were(self, lab, points, values):
        with lab.database.write() as session:
            session.connection().exec_driver_sql("DELETE FROM series")
        with lab.run() as run:
            for step, value in enumerate(values):
                run.log(loss=value, step=step)

        back = [math.nan if point[-1] is None else point[-1] for point in points()]
        assert np.array(back).tobytes() == np.array(values).tobytes() or all(
            one == other or (one != one and other != other)  # noqa: PLR0124 - NaN
            for one, other in zip(back, values, strict=True)
        )

    def test_threads_share_a_run(self, run, rows):
        def work(number):
            for step in range(50):
                run.log({f"loss/{number}": step}, step=step)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert rows("SELECT count, numbers, total FROM series") == [(50, 50, 1225.0)] * 4

    def test_two_handles_of_two_runs_stay_apart(self, lab, rows):
        with lab.run("a") as one, lab.run("b") as other:
            one.log(loss=1, step=0)
            other.log(loss=2, step=0)

        assert rows("SELECT run_id, last FROM series") == [(1, 1.0), (2, 2.0)]


class TestWords:
    def test_parameters_tags_notes_and_progress_can_come_later(self, lab, run, rows):
        run.log_params({"model": {"depth": 3}})
        run.tag("good", "small")
        run.note("try again")
        run.set_progress(phase="train", epoch=2, batch=5)

        assert rows("SELECT note, phase, epoch, batch FROM runs") == [("try again", "train", 2, 5)]
        assert rows("SELECT name FROM tags ORDER BY name") == [("good",), ("small",)]
        assert rows("SELECT key, number FROM params") == [("model.depth", 3.0)]

    def test_a_run_shows_what_it_is(self, run):
        assert repr(run) == f"<Run digits/first {run.uuid[:8]} running>"
        run.finish()
        assert "finished" in repr(run)
        assert "<td>first</td>" in run._repr_html_()
