"""What it costs to record where a session runs: the first time, and once the patch is known."""

import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

from benchmarks.measure import absolute, report
from tracker.recording import environment
from tracker.recording.environment import CACHE, capture, installed_packages

FILES, CHANGED, UNTRACKED = 2_000, 50, 20


def repository(root):
    """A working tree with changed and untracked scripts, and a lab in it."""
    git = ["git", "-C", str(root), "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    for number in range(FILES):
        file = root / f"package{number % 40}" / f"module{number}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"value = {number}\n" * 50)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "All"], check=True)
    for number in range(CHANGED):
        file = root / f"package{number % 40}" / f"module{number}.py"
        file.write_text(file.read_text() + "changed = True\n")
    for number in range(UNTRACKED):
        (root / f"new{number}.py").write_text("import this\n" * 100)
    (root / ".labkeeper").mkdir()
    return root


def main():
    with tempfile.TemporaryDirectory(prefix="labkeeper-bench-") as place:
        root = repository(Path(place))
        cache = root / ".labkeeper" / CACHE

        def first():
            cache.unlink(missing_ok=True)
            assert "import this" in capture(root).patch

        with mock.patch.object(environment, "_places", lambda lab: iter([lab])):
            rows = [
                absolute(
                    f"cached, {FILES:,} files, {CHANGED} changed", lambda: capture(root), 0.05
                ),
                absolute("the first time: the patch is made", first, None),
            ]
        rows.append(absolute("of that the packages", installed_packages, None))
    return 0 if report(rows, "The environment of a session") else 1


if __name__ == "__main__":
    sys.exit(main())
