"""Training goes on in another lab, to the bit; foreign estimators are loaded only when trusted."""

import textwrap

import pytest
import torch

from tests.tracker.pipelines.small_lab import CONFIG, PARTS, StopIn, points_of, weights_of
from tracker.errors import StateError
from tracker.lab import Lab
from tracker.sweeps import Sweep

FOREST = {
    "experiment": "small",
    "dataset": "parts:points",
    "model": {"loc": "sklearn.ensemble.RandomForestClassifier", "args": {"n_estimators": 5}},
    "split": {"train": 0.5, "validate": 0.25, "test": 0.25},
}


@pytest.fixture
def labs(new_lab):
    """Three labs with the same small problem to learn."""
    made = [new_lab(name) for name in ("whole", "first", "second")]
    for lab in made:
        (lab.root / "parts.py").write_text(textwrap.dedent(PARTS))
    return made


def patient(epochs=4):
    return CONFIG | {"epochs": epochs, "strategy": {"monitor": "val_loss", "patience": 9}}


class TestGoingOn:
    @pytest.mark.parametrize("step", [4, 7])
    def test_the_end_is_that_of_one_that_never_stopped(self, labs, tmp_path, step):
        whole, first, second = labs
        for lab in (whole, first):
            lab.create("small", patient())
        whole.pipeline("small").train(progress=False)
        first.pipeline("small").train(progress=False, reporters=[StopIn(step)])
        first.export_bundle(tmp_path / "b", "small")
        second.import_bundle(tmp_path / "b")
        pipeline = second.pipeline("small")
        assert pipeline.status == "stopped"
        pipeline.resume(progress=False)

        assert pipeline.status == "finished"
        assert points_of(second, "small") == points_of(whole, "small")
        for which in ("last", "best"):
            expected = weights_of(whole.pipeline("small"), which)
            found = weights_of(pipeline, which)
            assert all(torch.equal(expected[name], found[name]) for name in expected)

    def test_it_goes_there_and_back_again(self, labs, tmp_path):
        whole, first, second = labs
        for lab in (whole, first):
            lab.create("small", patient(3))
        whole.pipeline("small").train(progress=False)
        first.pipeline("small").train(1, progress=False)
        first.export_bundle(tmp_path / "there", "small", move=True)
        second.import_bundle(tmp_path / "there")
        second.pipeline("small").train(2, progress=False)
        second.export_bundle(tmp_path / "back", "small", move=True)
        first.import_bundle(tmp_path / "back")
        first.pipeline("small").train(3, progress=False)

        assert points_of(first, "small") == points_of(whole, "small")
        expected, found = (weights_of(lab.pipeline("small")) for lab in (whole, first))
        assert all(torch.equal(expected[name], found[name]) for name in expected)

    def test_one_that_went_on_in_both_labs_is_refused(self, labs, tmp_path):
        _, first, second = labs
        first.create("small", patient(3))
        first.pipeline("small").train(1, progress=False)
        first.export_bundle(tmp_path / "b", "small")
        second.import_bundle(tmp_path / "b")
        second.pipeline("small").train(2, progress=False)
        points = points_of(second, "small")
        with pytest.raises(Exception, match="has gone on differently"):
            second.import_bundle(tmp_path / "b")
        second.import_bundle(tmp_path / "b", taken="skip")
        assert points_of(second, "small") == points

        second.import_bundle(tmp_path / "b", taken="replace")
        assert points_of(second, "small") == points_of(first, "small")
        second.pipeline("small").train(2, progress=False)
        assert points_of(second, "small") == points


FITTING = """
def train(config, trial):
    from sklearn.ensemble import RandomForestClassifier

    forest = trial.resumed
    if forest is None:
        forest = RandomForestClassifier(2, random_state=0).fit([[0], [1]], [0, 1])
        trial.request_stop()
    trial.checkpoint(forest)
    return {"right": int(forest.predict([[1]])[0])}
"""


class TestForeignTrials:
    @pytest.fixture
    def bundle(self, labs, tmp_path):
        for lab in labs:
            (lab.root / "fitting.py").write_text(FITTING)
        made = Sweep({"grid": {"x": [1]}}, "fitting:train", name="forests", lab=labs[1])
        made.run()
        assert [trial.status for trial in made.trials()] == ["stopped"]
        labs[1].export_bundle(tmp_path / "b", "forests")
        return tmp_path / "b"

    def test_estimators_that_they_saved_are_not_loaded_unasked(self, labs, bundle):
        labs[2].import_bundle(bundle)
        sweep = labs[2].sweep("forests")
        sweep.run()

        (trial,) = sweep.trials()
        assert trial.status == "failed"
        assert "came in a bundle" in trial.reason

    def test_they_go_on_with_them_once_they_are_trusted(self, labs, bundle):
        labs[2].import_bundle(bundle, trust=True)
        sweep = labs[2].sweep("forests")
        sweep.run()

        assert [trial.result for trial in sweep.trials()] == [{"right": 1}]


