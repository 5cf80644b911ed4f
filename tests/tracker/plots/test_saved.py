import pytest

from tracker.errors import InvalidError, NotFoundError
from tracker.plots.saved import saved_names, saved_plot

PLOT = """
[plots.lr-width]
metrics = ["val_loss"]
filter = "lr < 0.5"
kind = "heatmap"
x = ["lr", "width"]

[plots.short]
metrics = "loss"
"""


def test_a_plot_is_kept_under_its_name(tmp_path):
    (tmp_path / "labkeeper.toml").write_text(PLOT)
    found = saved_plot(tmp_path, "lr-width")

    assert found.metrics == ("val_loss",)
    assert found.filter == "lr < 0.5"
    assert found.options == {"kind": "heatmap", "x": ["lr", "width"]}
    assert saved_plot(tmp_path, "short").metrics == ("loss",)
    assert saved_names(tmp_path) == ["lr-width", "short"]


def test_an_unknown_name_suggests_the_nearest(tmp_path):
    (tmp_path / "labkeeper.toml").write_text(PLOT)

    with pytest.raises(NotFoundError, match="Did you mean 'lr-width'"):
        saved_plot(tmp_path, "lr-widht")


def test_without_the_file_it_is_named(tmp_path):
    assert saved_names(tmp_path) == []
    with pytest.raises(InvalidError, match=r"There is no .*labkeeper\.toml"):
        saved_plot(tmp_path, "any")


@pytest.mark.parametrize(
    "text",
    [
        "[plots",
        "plots = 3",
        "[plots]\na = 3",
        "[plots.a]\nmetrics = 3",
        "[plots.a]\nmetrics = [3]",
        "[plots.a]\nfilter = 3",
        b"\xff\xfe",
    ],
)
def test_a_file_that_is_wrong_is_named(tmp_path, text):
    (tmp_path / "labkeeper.toml").write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(InvalidError, match=r"labkeeper\.toml"):
        saved_plot(tmp_path, "a")


def test_the_lab_draws_it_and_what_is_said_beside_it_stands_above(lab_root):
    from tracker.lab import Lab

    with Lab(lab_root) as lab:
        for lr in (0.1, 0.9):
            with lab.run("a", params={"lr": lr}) as run:
                run.log(val_loss=lr, acc=1 - lr, epoch=0)
        (lab_root / "labkeeper.toml").write_text(
            '[plots.one]\nmetrics = ["val_loss"]\nfilter = "lr < 0.5"\nkind = "bar"\nx = "lr"\n'
        )

        assert lab.plotted(saved="one").table["value"].tolist() == [0.1]
        assert lab.plotted("acc", saved="one").table["value"].tolist() == [0.9]
        assert lab.plotted(saved="one", filter="lr > 0.5").table["value"].tolist() == [0.9]
        (lab_root / "labkeeper.toml").write_text('[plots.one]\nmetrics = ["acc"]\ncolour = "red"')
        with pytest.raises(InvalidError, match="no option 'colour'"):
            lab.plotted(saved="one")
