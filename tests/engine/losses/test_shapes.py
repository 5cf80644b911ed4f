import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from engine.errors import LossError
from engine.losses import AppliedLoss, Loss
from engine.losses.bound import LossCall


def call(loss, outputs, targets, **kwargs):
    applied = AppliedLoss(loss if isinstance(loss, Loss) else Loss(loss, **kwargs), "net")
    return LossCall(applied, ["outputs", "targets"])([outputs, targets])


class TestNumbers:
    @given(
        ones=st.lists(st.integers(0, 2), min_size=2, max_size=2),
        n=st.integers(1, 4),
        width=st.integers(1, 3),
    )
    def test_dimensions_of_length_one_make_no_difference(self, ones, n, width):
        outputs, targets = torch.rand(n, width), torch.rand(n, width)
        expected = functional.mse_loss(outputs, targets)

        shaped = call(
            "mse",
            outputs.reshape(n, *[1] * ones[0], width),
            targets.reshape(n, width, *[1] * ones[1]),
        )
        assert torch.equal(shaped, expected)

    def test_flat_outputs_meet_column_targets(self):
        outputs, targets = torch.rand(4), torch.rand(4, 1)

        assert torch.equal(
            call("mse", outputs, targets), functional.mse_loss(outputs, targets[:, 0])
        )

    @pytest.mark.parametrize("loss", ["mse", functional.l1_loss, lambda o, t: (o - t).abs()])
    @pytest.mark.parametrize(
        ("outputs", "targets"),
        [((4, 3), (4, 1)), ((4, 1), (4, 3)), ((4, 3), (4,)), ((4, 2), (4, 3))],
    )
    def test_any_other_difference_is_an_error_with_both_shapes(self, loss, outputs, targets):
        with pytest.raises(LossError) as caught:
            call(loss, torch.rand(outputs), torch.rand(targets))

        assert str(outputs) in str(caught.value)
        assert str(targets) in str(caught.value)
        assert "net." in str(caught.value)

    def test_unless_the_loss_compares_them_on_purpose(self):
        def pinball(outputs, targets):
            return (targets - outputs).abs().mean(dim=1)

        outputs, targets = torch.rand(4, 3), torch.rand(4, 1)
        value = call(Loss(pinball, match_shapes=False), outputs, targets)

        assert torch.equal(value, (targets - outputs).abs().mean(dim=1).mean())

    def test_whole_numbers_become_the_outputs_type(self):
        outputs = torch.rand(4, 1, dtype=torch.float64, requires_grad=True)
        targets = torch.tensor([[1], [2], [0], [5]])

        value = call("mse", outputs, targets)
        value.backward()
        assert torch.equal(value, functional.mse_loss(outputs, targets.double()))
        binary = call("bce_with_logits", outputs, targets % 2)
        assert torch.equal(
            binary, functional.binary_cross_entropy_with_logits(outputs, (targets % 2).double())
        )


class TestClasses:
    @pytest.mark.parametrize("loss", ["crossentropy", "nll", functional.cross_entropy])
    @pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 1, 1)])
    def test_indices_come_as_a_column_or_flat(self, loss, shape):
        outputs = torch.rand(4, 3)
        targets = torch.tensor([0, 2, 1, 1])
        function = functional.nll_loss if loss == "nll" else functional.cross_entropy

        value = call(loss, outputs, targets.reshape(shape))
        assert torch.equal(value, function(outputs, targets))

    def test_indices_for_every_place_of_an_image(self):
        outputs = torch.rand(2, 3, 4, 5)
        targets = torch.randint(0, 3, (2, 1, 4, 5))

        value = call("crossentropy", outputs, targets)
        assert torch.equal(value, functional.cross_entropy(outputs, targets[:, 0]))

    def test_probabilities_are_not_indices(self):
        outputs, targets = torch.rand(4, 3), torch.rand(4, 3).softmax(dim=1)

        value = call("crossentropy", outputs, targets)
        assert torch.equal(value, functional.cross_entropy(outputs, targets))

    def test_two_classes_of_two_samples_are_not_mistaken_for_numbers(self):
        outputs, targets = torch.rand(1, 1), torch.zeros(1, 1, dtype=torch.int64)

        assert torch.equal(
            call("crossentropy", outputs, targets), functional.cross_entropy(outputs, targets[:, 0])
        )

    def test_fractions_for_classes_are_an_error_that_says_why(self):
        with pytest.raises(LossError, match=r"\(4, 3\).*\(4, 1\).*whole numbers"):
            call("crossentropy", torch.rand(4, 3), torch.rand(4, 1))

    @pytest.mark.parametrize("kind", [torch.int64, torch.bool])
    def test_one_hot_classes_in_whole_numbers_are_an_error_that_says_why(self, kind):
        targets = torch.eye(3, dtype=kind)
        with pytest.raises(LossError, match=r"\(3, 3\).*must be of floats"):
            call("crossentropy", torch.rand(3, 3), targets)
        assert call("crossentropy", torch.rand(3, 3), targets.float())

    def test_too_many_indices_are_an_error(self):
        with pytest.raises(LossError, match=r"\(4, 3\).*\(4, 2\)"):
            call("crossentropy", torch.rand(4, 3), torch.zeros(4, 2, dtype=torch.int64))

    def test_a_function_of_ones_own_gets_indices_flat(self):
        seen = []

        def own(outputs, targets):
            seen.append(targets)
            return functional.cross_entropy(outputs, targets)

        call(own, torch.rand(4, 3), torch.tensor([[0], [2], [1], [1]]))
        assert seen[0].tolist() == [0, 2, 1, 1]


