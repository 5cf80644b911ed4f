import pytest
from sklearn.metrics import accuracy_score

from engine.callbacks import (
    Accuracy,
    Checkpointing,
    EarlyStopping,
    EvalLossMetric,
    Evaluation,
    F1Score,
    R2Score,
    ScoreMetric,
)
from engine.errors import PhaseError, UnknownLabelError
from engine.experiment import Experiment
from engine.optimizers import Scheduler
from engine.phases import EvalPhase, FitPhase, InputBinding, PhaseGroup, TrainPhase
from engine.samplers import SimpleSampler
from tests.engine.small_experiments import classes, classifier, cross_entropy


@pytest.fixture(autouse=True)
def graph():
    Experiment("small", seed=1)
    return classifier(classes())


def train(label="train"):
    return TrainPhase.from_split(
        label, split="train", sampler=SimpleSampler(batch_size=8), losses=[cross_entropy()]
    )


def evaluation(label):
    return EvalPhase.from_split(label, split="val")


def labels(group):
    return [item.label for item in group.all]


class TestAdding:
    def test_keeps_the_order_and_returns_the_group(self):
        group = PhaseGroup("work")
        inner = PhaseGroup("inner", [evaluation("c")])

        chained = group.add_phase(train("a")).add_group(inner).add_item(evaluation("b"))
        chained.add_items([evaluation("d"), evaluation("e")])

        assert chained is group
        assert labels(group) == ["a", "inner", "b", "d", "e"]
        assert [phase.label for phase in group.flatten()] == ["a", "c", "b", "d", "e"]
        assert list(group.phases) == ["a", "b", "d", "e"]
        assert list(group.phase_groups) == ["inner"]
        assert dict(group.items())["inner"] is inner
        assert "a" in group
        assert inner in group
        assert len(group) == 5

    @pytest.mark.parametrize("name", ["add_train_phase", "add_train", "add_training"])
    def test_makes_training_phases(self, name):
        group = PhaseGroup("work")
        binding = InputBinding.for_training(
            node="net", sampler=SimpleSampler(batch_size=8), split="train"
        )
        getattr(group, name)(
            "a", input_sources=[binding], losses=[cross_entropy()], n_epochs=3, device="cpu"
        )

        phase = group.get_train_phase("a")
        assert (phase.n_epochs, phase.device) == (3, "cpu")

    @pytest.mark.parametrize("name", ["add_eval_phase", "add_eval", "add_evaluation"])
    def test_makes_evaluation_phases(self, name):
        group = PhaseGroup("work")
        binding = InputBinding.for_evaluation(node="net", split="val")
        getattr(group, name)("a", input_sources=[binding], batch_size=4)

        assert group.get_eval_phase("a").batch_size == 4

    def test_a_label_is_there_once(self):
        group = PhaseGroup("work", [train("a")])
        with pytest.raises(PhaseError, match="'work' has an item 'a' already"):
            group.add_phase(evaluation("a"))

    def test_only_phases_and_groups(self):
        group = PhaseGroup("work")
        for add, wrong in [
            (group.add_item, "train"),
            (group.add_phase, PhaseGroup("x")),
            (group.add_group, train()),
        ]:
            with pytest.raises(TypeError):
                add(wrong)

    def test_a_group_is_no_part_of_itself(self):
        outer, inner = PhaseGroup("outer"), PhaseGroup("inner")
        outer.add_group(inner)
        with pytest.raises(PhaseError, match="'outer' cannot be a part of itself"):
            inner.add_group(outer)


class TestFinding:
    @pytest.fixture
    def group(self):
        inner = PhaseGroup("inner", [evaluation("c")])
        fit = FitPhase.from_split("f", split="train")
        return PhaseGroup("work", [train("a"), inner, evaluation("b"), fit])

    def test_by_label_or_position(self, group):
        assert group.get_phase("a") is group.get_phase(0) is group.get_train_phase("a")
        assert group.get_group(1) is group.get_group("inner") is group.get_item(-3)
        assert group.get_eval_phase(2).label == "b"
        assert group.get_fit_phase("f").label == "f"

    def test_of_another_kind_is_a_type_error(self, group):
        for get, key in [
            (group.get_phase, "inner"),
            (group.get_train_phase, "b"),
            (group.get_eval_phase, 0),
            (group.get_group, "a"),
        ]:
            with pytest.raises(TypeError, match="is a"):
                get(key)

    def test_an_unknown_label_names_the_nearest(self, group):
        with pytest.raises(UnknownLabelError, match="Did you mean 'inner'"):
            group.get_group("iner")
        with pytest.raises(PhaseError, match="has 4 items and none at 7"):
            group.get_phase(7)


class TestRemoving:
    @pytest.fixture
    def group(self):
        return PhaseGroup(
            "work", [train("a"), PhaseGroup("inner"), evaluation("b"), evaluation("c")]
        )

    def test_by_position_label_or_itself(self, group):
        group.remove_item(0).remove_phase("b").remove_group(group.get_group("inner"))

        assert labels(group) == ["c"]
        assert group.clear().all == []

    def test_several_by_the_positions_they_had(self, group):
        group.remove_items([0, 2, "c"])

        assert labels(group) == ["inner"]

    def test_the_kind_must_fit(self, group):
        with pytest.raises(TypeError):
            group.remove_phase("inner")
        with pytest.raises(TypeError):
            group.remove_group("a")
        assert len(group) == 4

    def test_another_phase_of_the_same_label_is_not_there(self, group):
        with pytest.raises(UnknownLabelError):
            group.remove_phase(train("a"))


def test_configurations_make_equal_groups():
    losses = [cross_entropy()]
    evaluation = Evaluation.from_split(
        label="val",
        split="val",
        losses=losses,
        metrics=[Accuracy(), EvalLossMetric(loss=losses[0]), R2Score("net", unscale=True)],
    )
    scored = EvalPhase.from_split(
        "b",
        split="val",
        metrics=[F1Score(average="micro"), ScoreMetric(accuracy_score, name="hits", node="net")],
    )
    trained = TrainPhase.from_split(
        "a",
        split="train",
        sampler=SimpleSampler(batch_size=8, shuffle=True, seed=3),
        losses=losses,
        n_epochs=4,
        callbacks=[evaluation, EarlyStopping(patience=2)],
        checkpointing=Checkpointing(every_n=2),
        scheduler=Scheduler("steplr", {"step_size": 1}),
    )
    group = PhaseGroup("work", [trained, PhaseGroup("inner", [scored])])

    again = PhaseGroup.from_config(group.get_config())

    assert again.get_config() == group.get_config()
    assert [type(phase) for phase in again.flatten()] == [TrainPhase, EvalPhase]
    assert [type(one) for one in again.get_train_phase("a").callbacks] == [
        Evaluation,
        EarlyStopping,
    ]


def test_a_configuration_cannot_name_just_anything():
    config = PhaseGroup("work", [train("a")]).get_config()
    config["phases"][0]["config"]["input_sources"][0]["sampler"]["class"] = "pathlib:Path"

    with pytest.raises(PhaseError, match="pathlib:Path is no BaseSampler"):
        PhaseGroup.from_config(config)
