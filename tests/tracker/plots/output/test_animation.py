import shutil

import numpy as np
import pytest
from PIL import Image

from tracker.errors import InvalidError
from tracker.plots import draw, save_animation
from tracker.plots.output.animation import frames


def shown(picture):
    return [
        line.get_ydata().tolist()
        for axes in picture.panels.flat
        for line in axes.lines
        if line.get_linestyle() != "None"
    ]


def test_a_frame_shows_the_rows_of_its_value(grid):
    curves, make = grid
    drawn = make(lines="opt", animate="lr")
    seen = {value: shown(frame) for value, frame in frames(drawn, draw(drawn))}

    assert list(seen) == [0.1, 0.2, 0.3]
    for lr, lines in seen.items():
        for opt, line in zip(("adam", "sgd"), lines, strict=True):
            seeds = [curves["loss", lr, opt, seed] for seed in (0, 1)]
            np.testing.assert_allclose(line, np.mean(seeds, axis=0))


def test_axes_colours_and_sizes_are_the_same_in_all_frames(grid):
    drawn = grid[1](lines=("lr", "opt"), animate="seed")
    picture = draw(drawn)
    whole = (picture.axes.get_xlim(), picture.axes.get_ylim())
    seen = [
        (
            frame.axes.get_xlim(),
            frame.axes.get_ylim(),
            tuple(frame.figure.get_size_inches()),
            tuple(line.get_color() for line in frame.axes.lines),
        )
        for _, frame in frames(drawn, picture)
    ]

    assert seen[0] == seen[1]
    assert seen[0][:2] == whole


def test_a_history_may_be_what_moves(grid):
    drawn = grid[1](kind="heatmap", x=("lr", "opt"), animate="epoch")
    seen = [
        (value, frame.figure.get_suptitle(), frame.axes.collections[0].get_array().shape)
        for value, frame in frames(drawn, draw(drawn))
    ]

    assert seen == [(epoch, f"epoch={epoch}", (2, 3)) for epoch in range(4)]


def test_a_gif_has_a_frame_for_each_value(grid, tmp_path):
    save_animation(grid[1](lines="opt", animate="lr", dpi=40), tmp_path / "a.gif")

    with Image.open(tmp_path / "a.gif") as picture:
        assert picture.n_frames == 3
        assert picture.info["duration"] == 500
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]


def test_an_mp4_needs_ffmpeg(grid, tmp_path):
    drawn = grid[1](lines="opt", animate="lr", dpi=40)
    if shutil.which("ffmpeg"):
        save_animation(drawn, tmp_path / "a.mp4")
        assert b"ftyp" in (tmp_path / "a.mp4").read_bytes()[:16]
    else:
        with pytest.raises(InvalidError, match=r"needs ffmpeg.*\.gif"):
            save_animation(drawn, tmp_path / "a.mp4")
        assert list(tmp_path.iterdir()) == []


def test_an_mp4_without_ffmpeg_is_refused(grid, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(InvalidError, match="needs ffmpeg"):
        save_animation(grid[1](lines="opt", animate="lr"), tmp_path / "a.mp4")


def test_what_moves_is_no_still_picture(grid, tmp_path):
    with pytest.raises(InvalidError, match=r"must end in \.gif, \.mp4\. This picture is animated"):
        save_animation(grid[1](lines="opt", animate="lr"), tmp_path / "a.png")


def test_too_many_frames_are_refused(plotted, tmp_path):
    drawn = plotted({"a": [1.0] * 501}, kind="bar", animate="epoch")

    with pytest.raises(InvalidError, match="501 values of 'epoch' are more than 500 frames"):
        save_animation(drawn, tmp_path / "a.gif")
