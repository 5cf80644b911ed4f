"""Names may have slashes: they are found, filtered, drawn, moved and written like any other."""

import pytest

from tracker.lab import Lab


@pytest.fixture
def family(lab):
    """Runs `mlp/a` and `mlp/b` of the experiment `vision/digits`."""
    for number, name in enumerate(("mlp/a", "mlp/b")):
        with lab.run(
            name, experiment="vision/digits", params={"lr": 0.1}, tags=["to/do"], seed=number
        ) as run:
            run.log({"val/loss": 1.0 + number}, step=0, epoch=0)
    return lab


@pytest.mark.parametrize("name", ["mlp/a", "vision/digits/mlp/a"])
@pytest.mark.parametrize(
    "words",
    [
        ["show"],
        ["history", "--metric", "val/loss"],
        ["matching"],
        ["diff", "mlp/b"],
        ["checkpoints"],
        ["verify"],
        ["archive"],
        ["delete", "--yes"],
        ["tag", "a/b"],
        ["note", "x"],
        ["rename", "other/name"],
    ],
    ids=lambda words: words[0],
)
def test_commands_find_them(family, labkeeper, words, name):
    command, *more = words

    result = labkeeper(command, name, *more)
    assert result.exit_code == 0, result.stderr


def test_filters_know_them(family, labkeeper):
    asked = "name == 'mlp/a' and experiment == 'vision/digits' and 'to/do' in tags"
    told = labkeeper("runs", f"{asked} and best('val/loss') < 2", "--columns", "name").stdout

    assert told == "name\nmlp/a\n"
    assert labkeeper("runs", "like(name, 'mlp/%')", "--columns", "name").stdout.count("mlp/") == 2


def test_pictures_and_tables_go_where_they_are_told_to(family, labkeeper, tmp_path):
    picture, points = tmp_path / "out.svg", tmp_path / "points.csv"
    labkeeper("plot", "val/loss", "--run", "mlp/a", "-o", str(picture))
    labkeeper("history", "mlp/a", "mlp/b", "-o", str(points))

    assert sorted(tmp_path.glob("*.*")) == [picture, points]
    assert "mlp/b" in points.read_text()


def test_they_travel_and_come_back_from_the_trash(family, labkeeper, tmp_path):
    assert labkeeper("transfer", "export", "mlp/a", "-o", str(tmp_path / "b")).exit_code == 0
    with Lab.init(tmp_path / "there") as there:
        there.import_bundle(tmp_path / "b")
        assert list(there.runs()["name"]) == ["mlp/a"]
        assert list(there.runs()["experiment"]) == ["vision/digits"]
    labkeeper("delete", "mlp/a", "--yes")
    assert labkeeper("restore", "mlp/a").exit_code == 0
    assert len(family.runs()) == 2


def test_a_runs_own_name_comes_before_experiment_and_name(family, labkeeper):
    with family.run("a", experiment="mlp"):
        pass

    assert labkeeper("show", "mlp/a").stdout.splitlines()[1].split() == [
        "experiment",
        "vision/digits",
    ]
    family.rename("vision/digits/mlp/a", "moved")
    assert labkeeper("show", "mlp/a").stdout.splitlines()[1].split() == ["experiment", "mlp"]
