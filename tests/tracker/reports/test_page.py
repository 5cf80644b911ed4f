import math
import re
from html.parser import HTMLParser

import pytest

from tracker.errors import InvalidError, LabUnusableError, NotFoundError
from tracker.lab import Lab
from tracker.reports.contents import MOST_COMPARED

HOSTILE = "<script>alert(1)</script>\"'&--><img src=x onerror=y>"


class Page(HTMLParser):
    """What a browser would see: tags with their attributes, and the words between them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.rows, self.comments = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        self.words.append(data)
        if self.rows and self.rows[-1] and self.tags[-1][0] in ("td", "th"):
            self.rows[-1][-1] += data.strip()

    def handle_comment(self, data):
        self.comments.append(data)


@pytest.fixture
def lab(lab_root):
    with Lab(lab_root) as lab:
        yield lab


@pytest.fixture
def two_runs(lab):
    for number, rate in enumerate([0.1, 0.01]):
        with lab.run("mlp", experiment="digits", params={"lr": rate, "depth": 3}, seed=1) as run:
            for epoch in range(3):
                run.log(val_loss=1 / (1 + epoch + number), acc=epoch / 4, epoch=epoch)
            run.log(test_acc=0.5 + number / 10)
    return lab


def test_shows_the_runs_what_differs_and_curves(two_runs):
    page = Page(two_runs.report("experiment == 'digits'", title="All digits"))
    header, *rows = page.rows[:3]

    assert header[:4] == ["name", "experiment", "pipeline", "status"]
    assert header[7:] == ["lr", "best(acc)", "last(acc)", "best(val_loss)", "last(val_loss)"]
    assert [row[:1] + row[7:] for row in rows] == [
        ["mlp", "0.1", "0.5", "0.5", "0.333333", "0.333333"],
        ["mlp-2", "0.01", "0.5", "0.5", "0.25", "0.25"],
    ]
    assert ["lr", "0.1", "0.01"] in page.rows
    assert ["best(val_loss)", "0.333333", "0.25"] in page.rows
    assert not any(row[0] == "depth" for row in page.rows)
    assert [tag for tag, _ in page.tags].count("svg") == 2
    assert any(
        "key        epoch (x), run (lines), metric val_loss" in words for words in page.words
    )
    assert "All digits" in page.words


def test_needs_nothing_beside_itself(two_runs):
    page = Page(two_runs.report())
    attributes = [(name, value) for _, found in page.tags for name, value in found.items()]

    assert not {"script", "link", "iframe", "object", "img", "image", "a"} & {
        tag for tag, _ in page.tags
    }
    assert {value[0] for name, value in attributes if name in ("href", "xlink:href")} == {"#"}
    assert not [name for name, _ in attributes if name.startswith("on") or name == "src"]
    assert "url(" not in re.sub(r"url\(#", "", "".join(str(value) for _, value in attributes))
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in attributes


def test_words_of_users_are_words_and_nothing_else(lab):
    for name in (HOSTILE, "plain"):
        params = {HOSTILE: HOSTILE, "which": name}
        with lab.run(name, experiment=HOSTILE, params=params, tags=[HOSTILE]) as run:
            for epoch in range(2):
                run.log({HOSTILE: epoch, "$x$": 1}, epoch=epoch)

    page = Page(lab.report(f"experiment == {HOSTILE!r}", title=HOSTILE))

    assert HOSTILE in page.words
    assert any(HOSTILE in row for row in page.rows)
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert page.comments == []
    assert not [name for _, found in page.tags for name in found if name.startswith("on")]


def test_nan_infinities_and_metrics_without_epochs_are_drawn(lab):
    with lab.run("a") as run:
        for step, value in enumerate([1.0, math.nan, math.inf]):
            run.log(loss=value, step=step)

    page = Page(lab.report())
    assert page.rows[1][-2:] == ["inf", "inf"] or page.rows[1][-1] == "inf"
    assert any("step (x)" in words for words in page.words)


def test_what_is_too_much_is_said(lab):
    for number in range(MOST_COMPARED + 1):
        with lab.run("a", params={"n": number}) as run:
            run.log(loss=number, epoch=0)

    page = Page(lab.report())

    assert any("too many to be compared" in words for words in page.words)
    assert len(page.rows) == MOST_COMPARED + 2


def test_one_run_is_compared_with_nothing(lab):
    with lab.run("a") as run:
        run.log(loss=1.0, epoch=0)

    assert "Differences" not in Page(lab.report()).words


def test_what_cannot_be_reported_is_refused(two_runs, tmp_path):
    with pytest.raises(InvalidError, match="no run is meant"):
        two_runs.report("lr > 7")
    with pytest.raises(NotFoundError, match="Did you mean 'val_loss'"):
        two_runs.report(metrics=["val_los"])
    with pytest.raises(InvalidError, match="no folder"):
        two_runs.report(path=tmp_path / "nowhere" / "a.html")


def test_a_page_that_cannot_be_written_leaves_the_old_one(two_runs, tmp_path, monkeypatch):
    import os

    path = tmp_path / "a.html"
    path.write_text("old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LabUnusableError, match="disk is full"):
        two_runs.report(path=path)

    assert path.read_text() == "old"
