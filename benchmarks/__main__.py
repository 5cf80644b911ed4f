"""Run every benchmark, each in a process of its own; the exit code is 1 if a budget was missed.

`python -m benchmarks listing startup` runs only those two. A benchmark is a module of this folder
that prints its table when run as a script, and ends with 1 if a budget was missed.
"""

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
TOOLS = {"__main__", "measure", "generate"}
# One thread, as the budgets say.
THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def main() -> int:
    names = sys.argv[1:] or sorted({path.stem for path in FOLDER.glob("*.py")} - TOOLS)
    missed = []
    for name in names:
        command = [sys.executable, "-m", f"benchmarks.{name}"]
        done = subprocess.run(command, cwd=FOLDER.parent, env=os.environ | THREADS, check=False)
        if done.returncode != 0:
            missed.append(name)
    print(f"\nNot within every budget: {', '.join(missed)}" if missed else "\nEvery budget kept.")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