class TestForeignEstimators:
    @pytest.fixture
    def bundle(self, labs, tmp_path):
        labs[1].create("forest", FOREST)
        labs[1].pipeline("forest").train(progress=False)
        labs[1].export_bundle(tmp_path / "b", "forest")
        return tmp_path / "b"

    def test_they_are_not_loaded_unasked(self, labs, bundle):
        labs[2].import_bundle(bundle)

        with pytest.raises(StateError, match=r"came in a bundle.*`labkeeper transfer trust`"):
            labs[2].pipeline("forest").load_model("last")

    def test_they_are_loaded_from_a_bundle_that_is_trusted(self, labs, bundle):
        labs[2].import_bundle(bundle, trust=True)

        assert len(labs[2].pipeline("forest").load_model("last").estimators_) == 5

    def test_they_are_loaded_once_they_are_trusted(self, labs, bundle):
        labs[2].import_bundle(bundle)
        trusted = labs[2].trust("forest")

        assert trusted > 0
        assert len(labs[2].pipeline("forest").load_model("last").estimators_) == 5
        assert labs[2].trust("forest") == 0

    def test_trust_ends_where_a_bundle_begins(self, labs, bundle, tmp_path):
        """Who takes in what we trust has to say so again."""
        labs[2].import_bundle(bundle, trust=True)
        labs[2].export_bundle(tmp_path / "again", "forest")
        labs[0].import_bundle(tmp_path / "again")

        with pytest.raises(StateError, match="came in a bundle"):
            labs[0].pipeline("forest").load_model("last")

    def test_what_this_lab_wrote_itself_is_loaded(self, labs, bundle):
        labs[1].import_bundle(bundle)
        assert labs[1].pipeline("forest").load_model("last").n_estimators == 5

    def test_torch_models_need_no_trust(self, labs, tmp_path):
        labs[1].create("small", patient(1))
        labs[1].pipeline("small").train(progress=False)
        labs[1].export_bundle(tmp_path / "b", "small")
        labs[2].import_bundle(tmp_path / "b")

        assert set(weights_of(labs[2].pipeline("small")))


class TestSources:
    def test_they_are_listed_shown_and_unpacked_but_not_imported(self, labs, new_lab, tmp_path):
        _, first, _ = labs
        (first.root / "parts.py").write_text("import more\n" + textwrap.dedent(PARTS))
        (first.root / "more.py").write_text("raise_on_import = 1\n")
        first.create("small", patient(1))
        first.export_bundle(tmp_path / "b", "small", sources=True)
        other = new_lab("other")

        inside = other.look_inside_bundle(tmp_path / "b")
        assert set(inside.sources) == {"parts.py", "more.py"}
        assert inside.sources["more.py"] == "raise_on_import = 1\n"
        other.import_bundle(tmp_path / "b")
        assert not (other.root / "parts.py").exists()

    def test_without_being_asked_none_comes_along(self, labs, tmp_path):
        labs[1].create("small", patient(1))
        done = labs[1].export_bundle(tmp_path / "b", "small")

        assert done.contents.sources is False
        assert labs[1].look_inside_bundle(tmp_path / "b").sources == {}

    def test_unpacking_overwrites_nothing(self, tmp_path):
        from tracker.errors import InvalidError, TakenError
        from tracker.transfer.components import unpack_sources

        sources = {"a/__init__.py": "", "a/b.py": "x = 'ü'\n"}
        assert len(unpack_sources(sources, tmp_path)) == 2
        assert (tmp_path / "a" / "b.py").read_text("utf-8") == "x = 'ü'\n"
        assert unpack_sources(sources, tmp_path) == []
        with pytest.raises(TakenError, match="something else"):
            unpack_sources({"c.py": "", "a/b.py": "other"}, tmp_path)
        assert not (tmp_path / "c.py").exists()
        (tmp_path / "out").symlink_to(tmp_path.parent)
        for place in ("../evil.py", "/evil.py", "out/evil.py", "evil.sh"):
            with pytest.raises(InvalidError):
                unpack_sources({place: ""}, tmp_path)


def test_a_lab_that_was_moved_as_a_directory_goes_on(labs, tmp_path):
    whole, first, _ = labs
    for lab in (whole, first):
        lab.create("small", patient(2))
    whole.pipeline("small").train(progress=False)
    first.pipeline("small").train(1, progress=False)
    first.close()
    first.root.rename(tmp_path / "moved")
    with Lab(tmp_path / "moved") as moved:
        moved.pipeline("small").train(2, progress=False)
        assert points_of(moved, "small") == points_of(whole, "small")
