"""`ExperimentLog`: results in, found again, and looked at as a frame."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from tracker.errors import InvalidError, NotFoundError
from tracker.sweeps import Config, ConfigIter, ExperimentLog

ODD = ["1e-3", 0.001, "banana", "inference", "", "null", "None", None, True, 1, "1", "true", "True"]
ODD += ["nan", math.inf, "two\nlines\t", [], [1, 2], [[1], "x"], {"a": 1}, "[1]", "é"]


def make(configs, **results):
    log = ExperimentLog.from_config_iter(configs, [])
    for place, config in enumerate(configs):
        log.add_result(config, **{name: values[place] for name, values in results.items()})
    return log


@pytest.fixture
def log():
    configs = ConfigIter({"model": "mlp", "grid": {"opt": ["sgd", "adam"], "lr": [0.1, 0.01]}})
    return make(
        configs, loss=[[0.9, 0.5], [0.8], [0.7, math.nan, 0.6], None], acc=[0.1, 0.2, 1, None]
    )


def test_an_empty_log_knows_its_fields():
    configs = ConfigIter({"model": "mlp", "grid": {"lr": [0.1]}})
    for empty in (
        ExperimentLog.from_config_iter(configs, ["loss"], "log.tsv"),
        ExperimentLog.from_fields(["lr"], ["loss"], {"model": "mlp"}, "log.tsv"),
    ):
        assert len(empty) == 0
        assert (empty.grid_fields, empty.metric_fields) == (["lr"], ["loss"])
        assert empty.all_fields == ["model", "lr", "loss"]
        assert {"lr": 0.1} not in empty
        assert (list(empty.df.index.names), list(empty.df.columns)) == (["lr"], ["loss"])


def test_fields_that_stand_twice_are_refused():
    with pytest.raises(InvalidError, match="two fields called 'lr'"):
        ExperimentLog.from_fields(["lr"], ["lr"], {})
    with pytest.raises(InvalidError, match=r"Fields are given as a list: \['lr'\]"):
        ExperimentLog.from_fields("lr", [], {})


@pytest.mark.parametrize("through_file", [False, True])
def test_every_kind_of_value_is_found_again(tmp_path, through_file):
    configs = ConfigIter({"grid": {"x": ODD, "seed": [1]}})
    log = ExperimentLog.from_config_iter(configs, ["place", "again"], tmp_path / "log.tsv")
    for place, config in enumerate(configs):
        log.add_result(config, place=place, again=config.x)
    if through_file:
        log.to_tsv()
        log = ExperimentLog.from_tsv(tmp_path / "log.tsv")

    assert len(configs) == len(ODD)
    assert [log.isin(config) for config in configs] == [True] * len(ODD)
    assert [log[config]["place"] for config in configs] == list(range(len(ODD)))
    assert [repr(log[config]["again"]) for config in configs] == list(map(repr, ODD))
    for place, config in enumerate(configs):  # each replaces its own row, and none is added
        log.add_result(config, place=-place)
    assert [row.metrics["place"] for row in log] == [-place for place in range(len(ODD))]


def test_a_log_of_one_field_takes_a_second_result_for_a_configuration(tmp_path):
    log = ExperimentLog.from_fields(["lr"], ["loss"], {}, tmp_path / "log.tsv")
    log.add_result({"lr": 0.1}, loss=0.5)
    log.add_result({"lr": 0.1}, loss=0.4)
    log.to_tsv()

    assert log.rows == ((Config(lr=0.1), {"loss": 0.4}),)
    assert isinstance(log.df.index, pd.MultiIndex)
    assert log.df.index.tolist() == [(0.1,)]


def test_a_log_without_a_grid_has_one_row(tmp_path):
    log = ExperimentLog.from_fields([], ["loss"], {"lr": 0.1}, tmp_path / "log.tsv")
    log.add_result({}, loss=0.5)
    log.add_result({"lr": 0.1}, loss=0.4)
    log.to_tsv()

    assert len(ExperimentLog.from_tsv(tmp_path / "log.tsv")) == 1
    assert log.get_metric({}) == {"loss": 0.4}
    assert list(log.melt_and_explode_metric().index) == [("loss", 1, 1)]


def test_the_frame_has_configurations_as_index_and_metrics_as_columns(log):
    frame = log.df

    assert frame.index.names == ["opt", "lr"]
    assert frame.index.tolist() == [("sgd", 0.1), ("sgd", 0.01), ("adam", 0.1), ("adam", 0.01)]
    assert frame["loss"].tolist()[:2] == [[0.9, 0.5], [0.8]]
    assert frame.loc[("adam", 0.1), "acc"].item() == 1
    frame["acc"] = 0
    assert log.df["acc"].tolist()[:3] == [0.1, 0.2, 1]


def test_the_frame_keeps_types_and_shows_what_is_missing():
    log = make(
        ConfigIter({"grid": [{"a": [1, 2]}, {"b": [[1, [2]], "x"]}]}),
        n=[1, 2, 3, 4],
        mixed=[1, "x", None, [1]],
        when=[datetime(2026, 1, 1, tzinfo=UTC)] * 4,
        took=[timedelta(seconds=1)] * 4,
    )
    frame = log.df

    assert [str(frame[name].dtype).split("[")[0] for name in frame] == [
        "int64",
        "object",
        "datetime64",
        "timedelta64",
    ]
    assert frame.index.get_level_values("b").tolist()[2:] == [(1, (2,)), "x"]
    assert frame.index.get_level_values("a").isna().tolist() == [False, False, True, True]


def test_a_frame_becomes_a_log_again(log):
    again = ExperimentLog(log.df, log.static_configs)

    assert again.static_configs == {"model": "mlp"}
    assert again.rows[0] == log.rows[0]
    assert again.rows[1] == log.rows[1]
    assert repr(again.rows[2].metrics) == repr({"loss": [0.7, math.nan, 0.6], "acc": 1.0})
    assert again.rows[3].config == log.rows[3].config
    plain = ExperimentLog(pd.DataFrame({"loss": [0.5, None]}, dtype=object), {})
    assert [row.metrics for row in plain] == [{"loss": 0.5}, {}]
    with pytest.raises(InvalidError, match="names of text, not 3"):
        ExperimentLog(pd.DataFrame({3: [1]}), {})
    with pytest.raises(InvalidError, match="Every level of the index needs a name"):
        ExperimentLog(log.df.rename_axis(index={"lr": None}), {})


def test_results_of_numpy_and_pandas_become_plain():
    log = ExperimentLog.from_fields(["lr"], [], {})
    log.add_result(
        {"lr": np.float32(0.5)},
        curve=np.array([1.0, 2.0]),
        last=np.int64(3),
        when=pd.Timestamp("2026-01-01"),
        took=pd.Timedelta(seconds=1),
    )
    (row,) = log.rows

    assert [type(value) for value in row.metrics.values()] == [list, int, datetime, timedelta]
    assert row == (
        {"lr": 0.5},
        {
            "curve": [1.0, 2.0],
            "last": 3,
            "when": datetime(2026, 1, 1),  # noqa: DTZ001 - pandas' has no time zone
            "took": timedelta(seconds=1),
        },
    )


@pytest.mark.parametrize(
    ("config", "metrics", "kind", "words"),
    [
        ({"opt": "x", "lr": 1, "model": "cnn"}, {}, InvalidError, "belongs in another log"),
        (
            {"opt": "x", "lr": 1, "lrr": 1},
            {},
            NotFoundError,
            "no field named 'lrr'. Did you mean 'lr'",
        ),
        ({"opt": "x", "lr": 1}, {"loss": object()}, InvalidError, "loss: a object cannot be kept"),
        ({"opt": {1}, "lr": 1}, {}, InvalidError, "opt: a set cannot be kept"),
        ({"opt": "x", "lr": 1}, {"lr": 1}, InvalidError, "two fields called 'lr'"),
        ({"opt": "x", "lr": 1}, {" ": 1}, InvalidError, "cannot be the name of a field"),
    ],
)
def test_a_result_that_does_not_belong_is_refused_and_nothing_changes(
    log, config, metrics, kind, words
):
    before = repr(log.rows), log.all_fields
    with pytest.raises(kind, match=words):
        log.add_result(config, **metrics)

    assert (repr(log.rows), log.all_fields) == before


def test_a_metric_that_is_new_becomes_a_field(log):
    log.add_result({"opt": "sgd", "lr": 1}, f1=0.5)

    assert log.metric_fields == ["loss", "acc", "f1"]
    assert log[{"opt": "sgd", "lr": 1}] == {"loss": None, "acc": None, "f1": 0.5}
    assert log[{"opt": "sgd", "lr": 0.1}]["f1"] is None


def test_a_configuration_is_in_the_log_if_all_that_the_log_knows_of_it_agrees(log):
    assert {"opt": "sgd", "lr": 0.1} in log
    assert {"model": "mlp", "opt": "sgd", "lr": 0.1, "other": 3} in log
    assert {"model": "cnn", "opt": "sgd", "lr": 0.1} not in log
    assert {"opt": "sgd", "lr": "0.1"} not in log
    assert {"opt": "sgd", "lr": 0.5} not in log
    with pytest.raises(KeyError, match=r"no field named 'lr'"):
        log.isin({"opt": "sgd"})
    with pytest.raises(KeyError, match=r"no row named .*'opt': 'x'"):
        log.get_metric({"opt": "x", "lr": 1})


def test_a_field_that_only_some_have_may_be_missing():
    log = make(ConfigIter({"grid": [{"a": [1], "b": [1]}, {"a": [1]}]}), loss=[0.1, 0.2])

    assert log[{"a": 1}] == {"loss": 0.2}
    assert log[{"a": 1, "b": 1}] == {"loss": 0.1}
    assert {"a": 1, "b": None} not in log


def test_grid_dict_has_each_value_once_in_order_with_its_type():
    log = make(ConfigIter({"grid": [{"a": [2, True, "1", 1]}, {"a": [[1], 2], "b": [None, 0.5]}]}))

    assert repr(log.grid_dict()) == repr({"a": [2, True, "1", 1, [1]], "b": [None, 0.5]})


def test_same_experiments_have_the_same_fields(log):
    other = ExperimentLog.from_fields(["model", "lr", "opt"], [], {})

    assert log.is_same_exp(other)
    assert not log.is_same_exp(ExperimentLog.from_fields(["lr"], [], {"model": "mlp"}))
    assert log != other


def melted(log, **options):
    frame = log.melt_and_explode_metric(**options)
    assert list(frame.columns) == ["metric_value"]
    assert frame["metric_value"].dtype == float
    return [
        (*where, value) for where, value in zip(frame.index, frame["metric_value"], strict=True)
    ]


def test_every_number_of_a_curve_gets_a_row(log):
    frame = log.melt_and_explode_metric()

    assert frame.index.names == ["opt", "lr", "metric", "step", "total_steps"]
    assert repr(melted(log)) == repr(
        [
            ("sgd", 0.1, "loss", 1, 2, 0.9),
            ("sgd", 0.1, "loss", 2, 2, 0.5),
            ("sgd", 0.01, "loss", 1, 1, 0.8),
            ("adam", 0.1, "loss", 1, 3, 0.7),
            ("adam", 0.1, "loss", 2, 3, math.nan),
            ("adam", 0.1, "loss", 3, 3, 0.6),
            ("sgd", 0.1, "acc", 1, 1, 0.1),
            ("sgd", 0.01, "acc", 1, 1, 0.2),
            ("adam", 0.1, "acc", 1, 1, 1.0),
        ]
    )


def test_one_step_leaves_out_what_is_shorter(log):
    numbers = [("sgd", 0.1, "acc", 2, 1, 0.1), ("sgd", 0.01, "acc", 2, 1, 0.2)]
    numbers += [("adam", 0.1, "acc", 2, 1, 1.0)]
    curves = [("sgd", 0.1, "loss", 2, 2, 0.5), ("adam", 0.1, "loss", 2, 3, math.nan)]

    assert repr(melted(log, step=2)) == repr(curves + numbers)
    assert melted(log, step=2, dropna=True) == [curves[0], *numbers]


def test_steps_count_from_the_end_too(log):
    assert [row[3:] for row in melted(log, step=-1)][:3] == [(2, 2, 0.5), (1, 1, 0.8), (3, 3, 0.6)]
    assert [row[:3] for row in melted(log, step=-3)][:1] == [("adam", 0.1, "loss")]
    with pytest.raises(InvalidError, match="there is no step 0"):
        log.melt_and_explode_metric(step=0)


def test_a_part_of_the_frame_is_melted_alone(log):
    part = log.df.loc[["adam"]]

    assert {where[0] for where in log.melt_and_explode_metric(part).index} == {"adam"}
    assert len(log.melt_and_explode_metric(part.iloc[:0])) == 0


def test_what_is_no_number_is_not_melted():
    log = make(
        ConfigIter({"grid": {"a": [1]}}),
        status=["finished"],
        when=[datetime(2026, 1, 1)],  # noqa: DTZ001
        took=[timedelta(1)],
        curve=[[1, None, "x", True]],
        loss=[math.inf],
    )

    assert [row[1:] for row in melted(log)] == [
        ("curve", 1, 4, 1.0),
        ("curve", 4, 4, 1.0),
        ("loss", 1, 1, math.inf),
    ]


def test_a_field_called_as_a_level_that_is_added_is_refused():
    log = make(ConfigIter({"grid": {"step": [1]}}), loss=[1])

    with pytest.raises(InvalidError, match="a field called 'step'; rename it"):
        log.melt_and_explode_metric()


def test_a_log_shows_itself(log):
    assert repr(log) == "<ExperimentLog: 4 rows over opt, lr>"
    assert str(log).startswith("model: mlp\n")
