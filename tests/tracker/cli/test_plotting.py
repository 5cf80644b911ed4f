import html
import re
import sys

import pytest

pytestmark = pytest.mark.usefixtures("three_runs")


@pytest.fixture
def plot(labkeeper, tmp_path):
    """Draws into an SVG and returns the result and the words in the picture."""

    def run(*words, name="picture.svg"):
        path = tmp_path / name
        result = labkeeper("plot", *words, "-o", str(path))
        texts = re.findall(r"<!-- (.*?) -->", path.read_text()) if path.exists() else []
        return result, list(map(html.unescape, texts))

    return run


def refused(result, *words, code=1):
    assert (result.exit_code, result.stdout) == (code, "")
    assert all(word in result.stderr for word in words), result.stderr
    return result.stderr.count("\n") == 1 or code == 2


def test_a_line_for_each_run_and_a_panel_for_each_metric(plot, tmp_path):
    result, texts = plot("val_loss", "val_accuracy")

    assert (result.exit_code, result.stdout) == (
        0,
        f"The picture is in {tmp_path / 'picture.svg'}.\n",
    )
    assert {"val_loss", "val_accuracy", "mlp", "mlp-2", "mlp-3"} <= {*texts}


@pytest.mark.parametrize("words", [["lr < 0.05"], ["--where", "lr < 0.05"]])
def test_the_last_word_may_be_a_filter(plot, words):
    _, texts = plot("val_loss", *words)

    assert "mlp-2" in texts
    assert "mlp" not in texts


def test_names_choose(plot):
    _, texts = plot("val_loss", "--run", "mlp", "--run", "mlp-3")

    assert {"mlp", "mlp-3"} <= {*texts}
    assert "mlp-2" not in texts


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--x", "step"], "step"),
        (["--x", "time"], "time since the start ("),
        (["--log-y"], "val_loss"),
        (["--log-x"], "epoch (> 0)"),
        (["--title", "A title"], "A title"),
        (["--group-by", "depth", "--band", "sem", "--align", "any"], "depth=3"),
        (["--label", "depth"], "mlp depth=3"),
        (["--kind", "curve_best"], "mlp"),
        (["--lines", "lr", "--x", "epoch"], "lr=0.01"),
    ],
)
def test_options_reach_the_picture(plot, options, word):
    result, texts = plot("val_loss", *options)

    assert result.exit_code == 0
    assert any(text.startswith(word) for text in texts)


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.pdf", b"%PDF")])
def test_other_kinds_of_files(labkeeper, tmp_path, name, start):
    labkeeper("plot", "val_loss", "-o", str(tmp_path / name))

    assert (tmp_path / name).read_bytes().startswith(start)


def test_a_metric_with_odd_letters_is_no_filter(plot, lab):
    with lab.run("odd") as run:
        run.log({"loss (raw)": 1.0}, step=0, epoch=0)
    result, texts = plot("loss (raw)")

    assert result.exit_code == 0
    assert "loss (raw)" in texts


def test_what_is_refused_leaves_no_file(plot, tmp_path):
    before = sorted(tmp_path.iterdir())

    assert refused(plot("val_los")[0], "Did you mean 'val_loss'")
    assert refused(plot("val_loss", "lr <<")[0], "column")
    assert refused(plot("val_loss", name="picture.gif")[0], ".pdf, .png, .svg")
    assert refused(plot("val_loss", name="nowhere/picture.svg")[0], "no folder")
    assert refused(plot("val_loss", "lr > 5")[0], "val_loss")
    assert refused(plot("val_loss", "--group-by", "depth", "--x", "time")[0], "over time")
    assert refused(plot("lr < 5")[0], "Which metric?")
    assert refused(plot("val_loss", "lr < 5", "--where", "lr < 6")[0], "two filters", code=2)
    assert sorted(tmp_path.iterdir()) == before


