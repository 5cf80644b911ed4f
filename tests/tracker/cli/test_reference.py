import re
import subprocess
import sys
from pathlib import Path

from tracker.cli.commands import COMMANDS
from tracker.cli.reference import reference

PAGE = Path(__file__).parents[3] / "docs" / "cli.md"


def test_the_page_is_current():
    assert PAGE.read_text() == reference(), "run `make docs`"


def test_every_command_and_option_is_on_it():
    text = reference()
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)

    assert sections[0] == "labkeeper"
    assert {f"labkeeper {place.name}" for place in COMMANDS} <= {*sections}
    assert "labkeeper db upgrade" in sections
    assert "  --time-limit TIME" in text


def test_no_option_goes_unexplained():
    unexplained = re.findall(r"^  (-[\w ,-]+?)(?: {2,}[A-Z]\w+)?$", reference(), re.MULTILINE)

    assert unexplained == []


def test_it_does_not_depend_on_the_terminal():
    command = [sys.executable, "-m", "tracker.cli.reference"]
    printed = subprocess.run(
        command, env={"COLUMNS": "40"}, capture_output=True, text=True, check=True
    )

    assert printed.stdout == reference()
