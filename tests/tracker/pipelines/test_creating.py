"""Registering pipelines: all or nothing, each configuration once."""

import threading

import pytest
import yaml

from tests.tracker.pipelines.small_lab import CONFIG
from tracker.errors import (
    ComponentError,
    ConfigurationError,
    InvalidError,
    NotFoundError,
    TakenError,
    TrackerError,
)
from tracker.lab import Lab
from tracker.registry.pipelines import find_pipeline, set_archived


def names(lab):
    with lab.database.read() as session:
        from sqlalchemy import select

        from tracker.database.tables import Experiment, Pipeline

        return (
            sorted(session.scalars(select(Pipeline.name))),
            sorted(session.scalars(select(Experiment.name))),
        )


def test_a_pipeline_keeps_its_configuration_in_full_form(lab):
    path = lab.root / "small.yaml"
    path.write_text(yaml.safe_dump(CONFIG))
    pipeline = lab.create("small", path, overrides=["optimizer.args.lr=0.5"], note="a first try")

    assert pipeline.config["optimizer"] == {"loc": "torch.optim.Adam", "args": {"lr": 0.5}}
    assert pipeline.config["model"] == {"loc": "parts:Net"}
    assert pipeline.config["metrics"] == ["accuracy"]
    assert pipeline.recipe == "supervised"
    assert pipeline.note == "a first try"
    assert (pipeline.status, pipeline.run, pipeline.runs) == (None, None, [])
    assert not pipeline.is_running
    assert names(lab) == (["small"], ["small"])


def test_notes_can_be_changed(lab, create):
    pipeline = create()
    pipeline.note = "better"
    assert lab.pipeline("small").note == "better"
    pipeline.note = None
    assert pipeline.note is None


@pytest.mark.parametrize("archived", [False, True])
def test_the_same_configuration_twice_is_refused_and_names_the_twin(lab, archived):
    lab.create("first", CONFIG)
    with lab.database.write() as session:
        set_archived(session, find_pipeline(session, "first"), archived=archived)

    with pytest.raises(TakenError, match="'second' would be the same as pipeline 'first'"):
        # Another order of keys, shorthand and numbers written otherwise make no difference.
        lab.create("second", dict(reversed(CONFIG.items())), overrides={"optimizer.args.lr": 1e-2})
    assert names(lab) == (["first"], ["small"])

    lab.create("second", CONFIG, force=True)
    assert names(lab)[0] == ["first", "second"]


def test_the_same_configuration_with_other_code_is_another_one(lab):
    lab.create("first", CONFIG)
    path = lab.root / "parts.py"
    path.write_text(path.read_text() + "\nANOTHER = 1\n")

    lab.create("second", CONFIG)


def test_a_derived_one_differs_in_what_was_said(lab):
    lab.create("first", CONFIG)
    second = lab.create("second", from_="first", overrides=["model.args.hidden=3", "epochs=9"])
    third = lab.create("third", {"optimizer": "SGD", "scheduler": None}, from_="second")

    assert second.config == {
        **lab.pipeline("first").config,
        "model": {"loc": "parts:Net", "args": {"hidden": 3}},
        "epochs": 9,
    }
    assert third.config["optimizer"] == {"loc": "torch.optim.SGD"}
    assert "scheduler" not in third.config
    with pytest.raises(TakenError, match="'fourth' would be the same as pipeline 'first'"):
        lab.create("fourth", from_="first")


