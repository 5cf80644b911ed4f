"""How long the command line, and an import, take against importing what they cannot do without."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.measure import Row, compare, report
from tracker.lab import Lab

LABKEEPER = str(Path(sys.executable).with_name("labkeeper"))


def process(*command: str) -> Callable[[], None]:
    """A call that runs a command to its end, its output piped."""

    def run() -> None:
        subprocess.run(command, capture_output=True, check=True)

    return run


def python(program: str) -> Callable[[], None]:
    return process(sys.executable, "-c", program)


def import_seconds(module: str) -> float:
    """What importing it takes in a new interpreter, without the interpreter's own start."""
    return statement_seconds(f"import {module}")


def statement_seconds(statement: str) -> float:
    """What a statement takes in a new interpreter, without the interpreter's own start."""
    clock = "import time; began = time.perf_counter()"
    program = f"{clock}; {statement}; print(time.perf_counter() - began)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    return float(done.stdout)


def beside(ours: str, bare: str, budget: float | None, *, repeat: int = 11) -> Row:
    """One statement beside another, each in new interpreters, in turn."""
    pairs = [(statement_seconds(ours), statement_seconds(bare)) for _ in range(repeat)]
    mine, theirs = zip(*pairs, strict=True)
    return Row(f"{ours} / {bare}", median(mine), median(theirs), budget)


def fill(lab: Lab) -> None:
    for number in range(20):
        with lab.run("mlp", experiment="digits", params={"lr": 10.0**-number}) as run:
            for epoch in range(5):
                run.log(val_loss=1 / (1 + epoch), epoch=epoch, step=epoch)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab.init(folder)
        fill(lab)
        lab.close()
        bare = python("import click, sqlalchemy.orm")
        rows = [
            compare(
                "labkeeper --help / import click",
                process(LABKEEPER, "--help"),
                python("import click"),
                1.3,
                repeat=21,
            ),
            compare(
                "labkeeper list / import click, sqlalchemy.orm",
                process(LABKEEPER, "--lab", folder, "list"),
                bare,
                1.2,
                repeat=21,
            ),
            compare(
                "labkeeper runs, 20 rows",
                process(LABKEEPER, "--lab", folder, "runs"),
                bare,
                None,
                repeat=11,
            ),
            compare(
                "completing a run's name",
                process(
                    *("env", "_LABKEEPER_COMPLETE=bash_complete", "COMP_CWORD=4"),
                    f"COMP_WORDS=labkeeper --lab {folder} show m",
                    LABKEEPER,
                ),
                bare,
                None,
                repeat=11,
            ),
            beside("import engine", "import torch", 1.1),
            # Names are imported when they are first used: here, all of them.
            beside("from engine import *", "import torch, sklearn, pyarrow, pandas", None),
            Row(
                "import tracker", median(import_seconds("tracker") for _ in range(11)), budget=0.06
            ),
        ]
    return not report(rows, "Startup")


if __name__ == "__main__":
    sys.exit(main())
