"""Several logs as one, and one row for each configuration."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.errors import InvalidError, NotFoundError
from tracker.sweeps import ExperimentLog, MergeRules


def make(static, rows, name=None):
    """A log from `(configuration, metrics)`."""
    grid = dict.fromkeys(field for config, _ in rows for field in config)
    log = ExperimentLog.from_fields(list(grid), [], static, name)
    for config, metrics in rows:
        log.add_result(config, **metrics)
    return log


def contents(log):
    return [(row.config.to_dict(), row.metrics) for row in log]


def snapshot(log):
    return log.static_configs, log.grid_fields, log.metric_fields, repr(log.rows)


@pytest.fixture
def split():
    first = make({"model": "mlp"}, [({"lr": 0.1}, {"loss": 0.5}), ({"lr": 0.2}, {"loss": 0.4})])
    second = make({"model": "mlp"}, [({"lr": 0.3}, {"loss": [1.0], "acc": 0.9})])
    return first, second


def test_the_rows_of_a_split_sweep_come_together(split):
    first, second = split
    before = snapshot(second)
    assert first.merge(second) is None

    assert contents(first) == [
        ({"lr": 0.1}, {"loss": 0.5}),
        ({"lr": 0.2}, {"loss": 0.4}),
        ({"lr": 0.3}, {"loss": [1.0], "acc": 0.9}),
    ]
    assert first.metric_fields == ["loss", "acc"]
    assert {"lr": 0.3} in first
    assert snapshot(second) == before


def test_a_static_value_that_differs_becomes_a_field_of_the_grid():
    first = make({"model": "mlp", "epochs": 3}, [({"lr": 0.1}, {"loss": 0.5})])
    second = make({"model": "cnn", "epochs": 3.0}, [({"lr": 0.1}, {"loss": 0.4})])
    third = make({"epochs": 3, "lr": 0.1}, [({"model": "mlp"}, {"loss": 0.5})])
    first.merge(second, third)

    assert first.static_configs == {"epochs": 3}
    assert first.grid_fields == ["lr", "model"]
    assert contents(first) == [  # the third says what the first does
        ({"lr": 0.1, "model": "mlp"}, {"loss": 0.5}),
        ({"lr": 0.1, "model": "cnn"}, {"loss": 0.4}),
    ]


def test_a_type_makes_a_difference_among_static_values():
    first = make({"flag": True}, [({"lr": 0.1}, {})])
    first.merge(make({"flag": "True"}, [({"lr": 0.1}, {})]), make({"flag": 1}, [({"lr": 0.1}, {})]))

    assert [row.config.flag for row in first] == [True, "True", 1]


@pytest.fixture
def differing():
    return (
        make({"opt": "adam"}, [({"lr": 0.1}, {"loss": 0.5})], "a.tsv"),
        make({}, [({"lr": 0.1, "wd": 0.5}, {"loss": 0.4})], "b.tsv"),
    )


def test_fields_that_differ_are_refused_and_nothing_is_asked_or_invented(differing, monkeypatch):
    monkeypatch.setattr("builtins.input", None)
    first, second = differing
    before = snapshot(first)
    with pytest.raises(InvalidError) as refused:
        first.merge(second)

    assert str(refused.value) == (
        "The logs are not of the same experiment: 'opt' is not in 'b.tsv'; 'wd' is not in 'a.tsv'."
        " Say what holds with rules (fill, rename, drop or absent), or merge logs that differ with"
        " same=False."
    )
    assert snapshot(first) == before


def test_rows_that_are_merged_all_the_same_lack_what_their_log_lacks(differing):
    first, second = differing
    first.merge(second, same=False)

    assert contents(first) == [
        ({"lr": 0.1, "opt": "adam"}, {"loss": 0.5}),
        ({"lr": 0.1, "wd": 0.5}, {"loss": 0.4}),
    ]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (
            MergeRules(fill={"opt": "sgd", "wd": 0}),
            [{"lr": 0.1, "opt": "adam", "wd": 0}, {"lr": 0.1, "opt": "sgd", "wd": 0.5}],
        ),
        (
            MergeRules(drop=["opt"], fill={"wd": None}),
            [{"lr": 0.1, "wd": None}, {"lr": 0.1, "wd": 0.5}],
        ),
        (MergeRules(drop=["opt", "wd"]), [{"lr": 0.1}, {"lr": 0.1}]),
        (MergeRules(rename={"wd": "opt"}), [{"lr": 0.1, "opt": "adam"}, {"lr": 0.1, "opt": 0.5}]),
        (
            MergeRules(absent=["opt"], fill={"wd": 0}),
            [{"lr": 0.1, "opt": "adam", "wd": 0}, {"lr": 0.1, "wd": 0.5}],
        ),
    ],
)
def test_rules_say_what_holds(differing, rules, expected):
    first, second = differing
    first.merge(second, rules=rules)

    assert [row.config for row in first] == expected
    assert [row.metrics["loss"] for row in first] == [0.5, 0.4]


def test_a_value_filled_in_alike_stays_static():
    first = make({"opt": "adam"}, [({"lr": 0.1}, {})])
    first.merge(make({}, [({"lr": 0.2}, {})]), rules=MergeRules(fill={"opt": "adam"}))

    assert first.static_configs == {"opt": "adam"}
    assert [row.config for row in first] == [{"lr": 0.1}, {"lr": 0.2}]


def test_rules_that_leave_something_open_or_name_nothing_are_refused(differing):
    first, second = differing
    with pytest.raises(InvalidError, match=r"'wd' is not in 'a.tsv'. Say"):
        first.merge(second, rules=MergeRules(fill={"opt": "sgd"}))
    with pytest.raises(NotFoundError, match=r"no field named 'opti'. Did you mean 'opt'"):
        first.merge(second, rules=MergeRules(drop=["opti"]), same=False)
    with pytest.raises(InvalidError, match="two fields called 'loss'"):
        first.merge(second, rules=MergeRules(rename={"wd": "loss"}), same=False)
    with pytest.raises(InvalidError, match=r"drop is a list of fields: \['wd'\]"):
        MergeRules(drop="wd")


def test_conflicts_are_resolved_in_copies(differing):
    first, second = differing
    before = snapshot(first), snapshot(second)
    mine, theirs = first.resolve_merge_conflicts(second, MergeRules(fill={"opt": "x", "wd": 0}))

    assert mine.is_same_exp(theirs)
    assert theirs.static_configs == {"opt": "x"}
    assert (snapshot(first), snapshot(second)) == before
    mine.add_result({"lr": 3})
    assert len(first) == 1
    with pytest.raises(InvalidError, match="not of the same experiment"):
        first.resolve_merge_conflicts(second)


def test_a_field_that_is_a_metric_elsewhere_is_refused():
    first = make({}, [({"lr": 0.1}, {"acc": 1})])
    with pytest.raises(InvalidError, match="two fields called 'acc'"):
        first.merge(make({}, [({"lr": 0.1, "acc": 1}, {})]), same=False)


def test_rows_that_say_the_same_stand_once_where_they_first_stood(split):
    first, second = split
    first.merge(second, first, second)

    assert [row.config.lr for row in first] == [0.1, 0.2, 0.3]


def doubled(*values):
    """One configuration that stands several times, and another between."""
    log = make({}, [({"lr": 0.1}, {"loss": values[0]}), ({"lr": 0.2}, {"loss": [1, 2]})])
    for value in values[1:]:
        log.merge(make({}, [({"lr": 0.1}, {"loss": value, "acc": 0.5})]))
    return log


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        ("first", {"loss": [3, 1]}),
        ("last", {"loss": math.inf, "acc": 0.5}),
        (lambda rows: {"loss": [row["loss"] for row in rows]}, {"loss": [[3, 1], [2], math.inf]}),
    ],
)
def test_of_duplicates_that_differ_the_one_that_is_said_is_kept(keep, expected):
    log = doubled([3, 1], [2], math.inf)
    log.drop_duplicates(keep)

    assert contents(log) == [({"lr": 0.1}, expected), ({"lr": 0.2}, {"loss": [1, 2]})]


def test_duplicates_that_differ_are_refused_without_a_rule(monkeypatch):
    monkeypatch.setattr("builtins.input", None)
    log = doubled([3, 1], [2])
    with pytest.raises(InvalidError, match=r"^One configuration .*: 0.1\} in 'loss', 'acc'\."):
        log.drop_duplicates()
    with pytest.raises(InvalidError, match="keep 'first', 'last' or a function, not 'best'"):
        log.drop_duplicates("best")

    assert len(log) == 3


def test_duplicates_that_come_from_a_dropped_field_are_found():
    rows = [({"a": place, "lr": 1}, {"loss": loss}) for place, loss in enumerate([[2], [2], 2])]
    log = make({}, rows)
    log.drop_fields(["a"])
    assert len(log) == 3
    assert log[{"lr": 1}] == {"loss": [2]}
    log.drop_duplicates("last")

    assert contents(log) == [({"lr": 1}, {"loss": 2})]


def test_a_function_that_returns_what_no_log_holds_is_refused():
    log = doubled(1, 2)
    with pytest.raises(InvalidError, match="loss: a set cannot be kept"):
        log.drop_duplicates(lambda rows: {"loss": {1}})

    assert len(log) == 3


def test_files_are_merged_and_the_types_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place, sizes in enumerate(([64, 32], [], "[1]", None, "1e-3")):
        log = make({"m": 1}, [({"sizes": sizes}, {"curve": [0.5, math.nan], "n": 1})])
        log.to_tsv(f"split_{place}.tsv")
    merged = ExperimentLog.merge_folder(".", "merged.tsv")

    again = ExperimentLog.merge_folder(".", "merged.tsv")
    for log in (merged, ExperimentLog.from_tsv("merged.tsv"), again):
        assert [row.config["sizes"] for row in log] == [[64, 32], [], "[1]", None, "1e-3"]
        assert repr(log.rows[0].metrics) == repr({"curve": [0.5, math.nan], "n": 1})
    assert merged.logs_file.name == "merged.tsv"


def test_files_are_merged_without_writing_unless_asked(tmp_path):
    make({}, [({"a": 1}, {})]).to_tsv(tmp_path / "a.tsv")
    make({}, [({"b": 1}, {})]).to_tsv(tmp_path / "b.tsv")
    paths = tmp_path / "a.tsv", tmp_path / "b.tsv"

    assert len(ExperimentLog.merge_tsv(*paths, same=False)) == 2
    assert len(ExperimentLog.merge_tsv(*paths, rules=MergeRules(rename={"b": "a"}))) == 1
    with pytest.raises(InvalidError, match=r"'b' is not in '.*a\.tsv'"):
        ExperimentLog.merge_folder(tmp_path, tmp_path / "out.tsv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tsv", "b.tsv"]


def test_nothing_to_merge_is_told(tmp_path):
    with pytest.raises(InvalidError, match=r"no \.tsv file in"):
        ExperimentLog.merge_folder(tmp_path)
    with pytest.raises(InvalidError, match="name at least one file"):
        ExperimentLog.merge_tsv()


points = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1)), max_size=5)


@settings(max_examples=50)
@given(st.lists(points, min_size=1, max_size=4))
def test_merging_is_a_union_in_order(logs):
    made = [make({"s": 1}, [({"a": a}, {"loss": loss}) for a, loss in rows]) for rows in logs]
    expected = dict.fromkeys((row.config.a, row.metrics["loss"]) for log in made for row in log)
    first, *others = made
    first.merge(*others, same=False)

    assert [(row.config.a, row.metrics["loss"]) for row in first] == list(expected)