@pytest.mark.parametrize(
    ("name", "config", "options", "error", "message"),
    [
        ("first", CONFIG, {}, TakenError, "a pipeline named 'first' already"),
        ("", CONFIG, {}, InvalidError, "name"),
        ("a", None, {}, ConfigurationError, "give a file"),
        ("a", 3, {}, InvalidError, "a file's path or a mapping, not a int"),
        ("a", "missing.yaml", {}, NotFoundError, "no file named 'missing.yaml'"),
        ("a", None, {"from_": "frist"}, NotFoundError, "Did you mean 'first'?"),
        ("a", CONFIG, {"overrides": ["epochs=x"]}, ConfigurationError, "-s epochs=x: epochs must"),
        ("a", CONFIG, {"overrides": ["model=parts:Nat"]}, ComponentError, "Did you mean 'Net'?"),
        ("a", {**CONFIG, "recipe": "superwised"}, {}, ConfigurationError, "no recipe 'superwised'"),
        ("a", {**CONFIG, "recipe": 3}, {}, ConfigurationError, "recipe must be text"),
        ("a", {**CONFIG, "metrics": "acuracy"}, {}, ConfigurationError, "Did you mean 'accuracy'"),
        ("a", {"recipe": "parts:nothing"}, {}, ComponentError, "parts has no 'nothing'"),
    ],
)
def test_what_is_refused_leaves_nothing_behind(lab, name, config, options, error, message):
    lab.create("first", CONFIG)
    before = names(lab)
    with pytest.raises(error) as caught:
        lab.create(name, config, **options)

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert names(lab) == before


def test_of_many_that_make_the_same_pipeline_at_once_one_does(lab):
    lab.create("warm", {**CONFIG, "seed": 99})
    refused, done = [], []

    def make(number):
        own = Lab(lab.root)
        try:
            done.append(own.create(f"twin-{number}", CONFIG).name)
        except TrackerError as error:
            refused.append(str(error))
        finally:
            own.close()

    threads = [threading.Thread(target=make, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(done) == 1
    assert len(refused) == 5
    assert all(f"the same as pipeline '{done[0]}'" in text for text in refused)


def test_the_goal_of_a_metric_is_what_the_strategy_says(lab):
    lab.create(
        "small",
        CONFIG,
        overrides={
            "metrics": {"quality": {"loc": "sklearn.metrics.cohen_kappa_score"}},
            "strategy": {"monitor": "val_quality", "mode": "max"},
        },
    )

    assert lab.goal("val_quality") == "max"


def test_a_metric_of_unknown_goal_must_be_given_one(lab):
    metrics = {"quality": {"loc": "sklearn.metrics.cohen_kappa_score"}}
    with pytest.raises(ConfigurationError, match="is val_quality better low or high"):
        lab.create("small", {**CONFIG, "metrics": metrics, "strategy": {"monitor": "val_quality"}})


class TestFinding:
    def test_by_configuration_whatever_its_form(self, lab):
        lab.create("other", CONFIG, overrides={"optimizer.args.lr": 0.5})
        lab.create("first", CONFIG)
        lab.create("twin", CONFIG, force=True)
        path = lab.root / "small.yaml"
        path.write_text(yaml.safe_dump(CONFIG))

        assert lab.find_pipeline(config=CONFIG).name == "first"
        assert lab.find_pipeline(config=path).name == "first"
        found = lab.find_pipeline(config=CONFIG, overrides=["optimizer.args.lr=0.5"])
        assert found.name == "other"
        assert lab.find_pipeline(config=CONFIG, overrides=["optimizer.args.lr=0.7"]) is None

    def test_by_name_and_by_both(self, lab):
        lab.create("first", CONFIG)
        lab.create("twin", CONFIG, force=True)
        lab.create("other", CONFIG, overrides={"optimizer.args.lr": 0.5})

        assert lab.find_pipeline("twin").name == "twin"
        assert lab.find_pipeline("none") is None
        assert lab.find_pipeline("twin", config=CONFIG).name == "twin"
        assert lab.find_pipeline("other", config=CONFIG) is None

    def test_an_archived_one_counts(self, lab):
        lab.create("first", CONFIG)
        with lab.database.write() as session:
            set_archived(session, find_pipeline(session, "first"), archived=True)

        assert lab.find_pipeline(config=CONFIG).name == "first"

    def test_other_code_is_another_pipeline(self, lab):
        lab.create("first", CONFIG)
        parts = lab.root / "parts.py"
        parts.write_text(parts.read_text() + "\n\nCHANGED = True\n")

        assert lab.find_pipeline(config=CONFIG) is None

    def test_what_cannot_be_created_is_refused(self, lab):
        with pytest.raises(ComponentError):
            lab.find_pipeline(config=CONFIG, overrides={"model.loc": "parts:None_such"})
        with pytest.raises(InvalidError, match="find_pipeline"):
            lab.find_pipeline()
