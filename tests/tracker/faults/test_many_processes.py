"""Promise 2: any number of processes may start and write at once."""

import subprocess
import sys

import pytest

from tests.tracker.faults import programs


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, programs.__file__, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_32_processes_at_once_on_a_missing_lab(tmp_path, at_once, in_background):
    path = tmp_path / "lab.db"
    reader = in_background(lambda: programs.read(path, 32 * 500))

    ended = at_once(lambda number: programs.log(path, f"run {number}", 500), 32)

    assert {end.text for end in ended} == {"None"}
    assert reader().text == str(32 * 500)
    programs.assert_whole(path, runs=32, points=500)
    assert sorted(left.name for left in tmp_path.iterdir()) == ["lab.db"]


def test_32_processes_at_once_on_one_name(tmp_path, at_once):
    """The names `race`, `race-2` and so on are given out once each."""
    path = tmp_path / "lab.db"

    ended = at_once(lambda number: programs.log(path, "race", 5), 32)

    assert {end.text for end in ended} == {"None"}
    programs.assert_whole(path, runs=32, points=5)


@pytest.mark.slow
@pytest.mark.parametrize("repeat", range(3))
def test_32_programs_at_once_beside_a_reader(tmp_path, repeat):
    path = tmp_path / "lab.db"
    started = [start("log", path, f"run {number}", 500) for number in range(32)]
    started.append(start("read", path, 32 * 500))

    assert [(process.communicate()[0], process.returncode) for process in started] == [("", 0)] * 33
    programs.assert_whole(path, runs=32, points=500)
