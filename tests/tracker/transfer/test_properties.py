"""Whatever a lab holds: taken to another one, it reads the same."""

import contextlib
import math
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.tracker.transfer import contents
from tracker.errors import InvalidError
from tracker.lab import Lab
from tracker.registry.names import LONGEST
from tracker.transfer.naming import inner_path, is_inner_path

NAMES = st.text(st.characters(categories=("L", "N", "P", "S"), exclude_characters="-"), min_size=1)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
RUNS = st.lists(
    st.fixed_dictionaries(
        {
            "name": NAMES,
            "experiment": NAMES,
            "params": st.dictionaries(NAMES, LEAVES | st.lists(LEAVES, max_size=2), max_size=4),
            "tags": st.lists(NAMES, max_size=2),
            "seed": st.none() | st.integers(0, 2**63 - 1),
            "points": st.lists(
                st.tuples(NAMES, st.integers(0, 2**63 - 1), st.floats()), max_size=6
            ),
            "artifact": st.none() | st.tuples(NAMES, st.binary(max_size=50)),
        }
    ),
    max_size=4,
)
NOTHING = {"name": "a", "experiment": "b", "params": {}, "tags": [], "seed": None}
FEARED = NOTHING | {
    "params": {"x": math.nan, "y": -0.0, "z": "\x00\ud7ff\U0010ffff"},
    "points": [("m", 0, math.nan), ("m", 1, -math.inf), ("m", 2**63 - 1, -0.0)],
    "artifact": ("con;*?<>|.txt", b"x"),
}


def record(lab, run, folder):
    options = {key: run[key] for key in ("experiment", "params", "tags", "seed")}
    with lab.run(run["name"], **options) as handle:
        for metric, step, value in run["points"]:
            handle.log({metric: value}, step=step)
        if run["artifact"] is not None:
            name, content = run["artifact"]
            (folder / "artifact").write_bytes(content)
            handle.log_artifact(folder / "artifact", name=name)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(runs=RUNS)
@example(runs=[FEARED, FEARED])
def test_a_lab_that_travels_reads_the_same(empty_database, runs):
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        folder = Path(place)
        labs = []
        for name in ("here", "there"):
            (folder / name / ".labkeeper" / "files").mkdir(parents=True)
            shutil.copy(empty_database, folder / name / ".labkeeper" / "lab.db")
            labs.append(stack.enter_context(Lab(folder / name)))
        here, there = labs
        for run in runs:
            with contextlib.suppress(InvalidError):  # such a parameter cannot be recorded
                record(here, run, folder)
        if here.runs().empty:
            return
        here.export_bundle(folder / "a", everything=True)
        there.import_bundle(folder / "a")
        there.export_bundle(folder / "b", everything=True)

        assert contents.rows(there) == contents.rows(here)
        assert contents.contents_of_files(there) == contents.contents_of_files(here)
        assert there.runs(sort="uuid").equals(here.runs(sort="uuid"))
        assert (folder / "b").read_bytes() == (folder / "a").read_bytes()


PATHS = st.lists(st.text(st.characters(exclude_characters="/"), min_size=1, max_size=LONGEST))


@given(parts=PATHS.filter(bool), inside=st.booleans())
@example(parts=["..", "..", "etc", "passwd"], inside=True)
@example(parts=["e" * 250 + ".ckpt"], inside=False)
def test_whatever_a_file_is_called_it_has_a_sound_name_in_a_bundle(parts, inside):
    uuid = "0123456789abcdef" * 2
    path = "/".join([*(["files", "runs", uuid] if inside else ["logs"]), *parts[:3]])
    inner = inner_path(uuid, path)

    assert is_inner_path(inner)
    assert inner_path(uuid, f"files/imported/{'f' * 32}/{inner}") == inner