class TestBatchesOfDifferentLength:
    def test_are_each_checked(self):
        bound = LossCall(AppliedLoss("mse", "net"), ["outputs", "targets"])
        for n in (4, 4, 3, 4, 1):
            outputs, targets = torch.rand(n, 1), torch.rand(n, 1, 1)
            assert torch.equal(
                bound([outputs, targets]), functional.mse_loss(outputs, targets[..., 0])
            )
        with pytest.raises(LossError):
            bound([torch.rand(4, 1), torch.rand(4, 2)])

    def test_whole_numbers_after_fractions_are_cast(self):
        # One of the losses that torch refuses to compute from whole numbers.
        bound = LossCall(AppliedLoss("huber", "net"), ["outputs", "targets"])
        outputs = torch.rand(4, 1, requires_grad=True)
        bound([outputs, torch.rand(4, 1)])
        for _ in range(2):
            value = bound([outputs, torch.ones(4, 1, dtype=torch.int64)])
            value.backward()
            assert torch.equal(value, functional.huber_loss(outputs, torch.ones(4, 1)))


class TestReducing:
    def test_rows_are_reduced_by_their_mean(self):
        outputs, targets = torch.rand(4, 3), torch.rand(4, 3)

        def own(o, t):
            return (o - t).abs().sum(dim=1)

        assert torch.equal(call(own, outputs, targets), own(outputs, targets).mean())
        assert torch.equal(
            call(Loss(own, reduction="sum"), outputs, targets), own(outputs, targets).sum()
        )
        assert torch.equal(
            call(Loss("mse", reduction="none"), outputs, targets),
            functional.mse_loss(outputs, targets, reduction="none").mean(),
        )

    def test_plain_numbers_are_values(self):
        assert call(lambda o, t: 2.5, torch.rand(4, 1), torch.rand(4, 1)) == 2.5

    def test_anything_else_is_an_error(self):
        with pytest.raises(LossError, match="not a tensor"):
            call(lambda o, t: "much", torch.rand(4, 1), torch.rand(4, 1))

    def test_torchs_own_errors_show_the_shapes(self):
        with pytest.raises(LossError, match=r"\(2, 2\) float32, \(2,\) int64: .*out of bounds"):
            call("ce", torch.rand(2, 2), torch.tensor([1, 7]))


class TestWeighted:
    def weighted(self, loss, outputs, targets, weights):
        bound = LossCall(AppliedLoss(loss, "net"), ["outputs", "targets"])
        return bound.weighted([outputs, targets], weights)

    def test_is_the_weighted_mean_over_samples(self):
        outputs, targets = torch.rand(4, 3), torch.rand(4, 3)
        weights = torch.tensor([1.0, 0.0, 2.0, 0.5])
        each = ((outputs - targets) ** 2).mean(dim=1)

        value = self.weighted(Loss("mse"), outputs, targets, weights)
        assert torch.allclose(value, (each * weights).sum() / 3.5)
        total = self.weighted(Loss("mse", reduction="sum"), outputs, targets, weights)
        assert torch.allclose(total, (each * weights).sum())

    def test_equal_weights_give_the_plain_mean(self):
        outputs, targets = torch.rand(4, 3), torch.tensor([[0], [1], [2], [0]])

        value = self.weighted(Loss("ce"), outputs, targets, torch.full((4,), 0.3))
        assert torch.allclose(value, functional.cross_entropy(outputs, targets[:, 0]))

    def test_what_is_reduced_already_cannot_be_weighted(self):
        outputs, targets, weights = torch.rand(4, 3), torch.rand(4, 3), torch.rand(4)

        with pytest.raises(LossError, match="Give its class"):
            self.weighted(Loss(torch.nn.MSELoss()), outputs, targets, weights)
        with pytest.raises(LossError, match="4 weighted samples"):
            self.weighted(Loss(functional.mse_loss), outputs, targets, weights)
