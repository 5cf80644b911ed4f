import math

import pytest

from tracker.database.connection import driver_connection
from tracker.database.kinds import Axis, PhaseKind
from tracker.database.tables import Pipeline
from tracker.errors import FilterError, InvalidError, NotFoundError
from tracker.lab import Lab
from tracker.plots import Choice, draw, make_table, options_from, read_records
from tracker.plots.sources import MOST_LINES
from tracker.registry.metrics import ensure_series, insert_points
from tracker.registry.phases import begin_phase
from tracker.registry.pipelines import (
    find_pipeline,
    register_pipeline,
    set_archived,
    set_current_run,
)
from tracker.registry.runs import create_run


@pytest.fixture
def lab(lab_root):
    with Lab(lab_root) as lab:
        yield lab


@pytest.fixture
def add(lab):
    """Adds a run with points of a metric, by epoch: `add("a", [1.0, 0.5], lr=0.1)`."""

    def make(called, values, *, metric="loss", pipeline=None, axis="epoch", **params):
        with lab.database.write() as session:
            run = create_run(
                session, name=called, experiment="x", pipeline_id=pipeline, params=params
            )
            connection = driver_connection(session)
            series = ensure_series(connection, run.id, metric, Axis(axis))
            points = [
                (series, 10 * epoch, epoch, value, 1000 * epoch)
                for epoch, value in enumerate(values)
            ]
            insert_points(connection, points)
        return run.id

    return make


@pytest.fixture
def read(lab):
    """What would be drawn: `{label of the line: values}`."""

    def curves(metric="loss", *, choice=None, **said):
        options = options_from(said)
        with lab.database.read() as session:
            records = read_records(session, [metric], choice or Choice(), options)
        figure = draw(make_table(records, [metric], options)).figure
        lines = [line for line in figure.axes[0].lines if line.get_linestyle() != "None"]
        named = figure.legends[0].get_texts() if figure.legends else [figure._suptitle]
        return {
            text.get_text(): line.get_ydata().tolist()
            for text, line in zip(named, lines, strict=True)
        }

    return curves


class TestWhichRuns:
    def test_all_that_logged_the_metric_are_drawn(self, add, read):
        add("a", [1.0, 0.5])
        add("b", [2.0])
        add("c", [3.0], metric="other")

        assert read() == {"a": [1.0, 0.5], "b": [2.0]}

    def test_a_filter_chooses(self, add, read):
        add("a", [1.0], lr=0.1)
        add("b", [2.0], lr=0.01)

        assert read(choice=Choice(filter="lr < 0.05")) == {"b": [2.0]}

    def test_names_choose(self, add, read):
        for name in "abc":
            add(name, [1.0])

        assert list(read(choice=Choice(names=["c", "a"]))) == ["a", "c"]

    def test_pipelines_stand_for_their_current_runs(self, lab, add, read):
        with lab.database.write() as session:
            about = {"experiment": "x", "recipe": "supervised", "config": {}}
            pipeline = register_pipeline(session, name="mlp", config_hash="0", **about).id
        add("mlp", [1.0], pipeline=pipeline)
        current = add("mlp", [2.0], pipeline=pipeline)
        add("loop", [3.0])
        with lab.database.write() as session:
            set_current_run(session, session.get_one(Pipeline, pipeline), current)

        assert read(choice=Choice(pipelines=True)) == {"mlp": [2.0]}
        assert len(read()) == 3

    def test_archived_pipelines_are_left_out_unless_named(self, lab, add, read):
        with lab.database.write() as session:
            about = {"experiment": "x", "recipe": "supervised", "config": {}}
            old = register_pipeline(session, name="old", config_hash="0", **about).id
        add("old-run", [1.0], pipeline=old)
        with lab.database.write() as session:
            set_archived(session, find_pipeline(session, "old"), archived=True)
        add("new", [2.0])

        assert read() == {"new": [2.0]}
        assert list(read(choice=Choice(names=["old-run"]))) == ["old"]

    def test_a_misspelt_metric_suggests_the_nearest(self, add, read):
        add("a", [1.0], metric="val_loss")

        with pytest.raises(NotFoundError, match="Did you mean 'val_loss'"):
            read("val_los")

    def test_too_many_lines_are_refused_but_not_their_mean(self, add, read):
        for number in range(MOST_LINES + 1):
            add("a", [float(number)], depth=3)

        with pytest.raises(InvalidError, match=f"{MOST_LINES + 1} runs are more lines"):
            read()
        assert read(group_by="depth") == {"depth=3": [MOST_LINES / 2]}


