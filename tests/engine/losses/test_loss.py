import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from engine.errors import LossError, PackagedCodeError
from engine.losses import Loss

X = torch.tensor([[1.0, 2.0], [3.0, 5.0], [0.0, 1.0]])
Y = torch.tensor([[1.5, 2.0], [2.0, 5.5], [0.0, 3.0]])


def rows(outputs, targets, power=2):
    """One value for each row."""
    return ((outputs - targets).abs() ** power).mean(dim=1)


class TestNames:
    @pytest.mark.parametrize("name", ["mse", "MSE", "MSELoss", "mse_loss", "mseloss", "Mse-Loss"])
    def test_are_torchs_in_any_spelling(self, name):
        loss = Loss(name)

        assert loss.name == "mse"
        assert loss.cls is torch.nn.MSELoss

    @pytest.mark.parametrize(
        ("name", "cls"),
        [
            ("mae", torch.nn.L1Loss),
            ("cross_entropy", torch.nn.CrossEntropyLoss),
            ("ce", torch.nn.CrossEntropyLoss),
            ("bce_with_logits", torch.nn.BCEWithLogitsLoss),
            ("huber", torch.nn.HuberLoss),
        ],
    )
    def test_have_the_usual_short_forms(self, name, cls):
        assert Loss(name).cls is cls

    def test_suggest_the_nearest(self):
        with pytest.raises(LossError, match=r"no loss 'crosentropy'. Did you mean 'crossentropy'"):
            Loss("crosentropy")

    def test_of_functions_are_their_own(self):
        assert Loss(rows).name == "rows"
        assert Loss(lambda o, t: 0).name == "loss"
        assert Loss(torch.nn.L1Loss()).name == "l1"


class TestReduction:
    @given(reduction=st.sampled_from(["mean", "sum", "none"]))
    def test_is_what_it_is_called(self, reduction):
        expected = functional.mse_loss(X, Y, reduction=reduction)

        assert torch.equal(Loss("mse", reduction=reduction)(X, Y), expected)

    def test_is_the_mean_if_nothing_is_said(self):
        assert torch.equal(Loss("mse")(X, Y), functional.mse_loss(X, Y))

    def test_goes_into_a_class_unless_given_there(self):
        loss = Loss("mse", loss_kwargs={"reduction": "sum"})

        assert torch.equal(loss(X, Y), functional.mse_loss(X, Y, reduction="sum"))

    def test_must_be_one_of_three(self):
        with pytest.raises(LossError, match="'avg'"):
            Loss("mse", reduction="avg")


class TestSources:
    def test_a_class_with_arguments(self):
        weight = torch.tensor([1.0, 3.0])
        loss = Loss(torch.nn.CrossEntropyLoss, loss_kwargs={"weight": weight})

        target = torch.tensor([0, 1, 1])
        assert torch.equal(loss(X, target), functional.cross_entropy(X, target, weight))

    def test_an_instance(self):
        assert torch.equal(Loss(torch.nn.L1Loss())(X, Y), functional.l1_loss(X, Y))

    def test_a_function_with_arguments(self):
        assert torch.equal(Loss(rows, loss_kwargs={"power": 3})(X, Y), rows(X, Y, power=3))

    def test_a_factory(self):
        loss = Loss(factory=torch.nn.HuberLoss, loss_kwargs={"delta": 0.1})

        assert not loss.is_built
        assert torch.equal(loss(X, Y), functional.huber_loss(X, Y, delta=0.1))
        assert loss.is_built

    def test_exactly_one_must_be_given(self):
        with pytest.raises(LossError, match="either a loss or a factory"):
            Loss()
        with pytest.raises(LossError, match="either a loss or a factory"):
            Loss("mse", factory=torch.nn.L1Loss)

    def test_others_are_refused(self):
        with pytest.raises(LossError, match="5 is not a loss"):
            Loss(5)
        with pytest.raises(LossError, match=r"made 5, not a function|this is 5"):
            Loss(factory=lambda: 5).build()

    def test_arguments_are_checked_with_a_suggestion(self):
        with pytest.raises(LossError, match="Did you mean 'label_smoothing'"):
            Loss("ce", loss_kwargs={"label_smooting": 0.1})

    def test_an_instance_takes_no_more_arguments(self):
        with pytest.raises(LossError, match="made already"):
            Loss(torch.nn.L1Loss(), loss_kwargs={"reduction": "sum"})

    def test_other_backends_are_refused(self):
        with pytest.raises(ValueError, match="TensorFlow"):
            Loss("mse", backend="tensorflow")


class TestBuilding:
    def test_again_only_by_force(self):
        loss = Loss("huber")
        loss.build(delta=0.2)

        with pytest.raises(LossError, match="force_rebuild"):
            loss.build()
        loss.build(force_rebuild=True, delta=0.5)
        assert loss.function.delta == 0.5

    def test_keywords_are_those_of_the_call(self):
        assert Loss("mse").allowed_keywords == ["input", "target"]
        assert Loss("tripletmargin").allowed_keywords == ["anchor", "positive", "negative"]
        assert Loss(rows, loss_kwargs={"power": 1}).allowed_keywords == ["outputs", "targets"]


class TestConfiguration:
    @pytest.mark.parametrize(
        "loss",
        [
            Loss("huber", loss_kwargs={"delta": 0.1}, reduction="sum"),
            Loss(functional.l1_loss, match_shapes=False),
            Loss(factory=torch.nn.HuberLoss, loss_kwargs={"delta": 0.1}),
        ],
    )
    def test_makes_an_equal_loss(self, loss):
        again = Loss.from_config(loss.get_config())

        assert again.get_config() == loss.get_config()
        assert torch.equal(again(X, Y), loss(X, Y))

    def test_of_what_nobody_can_find_is_refused(self):
        with pytest.raises(PackagedCodeError, match="is a lambda"):
            Loss(lambda o, t: 0).get_config()
