"""What single expressions mean; that all agree with plain Python is in test_agreement.py."""

import math
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from tracker.database.kinds import Goal
from tracker.database.tables import (
    Experiment,
    Metric,
    Param,
    Pipeline,
    Run,
    RunSession,
    Series,
)
from tracker.errors import FilterError
from tracker.filters import Filters, compile_filter
from tracker.registry.goals import set_goal
from tracker.registry.listing import list_runs

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def names(database):
    """The names of the runs, or pipelines, that a filter chooses."""

    def names(text, of="runs", **options):
        table = Run if of == "runs" else Pipeline
        with database.read() as session:
            condition = Filters(session, of, **options).condition(text)
            return sorted(session.scalars(sa.select(table.name).where(condition)))

    return names


@pytest.fixture
def add(database, store):
    """Stores runs: `add(a={"params": {...}}, b={})`."""

    def add(**runs):
        with database.write() as session:
            return [store(session, {"name": name, **run}) for name, run in runs.items()]

    return add


class TestNames:
    def test_a_column_comes_before_a_parameter_of_its_name(self, add, names):
        add(a={"seed": 1, "params": {"seed": 2}}, b={"seed": 2, "params": {"seed": 1}})

        assert names("seed == 1") == ["a"]
        assert names("params.seed == 1") == ["b"]

    def test_the_end_of_a_key_is_enough_where_only_one_ends_so(self, add, names):
        add(a={"params": {"model": {"args": {"depth": 3}}}}, b={"params": {"indepth": 3}})

        assert names("depth == 3") == names("args.depth == 3") == ["a"]
        assert names("model.args.depth == 3") == names("params.model.args.depth == 3") == ["a"]

    def test_a_whole_key_comes_before_the_ends_of_others(self, add, names):
        add(a={"params": {"lr": 1}}, b={"params": {"optimizer": {"lr": 1}}})

        assert names("lr == 1") == ["a"]
        assert names("optimizer.lr == 1") == ["b"]

    def test_names_that_python_cannot_write_are_quoted(self, add, names):
        add(
            a={
                "params": {"a/b": 1, "lambda": 2, "x y": 3},
                "phases": [{("val/loss", "step"): {0: 1.0}}],
            }
        )

        for text in (
            'params["a/b"] == 1',
            'params["lambda"] == 2',
            "params['x y'] == 3",
            'metrics["val/loss"] == 1',
            'best("val/loss") == 1',
            'best(metrics["val/loss"]) == 1',
        ):
            assert names(text) == ["a"]


class TestMetrics:
    def test_the_later_phase_counts_where_two_end_at_one_step(self, add, names):
        add(
            a={
                "phases": [
                    {("acc", "step"): {3: 0.9}},
                    {("acc", "step"): {3: 0.1}},
                    {("acc", "step"): {2: 0.5}},
                ]
            }
        )

        assert names("acc == 0.1") == names("first(acc) == 0.5") == names("at(acc, 3) == 0.1")
        assert names("acc == 0.1") == names("min(acc) == 0.1 and max(acc) == 0.9") == ["a"]
        assert names("count(acc) == 3 and mean(acc) == 0.5") == ["a"]

    @pytest.mark.parametrize("values", [(0.1, 0.5, 0.9), (0.9, 0.5, 0.1), (0.5, 0.9, 0.1)])
    def test_of_phases_at_one_step_the_first_is_first_and_the_last_last(self, add, names, values):
        add(a={"phases": [{("acc", "step"): {3: value}} for value in values]})

        assert names(f"first(acc) == {values[0]} and last(acc) == {values[-1]}") == ["a"]

    def test_steps_that_are_moments_are_told_apart(self, add, names):
        now = 1_767_225_600_000
        add(a={"phases": [{("m", "step"): {now + 1: 1.0}}, {("m", "step"): {now: 2.0}}]})

        assert names("m == 1 and first(m) == 2") == ["a"]

    def test_epochs_come_before_steps(self, add, names):
        add(a={"phases": [{("loss", "step"): {0: 0.1, 9: 0.1}, ("loss", "epoch"): {8: 0.5}}]})

        assert names("loss == 0.5 and best(loss) == 0.5 and count(loss) == 1") == ["a"]

    def test_a_run_with_nan_is_never_good(self, add, names):
        add(
            nan={"phases": [{("loss", "step"): {0: 0.01, 1: math.nan}}]},
            only={"phases": [{("loss", "step"): {0: math.nan}}]},
            none={},
            good={"phases": [{("loss", "step"): {0: 0.05}}]},
        )

        assert names("loss < 0.1") == ["good"]
        assert names("not loss < 0.1") == ["nan", "none", "only"]
        assert names("best(loss) < 0.1") == ["good", "nan"]
        assert names("isnan(loss)") == ["nan", "only"]
        assert names("loss is None") == ["none"]
        assert names("best(loss) is None") == ["none", "only"]

    def test_the_mean_over_both_infinities_is_nan(self, add, names):
        add(a={"phases": [{("m", "step"): {0: math.inf, 1: -math.inf}}]})
        add(b={"phases": [{("m", "step"): {0: math.inf}}, {("m", "step"): {1: -math.inf}}]})

        add(c={"phases": [{("m", "step"): {0: math.inf, 1: -math.inf}}, {("m", "step"): {2: 1.0}}]})

        assert names("isnan(mean(m))") == ["a", "b", "c"]
        assert names("mean(m) < 1 or mean(m) > 0") == []

    def test_what_was_said_about_a_metric_decides_which_is_best(self, add, names, database):
        add(a={"phases": [{("loss", "step"): {0: 1.0, 1: 2.0}, ("gain", "step"): {0: 5.0}}]})
        with database.write() as session:
            set_goal(session, "loss", Goal.MAX)
            set_goal(session, "gain", Goal.MIN)

        assert names("best(loss) == 2 and best(gain) == 5") == ["a"]


