"""What becomes of the feature sets of a saved experiment."""

import numpy as np
import pytest

from engine.context import ExperimentContext
from engine.errors import LabelTakenError, ResolutionError
from engine.experiment import Experiment
from engine.features import FeatureSet, write_arrow
from engine.graph import ModelGraph, ModelNode
from engine.models import SequentialMLP
from engine.optimizers import Optimizer
from engine.phases import TrainPhase
from engine.samplers import SimpleSampler
from tests.engine.experiment.experiments import begun, outcome
from tests.engine.small_experiments import assert_equal, classes, mse


def load(path, **options):
    return Experiment.load(path, allow_packaged_code=True, **options)


@pytest.fixture(scope="module")
def stopped():
    return begun("small", stop=4)


@pytest.fixture(scope="module")
def whole():
    return outcome(begun("small"))


@pytest.fixture
def inside(stopped, tmp_path):
    return stopped.save(tmp_path / "inside")


@pytest.fixture
def without(stopped, tmp_path):
    return stopped.save(tmp_path / "without", featuresets=False)


def resumed(experiment):
    experiment.resume()
    return outcome(experiment)


@pytest.fixture(autouse=True)
def context():
    with ExperimentContext().activate() as context:
        yield context


class TestInTheFile:
    def test_they_come_back_with_splits_and_scalers(self, tmp_path):
        experiment = begun("folds", stop=2)
        data = experiment.ctx.get_node("clouds")
        path = experiment.save(tmp_path / "it")

        again = load(path).ctx.get_node("clouds")

        assert again == data
        assert again.fingerprint == data.fingerprint
        assert again.available_splits == ["train", "val"]
        assert np.array_equal(again["val"].indices, data["val"].indices)
        assert [one.scaler_obj.name for one in again.scaler_records] == ["StandardScaler"]

    def test_an_equal_one_may_be_given_instead(self, inside, whole, context):
        data = classes()

        experiment = load(inside, featuresets=[data])

        assert experiment.ctx.get_node("clouds") is data
        assert_equal(resumed(experiment), whole)

    def test_one_of_the_same_label_in_the_context_is_not_replaced_unasked(self, inside, context):
        data = classes()
        before = context.get_state()

        with pytest.raises(LabelTakenError, match=r"feature set 'clouds'.*overwrite=True"):
            load(inside)
        assert context.get_state() == before

        experiment = load(inside, overwrite=True)
        assert context.get_node("clouds") is not data
        assert context.get_experiment() is experiment


class TestNotInTheFile:
    def test_the_file_is_smaller_by_them(self, inside, without):
        assert inside.stat().st_size - without.stat().st_size > 90 * 7 * 8

    def test_they_are_given(self, without, whole):
        with ExperimentContext.dont_register():
            data = classes()

        assert_equal(resumed(load(without, featuresets=[data])), whole)

    def test_or_are_in_the_context_already(self, without, whole, context):
        data = classes()

        experiment = load(without)

        assert context.get_node("clouds") is data
        assert_equal(resumed(experiment), whole)

    def test_or_are_missed(self, without, context):
        with pytest.raises(ResolutionError, match=r"'clouds' is not in the file.*featuresets="):
            load(without)
        assert context.available_nodes == {}
        assert context.get_experiment() is None

    def test_one_that_nobody_asked_for_is_an_error(self, without):
        with pytest.raises(ResolutionError, match=r"no feature set 'cloud'. Did you mean 'clouds'"):
            load(without, featuresets=[classes("cloud")])

    def test_one_larger_than_memory_stays_where_it_is(self, context, tmp_path):
        parts = ({"x": np.arange(9.0) + part, "y": np.arange(9.0)} for part in range(3))
        write_arrow(tmp_path / "large.arrow", parts, "x", "y")

        def data():
            large = FeatureSet.from_arrow("large", tmp_path / "large.arrow")
            large.split_random({"train": 0.5, "test": 0.5}, seed=1)
            return large

        experiment = Experiment.from_active_context("mapped", seed=1)
        ModelNode("net", SequentialMLP(), data().reference())
        ModelGraph(["net"], Optimizer("adam"))
        phase = TrainPhase.from_split(
            "train", split="train", sampler=SimpleSampler(batch_size=4), losses=[mse("net")]
        )
        experiment.execution_plan.add_phase(phase)
        path = experiment.save(tmp_path / "it", featuresets=False)
        experiment.run()
        with ExperimentContext().activate():
            again = load(path, featuresets=[data()])
            again.run()
        assert_equal(again.model_graph.get_state(), experiment.model_graph.get_state())


class TestOfAnotherContent:
    def refused(self, path, data, match):
        with ExperimentContext().activate() as context:
            with pytest.raises(ResolutionError, match=match) as caught:
                load(path, featuresets=[data])
            assert str(path) in str(caught.value)
            assert context.available_nodes == {}

    def test_by_one_value(self, inside, without):
        frame = classes().to_pandas()
        names = {name: name.split(".")[1] for name in frame if not name.startswith("uuid")}
        frame = frame[list(names)].rename(columns=names)
        features = [name for name in frame if name.startswith("x")]
        frame.loc[3, "x2"] += 1e-9
        with ExperimentContext.dont_register():
            other = FeatureSet.from_pandas("clouds", frame, features, "y")
        other.split_random({"train": 0.8, "val": 0.2}, seed=3)
        for path in (inside, without):
            self.refused(path, other, "its raw columns differ")

    def test_by_its_splits(self, without):
        other = classes()
        other.clear_splits()
        other.split_random({"train": 0.8, "test": 0.2}, seed=3)
        self.refused(without, other, "it has no split 'val'")
        other.clear_splits()
        other.split_random({"train": 0.8, "val": 0.2}, seed=4)
        self.refused(without, other, "its split 'train' has other rows")

    def test_by_its_scaling(self, tmp_path):
        experiment = begun("folds", stop=2)
        path = experiment.save(tmp_path / "it", featuresets=False)
        other = classes()
        self.refused(path, other, "it has no column 'features.x0.transformed'")
        other.fit_transform("MinMaxScaler", domain="features", fit_to_split="train")
        self.refused(path, other, "its column 'features.x0.transformed' is scaled otherwise")
