"""Programs that save what they define themselves, each run in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

# What a script defines, and what it does besides: the second must not be done again.
SCRIPT = '''
import sys
from dataclasses import dataclass as data
from pathlib import Path

import numpy as np

from engine.splitters import ConditionSplitter, RandomSplitter

LEVELS = {"low": 1}
LEVELS["high"] = 3
unused = open("ran.txt", "a").write("ran ")


@data
class Share:
    first: float = 0.25


def level(name):
    """A helper: ä ö."""
    return LEVELS[name]


def above(values, unused=None):
    return np.asarray(values) > level("high")


class Quarters(RandomSplitter):
    def __init__(self, **_):
        super().__init__({"a": Share().first, "b": 1 - Share().first}, seed=2)


def main():
    Quarters().save("quarters", package_code=True)
    ConditionSplitter(s={"x": above}).save("above", package_code=True)


if __name__ == "__main__":
    main()
'''


def run(folder, program, *, path=()):
    """What a program prints, run in the folder as a script; the text of its error instead."""
    script = folder / "script.py"
    script.write_text(program)
    return run_file(folder, script, path=path)


def run_file(folder, script, *, path=()):
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *map(str, path)])},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip().splitlines()[-1]
