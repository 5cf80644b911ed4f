import os
import subprocess
import sys
from pathlib import Path

import pytest

from tracker.registry.pipelines import register_pipeline, set_archived

PROGRAM = (
    "import atexit, sys\n"
    "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
    "from tracker.cli.main import labkeeper\n"
    "labkeeper(prog_name='labkeeper')\n"
)
SLOW = {"torch", "pandas", "matplotlib", "alembic", "sklearn", "pyarrow", "rich", "engine"}


@pytest.fixture
def complete(lab_root):
    """What bash is offered after these words, the last of which is being typed."""

    def ask(*words, directory=None):
        root = lab_root if directory is None else directory
        environment = os.environ | {
            "_LABKEEPER_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["labkeeper", *words]),
            "COMP_CWORD": str(len(words)),
            "PYTHONPATH": str(Path(__file__).parents[3]),
        }
        environment.pop("LABKEEPER_LAB", None)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert SLOW.isdisjoint(name.partition(".")[0] for name in done.stderr.split())
        return [line.partition(",")[2] for line in done.stdout.splitlines() if line]

    return ask


@pytest.fixture
def pipelines(lab):
    with lab.database.write() as session:
        for number, name in enumerate(["mlp-wide", "cnn", "mlp-old"]):
            about = {"experiment": "digits", "recipe": "supervised", "config": {}}
            pipeline = register_pipeline(session, name=name, config_hash=str(number), **about)
        set_archived(session, pipeline, archived=True)


def test_commands_complete(complete):
    assert complete("ru") == ["runs"]
    assert complete("db", "u") == ["upgrade"]


def test_pipelines_and_runs_complete(complete, three_runs, pipelines):
    assert complete("show", "m") == ["mlp-wide", "mlp", "mlp-2", "mlp-3"]
    assert complete("show", "c") == ["cnn"]


def test_metrics_complete(complete, three_runs):
    assert complete("goal", "val_") == ["val_accuracy", "val_loss"]
    assert complete("history", "mlp", "--metric", "val_l") == ["val_loss"]


def test_the_lab_on_the_command_line_is_meant(complete, three_runs, tmp_path):
    assert complete("--lab", str(three_runs.root), "goal", "val_l", directory=tmp_path) == [
        "val_loss"
    ]


def test_without_a_lab_nothing_is_offered_and_nothing_made(complete, tmp_path):
    assert complete("show", "m", directory=tmp_path) == []
    assert not (tmp_path / ".labkeeper").exists()


def test_capitals_are_other_letters(complete, lab):
    for name in ("Apple", "apple"):
        with lab.run(name):
            pass

    assert complete("show", "A") == ["Apple"]


@pytest.mark.usefixtures("three_runs")
def test_what_is_put_away_completes_where_it_is_brought_back(complete, lab):
    lab.archive("mlp")
    lab.delete("mlp-2")

    assert complete("delete", "mlp") == ["mlp-3"]
    assert complete("unarchive", "mlp") == ["mlp"]
    assert complete("restore", "mlp") == complete("purge", "mlp") == ["mlp-2"]
