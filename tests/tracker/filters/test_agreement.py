"""Filters answer as plain Python does that follows the rules of docs/filters.md."""

import math
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tracker.database.tables import Pipeline, Run
from tracker.errors import FilterError
from tracker.filters import Filters

# Labs

NUMBERS = [
    *(0, 1, -1, 2, 3, 0.5, 1.5, True, False, math.nan, math.inf, -math.inf, -0.0, 1e308),
    *(2**53, 2**53 + 1, -(2**53) - 1, float(2**53), 2**60, float(2**60), 2**60 + 1, 10**25 + 1),
    *(10**25, float(10**25), -(10**25), 2**128 + 1, 2**128 + 2),
]
TEXTS = ["", "a", "A", "mlp", "mlp-2", "cnn", "1", "a%b", "it's", 'say "x"', "ä", "None", "50_x"]
LISTS = [[], [1], [1.0], [64, 32], ["a"], [True], [[1]], [math.nan], [None], [1, "a"]]
NAMES = ["lr", "model.args.depth", "net.depth", "flag", "loss", "seed", "odd name", "é"]
METRICS = ["loss", "val/acc", "m", "speed"]
MOMENTS = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=6 * number) for number in range(9)]

points = st.dictionaries(
    st.integers(0, 3),
    st.sampled_from([0.0, 1.0, -1.0, 0.5, 3.0, math.nan, math.inf, -math.inf]),
    min_size=1,
    max_size=3,
)
series = st.tuples(st.sampled_from(METRICS), st.sampled_from(["step", "epoch"]))
simple = st.sampled_from([0, 1, 0.5, True, "a", "mlp"])
values = simple | st.sampled_from([*NUMBERS, *TEXTS, *LISTS, None])
runs = st.fixed_dictionaries(
    {
        "name": st.sampled_from([text for text in TEXTS if text]),
        "experiment": st.sampled_from(["digits", "soh"]),
        "status": st.sampled_from(["running", "finished", "failed"]),
        "seed": st.sampled_from([None, 0, 1, 2**53, 2**53 + 1, 2**60, -(2**63), 2**63 - 1]),
        "created": st.sampled_from(MOMENTS),
        "started": st.sampled_from([None, *MOMENTS]),
        "phase": st.sampled_from([None, *TEXTS]),
        "epoch": st.sampled_from([None, 0, 1, 2, 3]),
        "params": st.dictionaries(st.sampled_from(NAMES), values, max_size=6),
        "tags": st.sets(st.sampled_from(["a", "mlp", "cnn"])).map(sorted),
        "phases": st.lists(st.dictionaries(series, points, max_size=3), max_size=3),
    }
)
# Knows every name, so that most filters make sense in most labs.
EVERYTHING = {
    "name": "everything",
    "experiment": "digits",
    "status": "finished",
    "created": MOMENTS[0],
    "params": dict.fromkeys(NAMES, 1),
    "phases": [{(name, "epoch"): {0: 1.0, 1: 0.5} for name in METRICS}],
}
labs = st.builds(
    lambda first, rest: first + rest,
    st.sampled_from([[EVERYTHING], [EVERYTHING], []]),
    st.lists(runs, min_size=1, max_size=5, unique_by=lambda run: run["name"]),
)

# Filters


def written(number):
    return {math.inf: "inf", -math.inf: "-inf"}.get(number, repr(number))


def calls(*functions):
    arguments = st.sampled_from(["loss", '"val/acc"', "m", "metrics.m", 'metrics["speed"]'])
    return st.builds("{}({})".format, st.sampled_from(functions), arguments)


