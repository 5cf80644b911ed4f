"""Making sweeps, and giving them larger grids."""

import subprocess
import sys

import pytest

from tracker.errors import (
    ComponentError,
    ConfigurationError,
    InvalidError,
    NoLabError,
    NotFoundError,
    StateError,
)
from tracker.lab import Lab
from tracker.sweeps import ConfigIter, Sweep


def nothing(config):
    return {}


def other(config):
    return {}


def test_a_file_names_its_sweep(lab, tmp_path):
    path = tmp_path / "widths.yaml"
    path.write_text("depth: 3\ngrid:\n  width: [8, 16]\n")
    made = Sweep(path, nothing, lab=lab)

    assert made.name == "widths"
    assert [trial.config for trial in made.trials()] == [
        {"depth": 3, "width": 8},
        {"depth": 3, "width": 16},
    ]


def test_a_mapping_has_the_name_of_the_function(lab):
    assert Sweep({"grid": {"x": [1]}}, nothing, lab=lab).name == "nothing"


def test_a_recipe_without_a_name_is_refused(lab):
    with pytest.raises(InvalidError, match="needs a name"):
        Sweep({"model": "m", "grid": {"x": [1]}}, lab=lab)


def test_equal_points_are_one_trial(sweep):
    assert len(sweep(nothing, {"grid": [{"x": [1, 1.0]}, {"x": [1, 2]}]})) == 2


def test_what_is_filtered_out_is_no_trial(lab):
    configs = ConfigIter({"grid": {"x": [1, 2, 3]}})
    configs.filter_iter(lambda place, point: point["x"] != 2)

    assert [trial.config["x"] for trial in Sweep(configs, nothing, lab=lab).trials()] == [1, 3]


def test_the_nearest_lab_is_the_one_without_a_word(lab_root, monkeypatch):
    monkeypatch.chdir(lab_root)
    made = Sweep({"grid": {"x": [1]}}, nothing)

    with Lab(lab_root) as lab:
        assert Sweep.open(made.name, lab=lab).id == made.id
        assert Sweep.open(made.name, lab=lab_root).id == made.id


def test_without_a_lab_it_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoLabError):
        Sweep({"grid": {"x": [1]}}, nothing)


class TestGrowing:
    def test_the_same_again_is_the_same_sweep(self, sweep):
        first, second = sweep(nothing), sweep(nothing)

        assert first.id == second.id
        assert (first.created.is_new, second.created.is_new) == (True, False)
        assert second.created[3:6] == (0, 3, 0)

    def test_points_that_a_smaller_grid_lacks_stay(self, sweep):
        sweep(nothing)
        smaller = sweep(nothing, {"grid": {"x": [2]}})

        assert smaller.created[3:6] == (0, 1, 2)
        assert len(smaller) == 3

    def test_what_was_the_same_for_all_may_become_a_field(self, sweep):
        sweep(nothing, {"lr": 0.1, "grid": {"x": [1, 2]}})
        larger = sweep(nothing, {"grid": {"lr": [0.1, 0.01], "x": [1, 2]}})

        assert larger.created[3:6] == (2, 2, 0)
        assert larger.fields == ["lr", "x"]

    @pytest.mark.parametrize(
        ("config", "words"),
        [
            ({"lr": 0.2}, "has lr = 0.1 in all its trials, and this is 0.2"),
            ({}, "has lr = 0.1 in all its trials, which is missing here"),
            ({"lr": 0.1, "depth": 3}, "has no depth, which is 3 here"),
        ],
    )
    def test_another_static_value_is_refused_and_nothing_changes(self, sweep, config, words):
        first = sweep(nothing, {"lr": 0.1, "grid": {"x": [1, 2]}})
        with pytest.raises(StateError) as refused:
            sweep(nothing, {**config, "grid": {"x": [1, 2, 3]}})

        assert words in str(refused.value)
        assert "another name" in str(refused.value)
        assert len(first) == 2
        assert Sweep.open("small", lab=first._place.root).fields == ["x"]

    def test_another_function_is_refused(self, sweep):
        sweep(nothing)
        with pytest.raises(StateError, match=r"tries .*:nothing, and this is .*:other"):
            sweep(other)

    def test_it_becomes_a_sweep_of_the_next_name_where_that_is_wanted(self, sweep):
        sweep(nothing, {"lr": 0.1, "grid": {"x": [1]}})
        forked = sweep(nothing, {"lr": 0.2, "grid": {"x": [1]}}, fork=True)
        again = sweep(nothing, {"lr": 0.2, "grid": {"x": [1, 2]}}, fork=True)
        third = sweep(other, {"lr": 0.2, "grid": {"x": [1]}}, fork=True)
        same = sweep(nothing, {"lr": 0.1, "grid": {"x": [1]}}, fork=True)

        assert [forked.name, again.name, third.name, same.name] == [
            "small-2",
            "small-2",
            "small-3",
            "small",
        ]
        assert len(again) == 2

    def test_by_many_at_once_it_is_made_once(self, lab_root, at_once):
        def make(place):
            grid = {"grid": {"x": list(range(20 + place))}}
            return Sweep(grid, nothing, lab=lab_root).id

        ended = at_once(make, 8)

        assert {end.text for end in ended} == {"1"}
        numbers = [trial.number for trial in Sweep.open("nothing", lab=lab_root).trials()]
        assert numbers == list(range(27))


