"""A bundle of 1 GB, written and taken in, beside a plain copy of the same bytes that is hashed.

Nothing is deleted before the end: a disk that learns of free space has work to do, which would
be charged to whoever comes next.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from itertools import count
from pathlib import Path

from benchmarks.measure import Row, compare, report
from tracker.lab import Lab
from tracker.registry.checkpoints import register_checkpoint
from tracker.registry.runs import find_run

FILES, SIZE = 10, 100 * 2**20
ROUNDS = 5


def filled(root: Path) -> Lab:
    """A lab with one run of 1,000 points and 1 GB of checkpoints."""
    lab = Lab.init(root)
    with lab.run("large") as run:
        run.log_history({"step": range(1000), "loss": [1 / (1 + step) for step in range(1000)]})
    with lab.database.write() as session:
        row = find_run(session, "large")
        for number in range(FILES):
            path = f"{lab.files.run_folder(row.uuid)}/checkpoints/{number}.ckpt"
            file = lab.files.write(path, lambda aside: aside.write_bytes(os.urandom(SIZE)))
            register_checkpoint(session, row.id, file, name=f"epoch-{number}", step=number)
    return lab


def copied(lab: Lab, folder: Path) -> None:
    """Copies every file into a new folder, synced, and hashes it: what nobody can do without."""
    folder.mkdir(parents=True)
    for path in sorted(lab.files.root.rglob("*.ckpt")):
        target = folder / path.name
        shutil.copyfile(path, target)
        with target.open("rb+") as file:
            os.fsync(file.fileno())
            hashlib.file_digest(file, "sha256")


def rows(folder: Path) -> list[Row]:
    lab = filled(folder / "here")
    bundle = folder / "large.bundle"
    numbers = count()
    empty = [Lab.init(folder / f"there-{number}") for number in range(ROUNDS + 1)]

    def export() -> None:
        lab.export_bundle(folder / f"export-{next(numbers)}", everything=True)

    def take_in() -> None:
        with empty.pop() as there:
            assert there.import_bundle(bundle).files == FILES

    def copy() -> None:
        copied(lab, folder / "plain" / str(next(numbers)))

    lab.export_bundle(bundle, everything=True)
    return [
        compare("exporting 1 GB", export, copy, 1.5, repeat=ROUNDS),
        compare("importing 1 GB", take_in, copy, 1.5, repeat=ROUNDS),
    ]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        return not report(rows(Path(folder)), "Bundles, beside a plain copy plus hashing")


if __name__ == "__main__":
    sys.exit(main())
