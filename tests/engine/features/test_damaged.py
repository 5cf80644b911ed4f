"""No damage to a mapped file ends the process, and every error about it names the file."""

import subprocess
import sys

import numpy as np
import pyarrow as pa

PROGRAM = """
import random
import sys
import warnings
from pathlib import Path

from engine.context import ExperimentContext
from engine.features import FeatureSet

warnings.simplefilter("ignore")  # Damaged numbers may be too large to be added up.
path, chance = Path(sys.argv[1]), random.Random(5)
whole, outcomes = path.read_bytes(), {"read": 0, "refused": 0}
for _ in range(400):
    damaged = bytearray(whole)
    for _ in range(3):
        # Half of it where the columns are described.
        place = chance.randrange(len(whole) - 2500 if chance.random() < 0.5 else 0, len(whole))
        damaged[place] = chance.randrange(256)
    path.unlink()
    path.write_bytes(damaged)
    try:
        with ExperimentContext.dont_register():
            data = FeatureSet.from_arrow("d", path)
    except Exception as error:
        assert str(path) in str(error), error
        outcomes["refused"] += 1
        continue
    outcomes["read"] += 1
    data.fingerprint
    data.get_sample_uuids()
    for name in data.index.names:
        data.column(name)
        data.take([3, 1, 450]).column(name)
print(outcomes["read"], outcomes["refused"])
"""


def test_random_bytes_are_read_or_refused(tmp_path):
    n = 500
    table = pa.table(
        {
            "features.x.raw": np.arange(float(n)),
            "features.y.raw": pa.FixedShapeTensorArray.from_numpy_ndarray(np.ones((n, 3))),
            "tags.s.raw": [f"text {row}" if row % 7 else None for row in range(n)],
            "tags.b.raw": [row % 2 == 0 if row % 5 else None for row in range(n)],
            "sample_uuids": [f"id-{row}" for row in range(n)],
        }
    )
    with pa.ipc.new_file(tmp_path / "x.arrow", table.schema) as writer:
        for start in range(0, n, 200):
            writer.write_table(table.slice(start, 200))
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "x.arrow")]
    program = subprocess.run(command, capture_output=True, text=True, check=False)
    assert program.returncode == 0, program.stderr
    assert all(int(count) > 20 for count in program.stdout.split())
