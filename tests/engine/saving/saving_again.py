"""Loads every file of a folder, in a process that made none of them, and saves it again."""

import sys
from pathlib import Path

import torch

from engine.context import ExperimentContext
from tests.engine.saving.kinds import KIND_OF, surroundings

torch.set_num_threads(1)
folder = Path(sys.argv[1])
for path in sorted(folder.glob("*.*")):
    with ExperimentContext().activate():
        surroundings()
        loaded = KIND_OF[path.stem].load(path)
    loaded.save(folder / "again" / path.name)
