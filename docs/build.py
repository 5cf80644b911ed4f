"""Write what the docs do not say by hand: the command line's reference and the README's picture."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def build_reference() -> None:
    """`docs/cli.md`, from every command's `--help`."""
    from tracker.cli.reference import reference  # noqa: PLC0415 - only this page needs it

    (ROOT / "docs" / "cli.md").write_text(reference())


def build_tour() -> None:
    """`docs/images/tour.png`, by doing what the README's tour does."""
    readme = (ROOT / "README.md").read_text()
    with tempfile.TemporaryDirectory() as folder:
        for name, text in re.findall(r"```\w+ title=(\S+)\n(.*?)```", readme, re.DOTALL):
            Path(folder, name).write_text(text)
        tour = readme[readme.index("$ labkeeper init") :]
        for command in re.findall(r"^\$ labkeeper (.*)$", tour, re.MULTILINE):
            subprocess.run(  # noqa: S603 - the README's own commands
                [sys.executable, "-m", "tracker", *shlex.split(command)],
                cwd=folder,
                check=True,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
        shutil.copy(Path(folder, "val_loss.png"), ROOT / "docs" / "images" / "tour.png")


if __name__ == "__main__":
    build_reference()
    build_tour()
