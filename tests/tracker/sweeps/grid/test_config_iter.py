"""`ConfigIter` as a sequence: where it comes from, how it is filtered, what it knows."""

import numpy as np
import pytest

from tracker.errors import ConfigurationError, InvalidError, NotFoundError, StateError
from tracker.sweeps import ConfigIter
from tracker.sweeps.config import Config

TEXT = """\
model: {name: mlp, depth: 3}
grid:
  lr: [0.1, 0.01]
  seed: [1, 2, 3]
"""


@pytest.fixture
def configs():
    return ConfigIter.from_yaml(TEXT)


def test_a_file_text_and_a_mapping_say_the_same(tmp_path, configs):
    (tmp_path / "sweep.yaml").write_text(TEXT)
    (tmp_path / "sweep.toml").write_text(
        "model = {name = 'mlp', depth = 3}\n[grid]\nlr = [0.1, 0.01]\nseed = [1, 2, 3]\n"
    )
    mapping = {
        "model": {"name": "mlp", "depth": np.int64(3)},
        "grid": {"lr": np.array([0.1, 0.01]), "seed": range(1, 4)},
    }

    for source in (tmp_path / "sweep.yaml", str(tmp_path / "sweep.toml"), mapping):
        assert list(ConfigIter(source)) == list(configs)


def test_it_is_a_sequence(configs):
    assert len(configs) == 6
    assert configs[0] == {"model": {"name": "mlp", "depth": 3}, "lr": 0.1, "seed": 1}
    assert configs[-1] == configs[5] == list(configs)[5]
    assert [config.seed for config in configs[1:5:2]] == [2, 1]
    assert list(configs[::-1]) == list(configs)[::-1]
    assert configs[2] in configs
    assert repr(configs) == "<ConfigIter: 6 configurations over lr, seed>"
    with pytest.raises(IndexError):
        configs[6]


def test_a_slice_is_independent(configs):
    part = configs[:2]
    part.filter_iter(lambda place, point: False)

    assert (len(part), len(configs)) == (0, 6)
    assert configs[:2].grid_dict == configs.grid_dict


def test_the_parts_of_a_grid(configs):
    assert configs.static_configs == {"model": {"name": "mlp", "depth": 3}}
    assert configs.grid == [{"lr": [0.1, 0.01], "seed": [1, 2, 3]}]
    assert configs.grid_fields == ["lr", "seed"]
    assert configs.grid_iter[4] == {"lr": 0.01, "seed": 2}
    assert configs.grid_iter[4:] == [{"lr": 0.01, "seed": 2}, {"lr": 0.01, "seed": 3}]
    assert repr(configs.grid_iter[4:5]) == "<1 points: {'lr': 0.01, 'seed': 2}>"


def test_a_filter_sees_places_among_those_left(configs):
    seen = []
    assert configs.filter_iter(lambda place, point: point["seed"] != 1) is None
    configs.filter_iter(lambda place, point: seen.append((place, point)) or place % 2 == 0)

    assert seen[:3] == [
        (0, {"lr": 0.1, "seed": 2}),
        (1, {"lr": 0.1, "seed": 3}),
        (2, {"lr": 0.01, "seed": 2}),
    ]
    assert [config.lr for config in configs] == [0.1, 0.01]
    assert [config.lr for config in configs.grid_iter] == [0.1, 0.01]
    assert configs[1].seed == 2


