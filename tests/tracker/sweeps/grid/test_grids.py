"""What a grid means: the configurations, and their order."""

import itertools
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tracker.pipelines.identity import canonical
from tracker.sweeps.grid import ConfigIter


def points(text):
    configs = ConfigIter.from_yaml(text)
    return configs.grid_fields, [tuple(point.values()) for point in configs.grid_iter]


def test_the_first_field_is_the_slowest():
    assert points("grid: {seed: [1, 2], lr: [0.1, 0.01], opt: [sgd, adam]}") == (
        ["seed", "lr", "opt"],
        [
            (1, 0.1, "sgd"),
            (1, 0.1, "adam"),
            (1, 0.01, "sgd"),
            (1, 0.01, "adam"),
            (2, 0.1, "sgd"),
            (2, 0.1, "adam"),
            (2, 0.01, "sgd"),
            (2, 0.01, "adam"),
        ],
    )


def test_entries_come_one_after_the_other():
    assert points("""
        grid:
        - {optimizer: [sgd], rho: [0.05],     seed: [1, 2]}
        - {optimizer: [sam], rho: [0.1, 0.2], seed: [1, 2]}
    """) == (
        ["optimizer", "rho", "seed"],
        [
            ("sgd", 0.05, 1),
            ("sgd", 0.05, 2),
            ("sam", 0.1, 1),
            ("sam", 0.1, 2),
            ("sam", 0.2, 1),
            ("sam", 0.2, 2),
        ],
    )


def test_fields_keep_the_order_in_which_they_first_appear():
    assert points("grid: [{a: [1, 2], b: [x]}, {b: [y, z], a: [3]}]") == (
        ["a", "b"],
        [(1, "x"), (2, "x"), (3, "y"), (3, "z")],
    )


def test_a_group_goes_together_and_is_slower_than_the_fields_before_it():
    text = "grid: {seed: [1, 2], group: {lr: [[0.1, 0.2], [0.01]], wd: [[1], [2, 3]]}}"
    assert points(text) == (
        ["seed", "lr", "wd"],
        [
            (1, 0.1, 1),
            (1, 0.2, 1),
            (2, 0.1, 1),
            (2, 0.2, 1),
            (1, 0.01, 2),
            (1, 0.01, 3),
            (2, 0.01, 2),
            (2, 0.01, 3),
        ],
    )


def test_a_group_of_names_makes_six_configurations():
    assert points("""
        grid:
        - optimizer: [sgd]
          group: {pai_type: [[random], [snip]], pai_scope: [[local], [global]]}
          rho: [0.05]
          seed: [1, 2, 3]
    """) == (
        ["optimizer", "pai_type", "pai_scope", "rho", "seed"],
        [("sgd", "random", "local", 0.05, seed) for seed in (1, 2, 3)]
        + [("sgd", "snip", "global", 0.05, seed) for seed in (1, 2, 3)],
    )


def test_several_groups_are_combined_and_the_first_is_the_slowest():
    assert points("""
        grid:
          group: [{lr: [[.1], [.01]], wd: [[1], [2]]}, {m: [[a], [b]], n: [[5], [6]]}]
          seed: [1]
    """) == (
        ["lr", "wd", "m", "n", "seed"],
        [
            (0.1, 1, "a", 5, 1),
            (0.1, 1, "b", 6, 1),
            (0.01, 2, "a", 5, 1),
            (0.01, 2, "b", 6, 1),
        ],
    )


def test_entries_may_have_different_fields():
    configs = ConfigIter.from_yaml("""
        model: ResNet32
        dataset: cifar10
        grid:
          - optimizer: [sgd]
            group:
              pai_type: [[random], [snip]]
              pai_scope: [[local], [global]]
            rho: [0.05]
            seed: [1, 2, 3]
          - optimizer: [sam]
            pai_type: [random, snip, lth]
            pai_sparsity: [0, 0.9, 0.95, 0.98, 0.99]
            rho: [0.05, 0.1, 0.2, 0.3]
            seed: [1, 2, 3]
    """)

    assert len(configs) == 6 + 180
    assert "pai_sparsity" not in configs[0]
    assert "pai_scope" not in configs[6]
    assert configs[6] == {
        "model": "ResNet32",
        "dataset": "cifar10",
        "optimizer": "sam",
        "pai_type": "random",
        "pai_sparsity": 0,
        "rho": 0.05,
        "seed": 1,
    }


