"""Write what the docs do not say by hand: the command line's reference, and pictures."""

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
        run_commands(tour, folder)
        shutil.copy(Path(folder, "val_loss.png"), ROOT / "docs" / "images" / "tour.png")


def build_gallery() -> None:
    """`docs/images/gallery/`, by doing what the page does."""
    page = (ROOT / "docs" / "plots" / "gallery.md").read_text()
    with tempfile.TemporaryDirectory() as folder:
        for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
            run([sys.executable, "-c", code], folder)
        run_commands(page, folder)
        keep_pictures(page, folder, "gallery")


def build_tutorials() -> None:
    """`docs/images/tutorials/`, by doing what the pages with pictures do."""
    pages = [path.read_text() for path in sorted((ROOT / "docs" / "tutorials").glob("*.md"))]
    for page in (page for page in pages if "images/tutorials/" in page):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in re.findall(r"```\w+ title=(\S+)\n(.*?)```", page, re.DOTALL):
                Path(folder, name).write_text(text)
            code = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
            run([sys.executable, "-c", code], folder)
            run_commands(page, folder)
            keep_pictures(page, folder, "tutorials")


def keep_pictures(page: str, folder: str, kind: str) -> None:
    """Copies the pictures that a page shows from where it made them to where it shows them from."""
    pictures = ROOT / "docs" / "images" / kind
    pictures.mkdir(exist_ok=True)
    for name in re.findall(rf"images/{kind}/(\S+?)\)", page):
        shutil.copy(Path(folder, name), pictures / name)


def run_commands(page: str, folder: str) -> None:
    """Runs every `$ labkeeper` line of a page."""
    for command in re.findall(r"^\$ labkeeper (.*)$", page, re.MULTILINE):
        run([sys.executable, "-m", "tracker", *shlex.split(command)], folder)


def run(command: list[str], folder: str) -> None:
    """Runs one of the page's own programs to its end."""
    surroundings = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=folder, check=True, env=surroundings)  # noqa: S603 - as it says


if __name__ == "__main__":
    build_reference()
    build_tour()
    build_gallery()
    build_tutorials()