def test_what_a_filter_does_to_its_argument_changes_nothing(configs):
    configs.filter_iter(lambda place, point: point.pop("lr"))

    assert "lr" in configs[0]


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        ({"a": [1, 0.5], "b": ["x"]}, {"a": [1, 0.5], "b": ["x"]}),
        ({"a": [1, 1, "two", None]}, {"a": [1, 1, "two", None]}),
        ([{"a": [1, 2], "b": [5]}, {"b": [7, 5], "a": [3, 1]}], {"a": [1, 2, 3], "b": [5, 7]}),
        ([{"a": [1, True]}, {"a": ["1", 1.0], "b": [None]}], {"a": [1, True, "1"], "b": [None]}),
        ({"group": {"a": [[1], [2, 1]], "b": ["x", "y"]}}, {"a": [1, 2], "b": ["x", "y"]}),
    ],
)
def test_grid_dict_combines_by_name_and_keeps_types_and_order(grid, expected):
    found = ConfigIter({"grid": grid}).grid_dict

    assert found == expected
    assert [list(map(type, values)) for values in found.values()] == [
        list(map(type, values)) for values in expected.values()
    ]


def test_grid_dict_is_that_of_the_whole_grid(configs):
    configs.filter_iter(lambda place, point: place == 0)
    configs.grid_dict["lr"].clear()

    assert configs.grid_dict == {"lr": [0.1, 0.01], "seed": [1, 2, 3]}


def test_field_type_is_that_of_the_first_configuration_left():
    configs = ConfigIter(
        {"flag": True, "grid": [{"a": [1, "x"], "n": [None]}, {"a": [0.5], "late": [[1]]}]}
    )

    assert [configs.field_type(field) for field in ("flag", "a", "n", "late")] == [
        bool,
        int,
        type(None),
        list,
    ]
    configs.filter_iter(lambda place, point: place > 0)
    assert configs.field_type("a") is str
    with pytest.raises(KeyError, match=r"no field named 'lat'. Did you mean 'late'"):
        configs.field_type("lat")
    configs.filter_iter(lambda place, point: place == 0)
    with pytest.raises(StateError, match="No configuration with 'late' is left"):
        configs.field_type("late")


def test_a_key_after_the_grid_and_a_comment_in_it_are_no_fields():
    configs = ConfigIter.from_yaml("grid:\n  lr: [1]  # note: x\nlast: {a: 'x;y'}\n")

    assert configs.grid_fields == ["lr"]
    assert configs[0] == {"last": {"a": "x;y"}, "lr": 1}


def test_dotted_fields_stand_beside_what_they_change():
    configs = ConfigIter({"optimizer": {"lr": 1}, "grid": {"optimizer.lr": [0.1]}})

    assert configs[0].to_dict() == {"optimizer": {"lr": 1}, "optimizer.lr": 0.1}


def test_a_large_grid_is_worked_out_where_it_is_looked_at():
    configs = ConfigIter({"grid": {field: range(100) for field in "abc"}})

    assert len(configs) == 1_000_000
    assert configs[999_999] == {"a": 99, "b": 99, "c": 99}
    assert configs[70_605:][0] == {"a": 7, "b": 6, "c": 5}


