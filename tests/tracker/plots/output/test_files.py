import os
import stat
import subprocess
import sys

import pytest

from tracker.errors import InvalidError, LabUnusableError
from tracker.plots import options_from, save_figure


@pytest.fixture
def figure(picture):
    """Makes the same picture anew, with everything in it that could become a raster image."""

    def make():
        curves = {name: [1, float("inf"), 2, 3] for name in "abc"}
        params = {"lr": [1, 1, 2]}
        return picture(curves, goals={"m": "min"}, params=params, group_by="lr", kind="curve_best")[
            0
        ]

    return make


@pytest.mark.parametrize(
    ("name", "start"),
    [("curves.png", b"\x89PNG"), ("curves.pdf", b"%PDF"), ("CURVES.SVG", b"<?xml")],
)
def test_the_ending_says_the_kind(figure, tmp_path, name, start):
    save_figure(figure(), tmp_path / name)

    assert (tmp_path / name).read_bytes().startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_same_picture_is_the_same_file(figure, tmp_path, suffix):
    one, two = tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"
    save_figure(figure(), one)
    save_figure(figure(), two)

    assert one.read_bytes() == two.read_bytes()


def test_an_unknown_ending_names_the_known_ones(figure, tmp_path):
    with pytest.raises(InvalidError, match=r"must end in \.pdf, \.png, \.svg"):
        save_figure(figure(), tmp_path / "curves.gif")

    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(figure, tmp_path):
    with pytest.raises(InvalidError, match="no folder"):
        save_figure(figure(), tmp_path / "nowhere" / "curves.png")


def test_a_write_that_fails_leaves_the_old_picture(figure, tmp_path, monkeypatch):
    path = tmp_path / "curves.png"
    path.write_bytes(b"old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LabUnusableError, match=r"curves\.png: the disk is full"):
        save_figure(figure(), path)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_others_may_read_a_picture(figure, tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    save_figure(figure(), tmp_path / "curves.png")

    assert stat.S_IMODE((tmp_path / "curves.png").stat().st_mode) == stat.S_IMODE(
        plain.stat().st_mode
    )


def test_importing_the_room_brings_no_matplotlib_and_drawing_no_pyplot():
    program = (
        "import sys, tracker.plots; assert 'matplotlib' not in sys.modules;"
        "tracker.plots.draw; assert 'matplotlib' in sys.modules;"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )

    subprocess.run([sys.executable, "-c", program], check=True)


def test_more_dots_than_memory_holds_are_refused(picture, tmp_path):
    figure, _ = picture({"a": [1.0]})
    looks = options_from({"dpi": 1e9}).looks

    with pytest.raises(InvalidError, match="too many dots"):
        save_figure(figure, tmp_path / "a.png", looks)
    save_figure(figure, tmp_path / "a.svg", looks)
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]