class TestWhereTo:
    def test_nowhere_is_a_usage_error(self, labkeeper):
        result = labkeeper("plot", "val_loss")

        assert refused(result, "Where to?", code=2)

    def test_the_rules_stand_on_stderr_unless_quiet(self, plot):
        result, _ = plot("val_loss", "--group-by", "depth")

        assert result.stderr == (
            "key        epoch (x), depth (lines), metric val_loss\n"
            "specified  experiment=digits, seed=7\n"
            "averaged   optimizer.lr: the mean where all runs have a point, band std\n"
        ).replace("optimizer.lr", "lr")
        assert plot("val_loss", "--quiet")[0].stderr == ""

    def test_the_numbers_of_the_picture(self, labkeeper, tmp_path):
        path = tmp_path / "out.csv"
        result = labkeeper(
            *("plot", "val_loss", "--kind", "bar", "--x", "lr", "--at", "best", "--data", str(path))
        )

        assert result.stdout == f"The numbers are in {path}.\n"
        assert path.read_text() == (
            "metric,lr,value,runs\n"
            f"val_loss,0.001,{1 / 5},1\nval_loss,0.01,{1 / 3},1\nval_loss,0.1,{1 / 3},1\n"
        )

    def test_an_animation(self, labkeeper, tmp_path):
        path = tmp_path / "a.gif"
        result = labkeeper("plot", "val_loss", "--animate", "lr", "-o", str(path), "--dpi", "30")

        assert result.exit_code == 0, result.stderr
        assert path.read_bytes().startswith(b"GIF8")
        assert refused(labkeeper("plot", "val_loss", "-o", str(path)), "animated over a field")

    def test_a_terminal_without_plotext_says_what_to_install(self, labkeeper, monkeypatch):
        monkeypatch.setitem(sys.modules, "plotext", None)

        result = labkeeper("plot", "val_loss", "--terminal", "-q")

        assert refused(result, "pip install 'labkeeper[terminal]'")

    def test_a_window_without_a_screen_is_refused(self, labkeeper, monkeypatch):
        monkeypatch.setenv("MPLBACKEND", "agg")

        assert refused(labkeeper("plot", "val_loss", "--show", "-q"), "No window")

    def test_an_animation_that_is_kept(self, labkeeper, lab, tmp_path):
        (lab.root / "labkeeper.toml").write_text(
            '[plots.a]\nmetrics = ["val_loss"]\nanimate = "lr"\ndpi = 30\n'
        )
        lab.plot(saved="a", path=tmp_path / "one.gif")
        labkeeper("plot", "--saved", "a", "-o", str(tmp_path / "two.gif"))

        assert (tmp_path / "one.gif").read_bytes() == (tmp_path / "two.gif").read_bytes()
        assert refused(labkeeper("plot", "--saved", "a", "-qo", str(tmp_path / "a.png")), ".gif")

    def test_the_best_at_an_epoch(self, labkeeper, lab, tmp_path):
        for number, values in enumerate([(1.0, 9.0), (5.0, 2.0)]):
            with lab.run("two", params={"lr": 1.0, "width": number}) as run:
                for epoch, value in enumerate(values):
                    run.log(loss=value, epoch=epoch)
        chosen = {}
        for where in ("0", "1", "last", "best"):
            path = tmp_path / "a.csv"
            options = ("--lines", "lr", "--best-ref-x", where, "--data", str(path))
            result = labkeeper("plot", "loss", "name == 'two' or name == 'two-2'", *options)
            assert result.exit_code == 0, result.stderr
            chosen[where] = path.read_text().splitlines()[1].split(",")[-1]

        assert chosen == {"0": "0", "1": "1", "last": "1", "best": "0"}

    def test_a_plot_that_is_kept(self, plot, lab):
        (lab.root / "labkeeper.toml").write_text(
            '[plots.rates]\nmetrics = ["val_loss"]\nkind = "bar"\nx = "lr"\ntitle = "Kept"\n'
        )

        assert "Kept" in plot("--saved", "rates")[1]
        assert "Mine" in plot("--saved", "rates", "--title", "Mine")[1]
        assert refused(plot("--saved", "rate", name="b.svg")[0], "Did you mean 'rates'")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--kind", "heatmap", "--x", "lr,depth"], {"lr", "depth"}),
        (["--kind", "parallel", "--x", "lr", "--x", "depth"], {"lr", "depth", "val_loss"}),
        (["--kind", "box"], {"val_loss"}),
        (["--x", "lr", "--xscale", "equal"], {"0.001", "0.01", "0.1"}),
        (["--only", "lr 0.1 0.01", "--only", "epoch 0:1"], {"mlp", "mlp-2"}),
        (["--only", "lr! 0.1"], {"mlp-2", "mlp-3"}),
        (["--smooth", "ema:0.5"], {"smoothed, ema:0.5"}),
        (["--best-so-far"], {"best val_loss so far"}),
        (["--rows", "lr", "--average", "none"], {"lr=0.1", "lr=0.01"}),
        (["--size", "column", "--style", "ggplot"], {"epoch"}),
        (["--xlabel", "time", "--ylabel", "loss"], {"time", "loss"}),
        (["--lines", "lr", "--order", "lr 0.1 0.001 0.01"], {"lr=0.1"}),
    ],
)
def test_more_options_reach_the_picture(plot, options, words):
    result, texts = plot("val_loss", *options)

    assert result.exit_code == 0, result.stderr
    assert words <= {*texts}