WRONG = [
    ("grid:\n", 1, "a grid is a mapping of fields to lists of values, or a list of such"),
    ("grid: []\n", 1, "not an empty list"),
    ("grid: 3\n", 1, "such mappings, not 3"),
    ("grid:\n- {a: [1]}\n- 3\n", 3, "an entry of the grid is a mapping of fields to lists, not 3"),
    ("grid:\n  a: [1]\n  b: 0.1\n", 3, "a list of values, not 0.1: write [0.1]"),
    ("grid:\n  a: [1]\n  b: true\n", 3, "a list of values, not true: write [true]"),
    ("grid:\n  a:\n", 2, "a list of values, not nothing"),
    ("grid:\n  a: {b: [1]}\n", 2, "a list of values, not a mapping"),
    ("grid:\n  a: [1]\n  b: []\n", 3, "the list of values is empty"),
    ("grid:\n  a: [1]\n  a: [2]\n", 3, "the key 'a' stands twice"),
    ("a: 1\ngrid:\n  b: [1]\n  a: [2]\n", 4, "'a' is a field of the grid and a static value"),
    ("grid:\n- b: [1]\n- a: [2]\na: 1\n", 3, "(the grid, line 4)"),
    ("a: 1\ngrid:\n  group:\n    a: [2]\n", 4, "'a' is a field of the grid and a static value"),
    (
        "grid:\n  a: [1]\n  group:\n    a: [2]\n",
        4,
        "'a' stands twice in this entry (also the grid, line 2)",
    ),
    ("grid:\n  group:\n  - {a: [2]}\n  - {a: [1]}\n", 4, "'a' stands twice in this entry"),
    ("grid:\n  group:\n    a: [1, 2]\n    b: [1]\n", 4, "'a' has 2 and 'b' has 1"),
    ("grid:\n  group:\n    a: [[1], []]\n", 3, "the list of values is empty"),
    ("grid:\n  group:\n    a: []\n", 3, "the list of 'a' is empty"),
    ("grid:\n  b: [1]\n  group: []\n", 3, "the list of groups is empty"),
    ("grid:\n  group: 3\n", 2, "a group is a mapping of fields to lists that go together, not 3"),
    ("grid:\n  group:\n  - {a: [1]}\n  - {}\n", 4, "not an empty mapping"),
    ("grid:\n  group:\n    group: {a: [1]}\n", 3, "a group cannot stand in a group"),
    ("grid:\n  '': [1]\n", 2, "a field needs a name"),
    ("grid:\n  1: [1]\n", 2, "a key must be text"),
    ("a: 1\ngrid:\n  [i;0:1:3]: [1]\n", 3, "a key must be text"),
    ("grid:\n  a: [1\n", 3, "not valid YAML"),
    ("grid:\n  a: [1]\n  b: [i;0:0:3]\n", 3, "the step of '0:0:3' is 0"),
    ("x: 1\ny: [10**-j;1:1:3]\n", 2, "the range [10**-j;1:1:3] is not valid"),
]


@pytest.mark.parametrize(("text", "line", "words"), WRONG, ids=[repr(row[0]) for row in WRONG])
def test_a_wrong_grid_is_refused_with_its_line(text, line, words):
    with pytest.raises(ConfigurationError) as refused:
        ConfigIter.from_yaml(text)

    assert str(refused.value).startswith(f"the grid, line {line}: ")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_wrong_grid_in_a_file_names_the_file(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text("grid:\n  lr: 0.1\n")

    with pytest.raises(ConfigurationError, match=r"sweep\.yaml, line 2: a field of the grid"):
        ConfigIter(path)
    with pytest.raises(NotFoundError, match=r"Did you mean '.*sweep\.yaml'"):
        ConfigIter(tmp_path / "swep.yaml")


def test_a_wrong_mapping_names_the_field():
    with pytest.raises(ConfigurationError, match="'lr' is a field of the grid and a static value"):
        ConfigIter({"lr": 1, "grid": {"lr": [2]}})
    with pytest.raises(ConfigurationError, match=r"grid.lr.1: a set cannot be kept"):
        ConfigIter({"grid": {"lr": [1, {2}]}})


def test_a_source_that_is_none_is_refused():
    with pytest.raises(InvalidError, match=r"ConfigIter.from_yaml reads it"):
        ConfigIter(TEXT)
    with pytest.raises(InvalidError, match="not a list"):
        ConfigIter([{"lr": [1]}])


def test_a_grid_too_large_to_run_is_refused_at_once():
    huge = {field: range(100_000) for field in "abc"}
    with pytest.raises(
        ConfigurationError, match="1,000,000,000,000,000 points; at most 10,000,000"
    ):
        ConfigIter({"grid": huge})
    pairs = [{field: list(range(2))} for field in "abcdefghijklmnopqrstu"]
    with pytest.raises(ConfigurationError, match="more than 1,000,000 combinations"):
        ConfigIter({"grid": {"group": pairs}})


def test_a_configuration_of_a_grid_is_a_config(configs):
    assert all(type(config) is Config for config in (*configs, *configs.grid_iter))
    assert configs[0].model.depth == 3
