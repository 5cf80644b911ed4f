import pytest
from safetensors.torch import load_file

from tracker.errors import ConfigurationError, NotFoundError


def norms(lab):
    points = lab.histories(metrics=["gradient_norm"])
    return dict(zip(points["epoch"], points["value"], strict=True))


def test_they_are_kept_every_so_many_epochs_as_they_were_at_the_end_of_it(lab, create):
    pipeline = create(epochs=5, gradients=2, gradient_norm=True)
    pipeline.train(2, progress=False)
    pipeline.train(progress=False)

    for epoch in (1, 3):
        gradients = load_file(lab.artifact("small", f"gradients/epoch-{epoch}.safetensors"))
        parameters = dict(pipeline.load_model("last").named_parameters())
        assert {name.partition(".")[2] for name in gradients} == parameters.keys()
        squares = sum(float(gradient.square().sum()) for gradient in gradients.values())
        assert squares**0.5 == pytest.approx(norms(lab)[epoch], rel=1e-5)
    for epoch in (0, 2, 4):
        with pytest.raises(NotFoundError, match="artifact"):
            lab.artifact("small", f"gradients/epoch-{epoch}.safetensors")


def test_nothing_is_kept_unasked(lab, create):
    create(epochs=2).train(progress=False)

    with pytest.raises(NotFoundError, match="artifact"):
        lab.artifact("small", "gradients/epoch-1.safetensors")


@pytest.mark.parametrize("wrong", [0, True, "all", 1.5])
def test_how_often_is_a_whole_number(create, wrong):
    with pytest.raises(ConfigurationError, match="gradients"):
        create(gradients=wrong)