def test_without_a_grid_there_is_one_configuration():
    configs = ConfigIter.from_yaml("lr: 0.1")

    assert list(configs) == [{"lr": 0.1}]
    assert (configs.grid, configs.grid_fields, list(configs.grid_iter)) == ([], [], [{}])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("group: {a: [ab, cd], b: [xy, z]}", [("ab", "xy"), ("cd", "z")]),
        ("group: {a: [1, [2, 3]], b: [[4, 5], null]}", [(1, 4), (1, 5), (2, None), (3, None)]),
        ("group: {a: 1, b: [x]}", [(1, "x")]),
        ("{a: adam, b: [1, 2]}", [("adam", 1), ("adam", 2)]),
        ("{a: [[1, 2], [3]], b: [{c: 1}]}", [([1, 2], {"c": 1}), ([3], {"c": 1})]),
        ("{a: [1e-3], b: ['1e-3']}", [(0.001, "1e-3")]),
    ],
)
def test_what_is_one_value(text, expected):
    assert points(f"grid: {{{text}}}" if text.startswith("g") else f"grid: {text}")[1] == expected


@pytest.mark.parametrize(
    ("text", "expected", "repeated"),
    [
        ("a: [1, 1, 2]", [(1,), (2,)], 1),
        ("a: [1, 1.0, true, '1', 1e0]", [(1,), (True,), ("1",)], 2),
        ("a: [[1], [1.0], {b: 1}, {b: 1}]", [([1],), ({"b": 1},)], 2),
        (
            "a: [1e-3, 0.001, .nan, .nan]",
            [(0.001,), (pytest.approx(float("nan"), nan_ok=True),)],
            2,
        ),
    ],
)
def test_equal_configurations_are_there_once(text, expected, repeated):
    configs = ConfigIter.from_yaml(f"grid: {{{text}}}")

    assert [tuple(point.values()) for point in configs.grid_iter] == expected
    assert configs.repeated == repeated


def test_equal_configurations_of_several_entries_are_there_once():
    configs = ConfigIter.from_yaml("""
        grid:
        - {a: [1, 2], b: [x, y]}
        - {b: [y, z], a: [2.0]}
        - {a: [2]}
        - {a: [2], b: [null]}
    """)

    assert [tuple(point.values()) for point in configs.grid_iter] == [
        (1, "x"),
        (1, "y"),
        (2, "x"),
        (2, "y"),
        (2, "z"),
        (2,),
        (2, None),
    ]
    assert configs.repeated == 1


values = st.lists(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.floats(allow_infinity=False)
    | st.text(max_size=2)
    | st.lists(st.integers(0, 2), max_size=2),
    min_size=1,
    max_size=3,
)


@st.composite
def groups(draw, names):
    length = draw(st.integers(1, 3))
    columns = st.lists(values, min_size=length, max_size=length)
    return {name: draw(columns) for name in names}


@st.composite
def entries(draw):
    names = draw(st.permutations("abcdef"))
    first, second = groups(names[:2]), groups(names[2:4])
    kinds = {
        "fields": st.fixed_dictionaries(dict.fromkeys(names[:3], values)),
        "group": st.fixed_dictionaries({names[4]: values, "group": first, names[5]: values}),
        "groups": st.fixed_dictionaries({"group": st.tuples(first, second), names[4]: values}),
    }
    return draw(kinds[draw(st.sampled_from(sorted(kinds)))])


def naive(entries, order):
    """The configurations as the rules say them, by `itertools` and nothing clever."""
    found = {}
    for entry in entries:
        together = entry.get("group", [])
        together = [together] if isinstance(together, dict) else together
        zips = [
            [dict(zip(one, row, strict=True)) for row in zip(*one.values(), strict=True)]
            for one in together
        ]
        for combination in itertools.product(*zips):
            lists = {name: one for name, one in entry.items() if name != "group"}
            for part in combination:
                lists |= part
            fields = [name for name in order if name in lists]
            for point in itertools.product(*(lists[name] for name in fields)):
                config = dict(zip(fields, point, strict=True))
                found.setdefault(canonical(config), config)
    return list(found.values())


def appearance(entries):
    order = []
    for entry in entries:
        for name, value in entry.items():
            if name == "group":
                order += [
                    field
                    for one in ([value] if isinstance(value, dict) else value)
                    for field in one
                ]
            else:
                order.append(name)
    return list(dict.fromkeys(order))


@settings(max_examples=60, deadline=None)
@given(grid=st.lists(entries(), min_size=1, max_size=3), data=st.data())
@example(grid=[{"a": [1, True, 1.0, "1"]}, {"a": [1]}], data=None)
def test_a_grid_is_what_itertools_makes_of_it(grid, data):
    configs = ConfigIter({"static": [1], "grid": grid})
    order = appearance(grid)
    expected = [{"static": [1], **point} for point in naive(grid, order)]

    assert configs.grid_fields == order
    assert [canonical(config) for config in configs] == list(map(canonical, expected))
    # In the same order, key by key, of the same types: what `==` on mappings does not see.
    assert list(map(str, map(json.dumps, configs))) == list(map(json.dumps, expected))
    assert [configs[place] for place in range(len(configs))] == list(configs)
    if data is not None:
        part = data.draw(st.slices(len(configs)))
        assert list(configs[part]) == list(configs)[part]