def test_a_parameter_that_no_run_could_record_is_refused(lab):
    with pytest.raises(InvalidError, match="has no name"):
        Sweep({"": 1, "grid": {"x": [1]}}, lambda config: {"y": 1}, name="nameless", lab=lab)
    assert lab.sweeps() == []


class TestTargets:
    def test_a_location_is_found_in_the_lab(self, lab, lab_root):
        (lab_root / "parts.py").write_text("def double(config):\n    return {'y': 2 * config.x}\n")
        made = Sweep({"grid": {"x": [4]}}, "parts:double", name="named", lab=lab)
        made.run()

        assert made.trials()[0].result == {"y": 8}

    @pytest.mark.parametrize(
        ("target", "error", "words"),
        [
            ("nowhere:train", ComponentError, "there is no module 'nowhere'"),
            ("math:pi", ComponentError, "math:pi is a float, not a function"),
            ("__main__:train", ComponentError, "was defined in a script or a notebook"),
            (lambda: 0, ComponentError, "must take a configuration"),
            (lambda a, b, c: {}, ComponentError, "must take a configuration"),
            (lambda a, *, b: {}, ComponentError, "must take a configuration"),
            (3, InvalidError, "A sweep's target is a function"),
        ],
    )
    def test_what_cannot_be_tried_is_refused_and_nothing_is_left(self, lab, target, error, words):
        with pytest.raises(error, match=words):
            Sweep({"grid": {"x": [1]}}, target, name="bad", lab=lab)
        with pytest.raises(NotFoundError):
            Sweep.open("bad", lab=lab)

    @pytest.mark.parametrize(
        ("function", "given"),
        [
            (lambda config: {"n": 1}, 1),
            (lambda config, trial: {"n": 2 if trial else 0}, 2),
            (lambda config, trial=None: {"n": 2 if trial else 0}, 2),
            (lambda config, depth=5: {"n": depth}, 5),
            (lambda *args: {"n": len(args)}, 1),
        ],
    )
    def test_a_function_is_given_what_it_takes(self, sweep, function, given):
        made = sweep(function, {"grid": {"x": [1]}})
        made.run()

        assert made.trials()[0].result == {"n": given}

    def test_a_wrong_grid_is_refused_with_its_line(self, lab, tmp_path):
        path = tmp_path / "bad.yaml"
        path.write_text("lr: 0.1\ngrid:\n  width: 8\n")
        with pytest.raises(ConfigurationError, match=r"bad.yaml, line 3: "):
            Sweep(path, nothing, lab=lab)

    def test_metrics_are_a_list(self, sweep):
        with pytest.raises(InvalidError, match="a list of names"):
            sweep(nothing, metrics="loss")


def test_no_worker_at_all_is_refused(sweep):
    with pytest.raises(InvalidError, match="at least 1 worker"):
        sweep(nothing).run(workers=0)


def test_several_workers_cannot_share_this_process(sweep):
    with pytest.raises(InvalidError, match="processes of their own"):
        sweep(nothing).run(workers=2, isolated=False)


def test_trials_are_named_with_their_sweep_and_unknown_ones_refused(sweep):
    made = sweep(nothing)
    for use in (
        made.log,
        lambda number: made.retry([number]),
        lambda number: made.cancel([number]),
    ):
        with pytest.raises(NotFoundError, match="small/7"):
            use(7)
    with pytest.raises(InvalidError, match="never 'done'"):
        made.trials("done")


def test_opening_the_package_brings_nothing_heavy():
    program = "import sys, tracker.sweeps.sweep; print(*sys.modules)"
    modules = subprocess.check_output([sys.executable, "-c", program], text=True).split()

    assert {"torch", "pandas", "matplotlib"}.isdisjoint(modules)