class TestNumbers:
    def test_integers_that_share_a_float_are_told_apart(self, add, names):
        large = 2**200 + 2**100
        add(
            a={"seed": 2**53, "params": {"x": 2**53, "y": large, "z": large}},
            b={"seed": 2**53 + 1, "params": {"x": 2**53 + 1, "y": large + 1, "z": large}},
        )

        for name in ("seed", "x"):
            assert names(f"{name} in ({2**53}, 3)") == names(f"{name} < {2**53 + 1}") == ["a"]
            assert names(f"{name} in ({2**53 + 1}, 3)") == names(f"{name} > {2**53}") == ["b"]
        assert names(f"y == {large}") == names("y == z") == ["a"]
        assert names(f"y != {large}") == names(f"y in ({large + 1}, 3)") == ["b"]

    def test_columns_of_integers_are_divided_as_numbers(self, add, names):
        add(a={"epoch": 1, "batch": 2, "phases": [{("m", "step"): {0: 1.0}}]})

        assert names("epoch / batch == 0.5 and count(m) / batch == 0.5") == ["a"]
        assert names("epoch / 2 == 0.5 and 1 / batch == 0.5 and -epoch / batch == -0.5") == ["a"]


class TestTime:
    def test_a_date_stands_for_a_whole_day(self, add, names):
        day = timedelta(days=1)
        add(before={"created": NOON - day}, on={"created": NOON}, after={"created": NOON + day})

        # At noon it is the same day in the time zones of most people who run this.
        assert names("created == '2026-01-31 00:00Z'") == []
        assert names("created == '2026-01-31 12Z'") == ["on"]
        assert names("created != '2026-01-31 12Z'") == ["after", "before"]
        assert names("created < '2026-01-31 12Z'") == ["before"]
        assert names("created <= '2026-01-31 12Z'") == ["before", "on"]
        assert names("'2026-01-31 12Z' < created") == ["after"]
        assert names("created >= '2026-01-31 12Z'") == ["after", "on"]
        assert names("created in ('2026-01-31 12Z', '2026-02-01 12Z')") == ["after", "on"]

    def test_days_are_counted_back_from_now(self, add, names):
        add(old={"created": NOON - timedelta(days=3)}, new={"created": NOON - timedelta(days=1)})

        assert names("created > '2 days ago'", now=NOON) == ["new"]

    def test_a_moment_that_never_came_is_missing(self, add, names):
        add(never={}, ended={"started": NOON, "ended": NOON})

        assert names("ended < '2027'") == ["ended"]
        assert names("not ended < '2027'") == names("ended is None") == ["never"]

    def test_duration_is_the_time_that_was_worked(self, add, names, database):
        """Without the night between two sessions, and up to now in one that is open."""
        (run_id,) = add(a={"started": NOON, "ended": NOON + timedelta(days=1)})
        with database.write() as session:
            for start, length, ended in ((0, 40, True), (86_000, 50, False)):
                started = NOON + timedelta(seconds=start)
                beat = started + timedelta(seconds=length)
                session.add(
                    RunSession(
                        run_id=run_id,
                        host="h",
                        pid=1,
                        process_started=0.0,
                        started=started,
                        heartbeat=beat,
                        ended=beat if ended else None,
                    )
                )
        add(b={"started": NOON, "ended": NOON + timedelta(seconds=90)}, c={})

        assert names("duration == 90") == names("duration in (90, 3)") == ["a", "b"]
        assert names("duration <= '1.5 minutes'") == names("'90 s' == duration") == ["a", "b"]
        assert names("duration is None") == ["c"]