parameters = st.sampled_from(
    [
        *("lr", "depth", "args.depth", "net.depth", "params.model.args.depth", "params.loss"),
        *("params.seed", "params.é", "params['odd name']", "params['flag']"),
    ]
)
measured = calls("best", "last", "first", "min", "max", "mean", "std", "count") | st.sampled_from(
    ["m", "speed", "metrics.loss", 'metrics["val/acc"]', "at(loss, 1)", "at('val/acc', 0)", "loss"]
)
numeric = parameters | measured | st.sampled_from(["seed", "epoch", "batch"])
texts = st.sampled_from(["name", "experiment", "phase", "note"])
numbers = st.sampled_from(["0", "1", "0.5", "1.0", "True"]) | st.sampled_from(NUMBERS).filter(
    lambda number: not math.isnan(number)
).map(written)
lists = st.sampled_from(LISTS[:7]).map(repr)
words = st.sampled_from(TEXTS).map(repr)
small = st.sampled_from(["0", "1", "2", "0.5", "-1", "inf"])
arithmetic = st.recursive(
    st.builds("({} {} {})".format, numeric, st.sampled_from("+-*/"), numeric | small),
    lambda inner: (
        st.builds("-{}".format, inner)
        | st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), small)
    ),
    max_leaves=2,
)
looked_up = numeric | texts | arithmetic
signs = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
equal = st.sampled_from(["==", "!="])
is_in = st.sampled_from(["in", "not in"])
options = st.lists(numbers | words | lists, max_size=4).map(lambda items: f"[{', '.join(items)}]")
atoms = st.one_of(
    st.builds("{} {} {}".format, looked_up, signs, numbers | words | looked_up),
    st.builds("{} {} {}".format, numbers | words, signs, looked_up),
    st.builds("{} {} {} {} {}".format, numbers, signs, numeric, signs, numbers | numeric),
    st.builds("{} {} {}".format, parameters, equal, lists),
    st.builds("{} {} {}".format, looked_up, is_in, options),
    st.builds("{} {} {}".format, numbers | words | lists, is_in, parameters),
    st.builds("{} {} {}".format, words, is_in, texts | st.just("tags")),
    st.builds("{} is {}None".format, looked_up | st.just("tags"), st.sampled_from(["", "not "])),
    st.builds("isnan({})".format, numeric),
    st.builds(
        "like({}, {})".format,
        texts | st.just("tags"),
        st.sampled_from([*TEXTS, "%", "m%", "_"]).map(repr),
    ),
    st.builds(
        "matches({}, {})".format,
        texts | parameters,
        st.sampled_from(["^m", "p$", "", "[a-c]", r"\d"]).map(repr),
    ),
    st.sampled_from(
        ["True", "False", "lr", "params.flag", "created < started", "started == created"]
    ),
    st.sampled_from(
        [
            "status == 'running'",
            "status not in ('failed', 'lost')",
            "'fin' in status",
            "archived is None",
        ]
    ),
)
filters = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("not ({})".format, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
    ),
    max_leaves=5,
)


def chosen(session, text, of, table):
    try:
        condition = Filters(session, of).condition(text)
    except FilterError:
        return None
    return set(session.scalars(sa.select(table.name).where(condition)))


def agrees(scratch, store, rules, stored, rows, texts, of):
    with scratch.write() as session:
        for each in stored:
            store(session, each)
        table = Run if of == "runs" else Pipeline
        answers = {text: chosen(session, text, of, table) for text in texts}
        session.rollback()

    assert answers == {text: rules(text, rows) for text in texts}


many_texts = st.lists(filters, min_size=5, max_size=15)
thorough = settings(
    max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
quick = settings(thorough, max_examples=50)


@quick
@given(lab=labs, texts=many_texts)
def test_runs_are_chosen_as_in_plain_python(scratch, store, rules, lab, texts):
    agrees(scratch, store, rules, lab, lab, texts, "runs")


@pytest.mark.slow
@thorough
@given(lab=labs, texts=many_texts)
def test_runs_are_chosen_so_by_every_sqlite(any_scratch, store, rules, lab, texts):
    agrees(any_scratch, store, rules, lab, lab, texts, "runs")


pipelines = st.fixed_dictionaries(
    {
        "name": st.sampled_from([text for text in TEXTS if text]),
        "note": st.sampled_from([None, *TEXTS]),
        "created": st.sampled_from(MOMENTS),
        "archived": st.sampled_from([None, *MOMENTS]),
        "tags": st.sets(st.sampled_from(["a", "mlp", "cnn"])).map(sorted),
        "run": st.none() | runs,
    }
)
pipeline_labs = st.builds(
    lambda first, rest: first + rest,
    st.sampled_from([[{"name": "everything", "created": MOMENTS[0], "run": EVERYTHING}], []]),
    st.lists(pipelines, min_size=1, max_size=4, unique_by=lambda pipeline: pipeline["name"]),
)


def as_row(pipeline):
    """What a pipeline shows: its own columns before those of its run."""
    run = pipeline["run"] or {"params": {}, "phases": []}
    own = {"experiment": "digits", "tags": [], "note": None} | pipeline
    return {**run, **own, "run": run.get("name"), "recipe": "supervised"}


@quick
@given(lab=pipeline_labs, texts=many_texts)
def test_pipelines_are_chosen_as_in_plain_python(scratch, store_pipeline, rules, lab, texts):
    agrees(scratch, store_pipeline, rules, lab, list(map(as_row, lab)), texts, "pipelines")
