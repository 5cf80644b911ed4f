import json

import pytest

from tracker.sweeps import Sweep


@pytest.fixture
def two(lab):
    for name in ("rates", "widths"):
        Sweep({"grid": {"x": [1, 2]}}, lambda config: {"y": 1}, name=name, lab=lab).run()
    return lab


def test_into_the_trash_and_back(two, labkeeper):
    refused = labkeeper("sweep", "delete", "rates")
    assert refused.exit_code == 1
    assert refused.stderr == (
        "sweep     rates\nrun       rates/rates/0\nrun       rates/rates/1\n"
        "Error: This would delete 1 sweep and 2 runs. There is no terminal to ask on: say --yes.\n"
    )
    dry = labkeeper("sweep", "delete", "rates", "--dry-run").stdout
    assert dry.splitlines()[0] == "sweep     rates"
    assert dry.splitlines()[-1] == "Would delete 1 sweep and 2 runs."
    assert labkeeper("sweep", "list", "--csv").stdout.count("\n") == 3

    done = labkeeper("sweep", "delete", "rates", "widths", "--yes")
    assert done.stdout == "Deleted 2 sweeps and 4 runs.\n"
    assert labkeeper("sweep", "list").stderr == "There are no sweeps yet.\n"
    listed = labkeeper("sweep", "list", "--deleted", "--csv").stdout.splitlines()
    assert listed[0].endswith(",workers,paused,deleted")
    assert [line.split(",")[0] for line in listed[1:]] == ["widths", "rates"]
    assert labkeeper("sweep", "run", "rates").stderr == "Error: There is no sweep named 'rates'.\n"

    back = labkeeper("sweep", "restore", "rates", "--as", "old", "--json")
    assert json.loads(back.stdout)["sweeps"] == ["old"]
    assert labkeeper("sweep", "results", "old", "--csv").stdout.splitlines()[1].endswith("old/0")
    assert labkeeper("sweep", "restore", "widths").stdout == "Restored 1 sweep and 2 runs.\n"
    assert labkeeper("sweep", "list", "--deleted").stderr == "No sweep is in the trash.\n"


def test_really_gone(two, labkeeper):
    labkeeper("sweep", "delete", "rates", "widths", "--yes")
    assert (
        "Would purge 1 sweep and 2 runs" in labkeeper("sweep", "purge", "rates", "--dry-run").stdout
    )
    assert "Purged 1 sweep and 2 runs" in labkeeper("sweep", "purge", "rates", "--yes").stdout
    again = labkeeper("sweep", "purge", "rates", "--yes")
    assert (again.exit_code, again.stderr) == (
        1,
        "Error: There is no deleted sweep named 'rates'.\n",
    )
    assert "Purged 1 sweep and 2 runs" in labkeeper("purge", "--everything", "--yes").stdout


def test_they_are_asked_about_on_a_terminal(two, terminal):
    screen = terminal("sweep", "delete", "rates")
    screen.read_until("Go on?")
    screen.type("y\n")

    assert "Deleted 1 sweep and 2 runs." in screen.read_all()
    assert [facts.name for facts in two.sweeps()] == ["widths"]