class TestTagsAndTexts:
    def test_tags_are_asked_for_one_by_one(self, add, names):
        add(a={"tags": ["cnn", "big"]}, b={"tags": ["mlp"]}, c={})

        assert names("'cnn' in tags") == ["a"]
        assert names("'cnn' not in tags") == ["b", "c"]
        assert names("tags is None") == ["c"]
        assert names("like(tags, 'N%')") == []
        assert names("matches(tags, '^m') or like(tags, 'B__')") == ["a", "b"]

    def test_like_takes_upper_and_lower_case_for_the_same(self, add, names):
        add(mlp={}, MLP2={}, cnn={})

        assert names("like(name, 'mlp%')") == ["MLP2", "mlp"]
        assert names("matches(name, 'mlp')") == ["mlp"]
        assert names(r"matches(name, '\d$')") == names("'2' in name") == ["MLP2"]

    def test_a_pattern_matches_texts_only(self, add, names):
        add(
            text={"params": {"x": "12"}}, number={"params": {"x": 12}}, json={"params": {"x": [12]}}
        )

        assert names("like(x, '%1%')") == names("matches(x, '1')") == ["text"]


class TestPipelines:
    def test_a_pipeline_has_the_values_of_its_current_run(self, database, store_pipeline, names):
        run = {"params": {"lr": 0.1}, "tags": ["run"], "status": "finished", "created": NOON}
        with database.write() as session:
            store_pipeline(session, {"name": "trained", "tags": ["own"], "run": run})
            store_pipeline(session, {"name": "new", "note": "later"})

        assert names("lr == 0.1 and status == 'finished'", "pipelines") == ["trained"]
        assert names("status is None", "pipelines") == ["new"]
        assert names("not lr == 0.1", "pipelines") == ["new"]
        assert names("'own' in tags and not 'run' in tags", "pipelines") == ["trained"]
        assert names("note == 'later' and run is None", "pipelines") == ["new"]

    def test_a_run_that_took_the_id_of_a_lost_one_is_not_its_current_run(
        self, database, store_pipeline, store, names
    ):
        with database.write() as session:
            stranger = store(session, {"params": {"lr": 1}, "phases": [{("m", "step"): {0: 1.0}}]})
            store_pipeline(session, {"name": "a"})
            session.execute(sa.update(Pipeline).values(current_run_id=stranger))

        assert names("lr == 1 or m == 1 or status is not None", "pipelines") == []

    def test_runs_know_their_pipeline_and_whether_it_is_archived(
        self, database, store_pipeline, add, names
    ):
        add(free={})
        with database.write() as session:
            store_pipeline(session, {"name": "p", "archived": NOON, "run": {"name": "old"}})
            store_pipeline(session, {"name": "q", "run": {"name": "current"}})

        assert names("pipeline == 'p'") == names("archived is not None") == ["old"]
        assert names("pipeline is None") == ["free"]
        assert names("not pipeline == 'p'") == names("archived is None") == ["current", "free"]


class TestStatus:
    def test_a_run_known_to_be_lost_is_lost_to_filters(self, add, names):
        one, _, ended = add(
            a={"status": "running"}, b={"status": "running"}, c={"status": "finished"}
        )

        assert names("status == 'lost'") == []
        assert names("status == 'lost'", lost=[one, ended]) == ["a"]
        assert names("status == 'running'", lost=[one, ended]) == ["b"]
        assert names("status == 'finished'", lost=[one, ended]) == ["c"]


def test_a_condition_fits_into_a_statement_about_anything(database, add, store_pipeline):
    """The tables that a statement selects from do not get mixed up with the filter's own."""
    add(
        a={"params": {"lr": 1, "x": 5}, "tags": ["t"], "phases": [{("loss", "step"): {0: 1.0}}]},
        b={"params": {"lr": 2, "x": 5}, "phases": [{("loss", "step"): {0: 3.0}}]},
    )
    text = (
        "(lr == 1 and loss < 2 and 't' in tags and experiment == 'digits' and params.x == 5"
        " and duration is None and pipeline is None and last(loss) == first(loss)"
        " and at(loss, 0) < 2)"
    )
    with database.read() as session:
        condition = compile_filter(text, session)
        joined = (
            sa.select(Param.key)
            .select_from(Param)
            .join(Run, Run.id == Param.run_id)
            .join(Series, Series.run_id == Run.id)
            .join(Experiment, Experiment.id == Run.experiment_id)
            .join(Metric, Metric.series_id == Series.id)
        )
        nested = sa.select(Series.name).where(Series.run_id.in_(sa.select(Run.id).where(condition)))

        assert sorted(session.scalars(joined.where(condition))) == ["lr", "x"]
        assert list(session.scalars(nested)) == ["loss"]


def test_one_session_compiles_many_texts(add, database):
    add(a={"params": {"lr": 1}})
    with database.read() as session:
        filters = Filters(session)
        with pytest.raises(FilterError):
            filters.condition("lrr < 1")
        assert filters.value("lr").text == "lr"
        assert list_runs(session, filter="lr == 1").total == 1
