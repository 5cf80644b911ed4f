"""The names, and the names and order of arguments, that programs written for malet rely on."""

import inspect

import pytest

from tracker.sweeps import ConfigIter, ExperimentLog, RunInfo, Sweep

CALLS = {
    ConfigIter: {
        "filter_iter": ["filt_fn"],
        "field_type": ["field"],
    },
    ExperimentLog: {
        "from_fields": [
            *("grid_fields", "metric_fields", "static_configs", "logs_file", "use_filelock")
        ],
        "from_config_iter": ["config_iter", "metric_fields", "logs_file", "use_filelock"],
        "from_tsv": ["logs_file", "use_filelock", "parse_str"],
        "parse_tsv": ["log_file", "parse_str"],
        "lock_file": [],
        "load_tsv": ["logs_file", "parse_str"],
        "to_tsv": ["logs_file"],
        "add_result": ["configs", "metrics"],
        "derive_field": ["new_field_name", "fn", "fn_arg_fields", "is_index"],
        "drop_fields": ["field_names"],
        "rename_fields": ["name_map"],
        "grid_dict": [],
        "resolve_merge_conflicts": ["other"],
        "merge": ["others", "same"],
        "merge_tsv": ["log_files", "save_path", "same"],
        "merge_folder": ["logs_path", "save_path", "same"],
        "isin": ["config"],
        "get_metric": ["config"],
        "is_same_exp": ["other"],
        "drop_duplicates": [],
        "melt_and_explode_metric": ["df", "step", "dropna"],
    },
    RunInfo: {"get": [], "update_and_get": []},
    Sweep: {"run": []},
}
STARS = {"metrics": "**", "fn_arg_fields": "*", "others": "*", "log_files": "*"}
KINDS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


@pytest.mark.parametrize(
    ("owner", "name", "arguments"),
    [(owner, name, wanted) for owner, calls in CALLS.items() for name, wanted in calls.items()],
)
def test_a_call_takes_these_arguments_first_and_needs_no_other(owner, name, arguments):
    places = [
        one
        for one in inspect.signature(getattr(owner, name)).parameters.values()
        if one.name != "self"
    ]
    found = {one.name: KINDS.get(one.kind, "") for one in places}

    assert list(found)[: len(arguments)] == arguments
    assert {name: stars for name, stars in found.items() if name in arguments and stars} == {
        name: STARS[name] for name in arguments if name in STARS
    }
    more = places[len(arguments) :]
    assert all(one.default is not one.empty or one.kind in KINDS for one in more)


def test_objects_have_these_attributes():
    configs = ConfigIter({"depth": 3, "grid": {"lr": [0.1, 0.01]}})
    log = ExperimentLog.from_config_iter(configs, ["loss"], "log.tsv", use_filelock=True)

    assert configs.static_configs == {"depth": 3}
    assert configs.grid_fields == ["lr"]
    assert list(configs.grid_iter) == [{"lr": 0.1}, {"lr": 0.01}]
    assert configs.grid
    assert configs.grid_dict == {"lr": [0.1, 0.01]}
    assert (len(configs), configs[1].lr, len(configs[:1])) == (2, 0.01, 1)
    assert (list(log.grid_fields), list(log.metric_fields)) == (["lr"], ["loss"])
    assert log.static_configs == {"depth": 3}
    assert str(log.logs_file) == "log.tsv"
    assert log.use_filelock is True
    assert set(log.all_fields) >= {"depth", "lr", "loss"}
    assert list(log.df.columns) == ["loss"]
    assert RunInfo.infos == ["datetime", "duration", "commit_hash"]
    assert list(inspect.signature(RunInfo).parameters) == ["prev_duration"]
    assert set(RunInfo().get()) == set(RunInfo.infos)
