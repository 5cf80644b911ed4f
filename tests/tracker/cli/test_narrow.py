"""On a terminal that is narrow, nothing runs over its edge, and nothing is cut without a sign."""

import re

import pytest

from tracker.cli.cells import cut, text_width

LONG = "a-rather-long-name-of-a-run-of-digits"


@pytest.fixture
def long_names(lab):
    for number, name in enumerate((LONG, f"{LONG}-2", "b")):
        params = {f"key-{number}": 1, "same": 2}
        with lab.run(name, experiment="digits", params=params, seed=number) as run:
            for epoch in range(2):
                run.log({"val_accuracy": number / (2 + epoch), "val_loss": 0.5}, epoch=epoch)
    return lab


def drawn(screen):
    """The lines that stood on the screen, without colours."""
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.read_all())
    return [line.rstrip("\r") for line in text.split("\n")]


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize(
    "words",
    [
        ["show", LONG],
        ["diff", LONG, "b"],
        ["matching", LONG],
        ["list"],
        ["runs"],
        ["checkpoints", "b"],
    ],
    ids=lambda words: words[0],
)
def test_no_line_is_wider_than_the_terminal(long_names, terminal, monkeypatch, words, columns):
    monkeypatch.setenv("PAGER", "cat")
    lines = drawn(terminal(*words, columns=columns))

    assert max(map(text_width, lines)) <= columns


def test_names_that_would_be_cut_to_the_same_stay_whole(long_names, terminal, monkeypatch):
    monkeypatch.setenv("PAGER", "cat")
    short = drawn(terminal("diff", LONG, "b", columns=80))
    alike = drawn(terminal("diff", LONG, f"{LONG}-2", columns=120))

    assert short[0].split()[1:] == ["a-rather-long-nam…", "b"]
    assert alike[0].split()[1:] == [LONG, f"{LONG}-2"]


def test_what_is_piped_is_whole(long_names, labkeeper):
    assert labkeeper("diff", LONG, "b").stdout.split()[1:3] == [LONG, "b"]
    assert "…" not in labkeeper("show", LONG).stdout


@pytest.mark.parametrize(
    ("text", "width", "kept"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
    ],
)
def test_a_cut_text_ends_in_an_ellipsis(text, width, kept):
    assert cut(text, width) == kept