class TestPoints:
    def test_nan_and_infinities_come_as_what_they_are(self, lab, add):
        add("a", [math.nan, math.inf, 1.0])
        with lab.database.read() as session:
            records = read_records(session, ["loss"], Choice(), options_from({}))
        values = records.points["loss"][0].value

        assert math.isnan(values[0])
        assert values[1:].tolist() == [math.inf, 1.0]

    @pytest.mark.parametrize(("x", "count"), [("epoch", 2), ("step", 3), ("time", 3)])
    def test_epochs_show_points_per_epoch_and_steps_those_per_step(self, lab, add, read, x, count):
        run = add("a", [1.0, 0.5])
        with lab.database.write() as session:
            connection = driver_connection(session)
            series = ensure_series(connection, run, "loss", Axis.STEP)
            insert_points(connection, [(series, step, 0, 9.0, 1000 * step) for step in range(3)])
        add("b", [1.0, 0.5])

        assert [len(values) for values in read(x=x).values()] == [count, 2]

    def test_phases_that_count_epochs_anew_are_lines_of_their_own(self, lab, add, read):
        with lab.database.write() as session:
            run = create_run(session, name="two", experiment="x").id
            connection = driver_connection(session)
            for place, label in enumerate(["pretrain", "finetune"]):
                phase = begin_phase(session, run, label=label, kind=PhaseKind.TRAIN, position=place)
                series = ensure_series(connection, run, "loss", Axis.EPOCH, phase)
                points = [(series, 10 * place + n, n, 10.0 * place + n, n) for n in range(2)]
                insert_points(connection, points)
        add("one", [5.0])

        assert read() == {
            "two pretrain": [0.0, 1.0],
            "two finetune": [10.0, 11.0],
            "one": [5.0],
        }
        assert read(x="step")["two"] == [0.0, 1.0, 10.0, 11.0]


class TestLegend:
    def test_names_that_tell_runs_apart_need_no_parameters(self, add, read):
        add("a", [1.0], optimizer={"lr": 0.1}, depth=3)
        add("a", [2.0], optimizer={"lr": 0.01}, depth=3)

        assert list(read()) == ["a", "a-2"]

    def test_values_asked_for_are_shown(self, add, read):
        add("a", [1.0, 0.5], depth=3)

        assert list(read(labels=["depth", "best(loss)"])) == ["a depth=3 best(loss)=0.5"]

    def test_parameters_may_be_called_like_columns(self, add, read):
        add("a", [1.0], name="n", phase="p", started="s")
        add("b", [2.0], name="m", phase="p", started="s")

        assert list(read()) == ["a", "b"]
        assert list(read(labels=["params.name"])) == ["a name=n", "b name=m"]


class TestGroups:
    def test_any_expression_groups(self, add, read):
        add("a", [1.0], optimizer={"lr": 0.1})
        add("b", [3.0], optimizer={"lr": 0.1})
        add("c", [5.0], optimizer={"lr": 0.2})

        assert read(group_by="lr") == {"lr=0.1 (n=2)": [2.0], "lr=0.2 (n=1)": [5.0]}
        assert list(read(group_by="lr > 0.15")) == [
            "lr > 0.15=False (n=2)",
            "lr > 0.15=True (n=1)",
        ]

    def test_an_unknown_value_is_refused(self, add, read):
        add("a", [1.0], depth=3)

        with pytest.raises(FilterError, match="'dept'"):
            read(group_by="dept")


def test_goals_come_from_the_lab(lab, add, read):
    add("a", [1.0, 0.5], metric="odd")
    with pytest.raises(InvalidError, match="labkeeper goal odd"):
        read("odd", kind="curve_best")

    lab.goal("odd", "max")

    _, axes = lab.plot("odd", kind="curve_best")
    assert axes.lines[-1].get_xydata().tolist() == [[0.0, 1.0]]


def test_the_lab_draws_into_a_file(lab, add, tmp_path):
    add("a", [1.0, 0.5])
    lab.plot(["loss"], "name == 'a'", path=tmp_path / "curves.svg", log_y=True)

    assert (tmp_path / "curves.svg").read_text().startswith("<?xml")


def test_the_kind_of_file_is_checked_before_anything_is_read(lab, tmp_path):
    with pytest.raises(InvalidError, match=r"must end in \.pdf"):
        lab.plot("nobody", path=tmp_path / "curves.gif")
