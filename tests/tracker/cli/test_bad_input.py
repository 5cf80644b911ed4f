"""Every kind of bad input once: exit code 1, one line that says what, which value, what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.tracker.pipelines.small_lab import CONFIG
from tracker.database.upgrade import SCHEMA

ROOT = Path(__file__).parents[3]


def refused(result):
    """The one line on stderr of a command that ended with exit code 1."""
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture
def create_from(small, labkeeper):
    """Runs `create small` with a configuration of this text, and checks that nothing is left."""

    def run(text, name="wrong.yaml"):
        path = small.root / name
        path.write_text(text)
        result = labkeeper("create", "small", "-c", str(path))
        assert labkeeper("list", "--json").stdout == "[]\n"
        return result, path

    return run


@pytest.fixture
def changed(create_from):
    """The same with the small configuration, in which some values are others."""

    def run(**changes):
        return create_from(yaml.safe_dump(CONFIG | changes, sort_keys=False))[0]

    return run


def test_an_unknown_pipeline(labkeeper, create):
    create("small")

    for words in (["train", "smal"], ["resume", "smal"], ["stop", "smal"], ["show", "smal"]):
        assert "'smal'. Did you mean 'small'?" in refused(labkeeper(*words))


def test_an_unknown_pipeline_among_known_ones_trains_none(labkeeper, create):
    create("small")

    assert "'smal'" in refused(labkeeper("train", "small", "smal"))
    assert labkeeper("runs", "--json").stdout == "[]\n"


def test_the_same_configuration_twice(small, labkeeper):
    words = ["-c", str(small.root / "small.yaml")]
    labkeeper("create", "small", *words)

    message = refused(labkeeper("create", "twin", *words))
    assert "'twin'" in message
    assert "'small'" in message


def test_a_name_that_is_taken(labkeeper, create, small):
    create("small")

    message = refused(labkeeper("create", "small", "-c", str(small.root / "small.yaml")))
    assert "There is a pipeline named 'small' already" in message


def test_a_missing_file(small, labkeeper):
    path = small.root / "nowhere.yaml"

    assert str(path) in refused(labkeeper("create", "small", "-c", str(path)))


def test_no_configuration_at_all(small, labkeeper):
    assert "--from" in refused(labkeeper("create", "small"))


def test_a_yaml_error_with_its_line(create_from):
    result, path = create_from("epochs: 3\nmodel: {loc: parts:Net\nseed: 1\n")

    message = refused(result)
    assert str(path) in message
    assert ":3" in message or "line 3" in message


def test_an_unknown_setting_with_its_line(create_from):
    text = yaml.safe_dump(CONFIG, sort_keys=False)
    result, _ = create_from(text + "epoch: 3\n")

    message = refused(result)
    assert "'epoch'" in message
    assert "Did you mean 'epochs'" in message
    assert str(text.count("\n") + 1) in message


@pytest.mark.parametrize(
    ("loc", "words"),
    [
        ("nowhere:Net", "'nowhere'"),
        ("parts:Nett", "Did you mean 'Net'"),
        ("torch.nn.Liner", "Linear"),
    ],
)
def test_a_component_that_does_not_import(changed, loc, words):
    assert words in refused(changed(model={"loc": loc}))


def test_a_component_that_fails_to_import(small, labkeeper, changed):
    (small.root / "broken_parts.py").write_text("1 / 0\n")

    assert "ZeroDivisionError" in refused(changed(model={"loc": "broken_parts:Net"}))


def test_a_wrong_argument(changed):
    message = refused(changed(model={"loc": "parts:Net", "args": {"hiden": 8}}))

    assert "'hiden'" in message
    assert "hidden" in message


def test_a_wrong_override(small, labkeeper):
    words = ["create", "small", "-c", str(small.root / "small.yaml"), "-s"]

    assert "'many'" in refused(labkeeper(*words, "epochs=many"))
    assert "batch_siz" in refused(labkeeper(*words, "batch_siz=3"))
    assert "=" in refused(labkeeper(*words, "epochs"))


def test_a_shape_mismatch(labkeeper, create):
    create("small", "model.args.inputs=5", "epochs=1")

    message = refused(labkeeper("train", "small", "-q"))
    assert "small failed" in message
    assert "4" in message
    assert "5" in message


def test_a_column_that_is_not_there(small, create_from, labkeeper):
    (small.root / "table.py").write_text(
        "import pandas as pd\n"
        "def table():\n"
        "    return pd.DataFrame({'a': range(40), 'b': range(40), 'y': [0, 1] * 20})\n"
    )
    config = CONFIG | {"dataset": "table:table", "features": ["a", "bb"], "target": "y"}
    config["split"] = {"train": 0.5, "validate": 0.25, "test": 0.25}
    path = small.root / "table.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    created = labkeeper("create", "small", "-c", str(path))

    # Reading the data may be slow, so it is not read before it is needed.
    result = created if created.exit_code else labkeeper("train", "small", "-q")
    message = refused(result)
    assert "'bb'" in message
    assert "Traceback" not in message


def test_a_misspelt_metric(changed):
    message = refused(changed(strategy={"monitor": "val_los", "patience": 3}))

    assert "'val_los'" in message
    assert "val_loss" in message


def test_a_lab_of_a_newer_version(labkeeper, database, small):
    with database.write() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    for words in (["list"], ["create", "small", "-c", str(small.root / "small.yaml")]):
        message = refused(labkeeper(*words))
        assert "9999" in message
        assert SCHEMA in message


def test_no_lab_at_all(labkeeper, lab_root):
    (lab_root / ".labkeeper").rename(lab_root / "elsewhere")

    assert "labkeeper init" in refused(labkeeper("list"))


def test_a_file_that_is_no_database(labkeeper, lab_root):
    (lab_root / ".labkeeper" / "lab.db").write_bytes(b"no database " * 1000)

    assert "is not a database" in refused(labkeeper("list"))


# Without root's power over permissions, and on a disk of its own.
POWERLESS = """
import ctypes
class Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))
ctypes.CDLL(None).capset(ctypes.byref(Header(0x20080522, 0)), (ctypes.c_uint32 * 6)())
"""
SMALL_DISK = """
import ctypes, sys
libc = ctypes.CDLL(None)
place, size = sys.argv.pop(1), sys.argv.pop(1)
if libc.unshare(0x20000) or libc.mount(b"none", b"/", None, 1 << 18 | 1 << 14, None):
    sys.exit("not permitted")
if libc.mount(b"tmpfs", place.encode(), b"tmpfs", 0, f"size={size}".encode()):
    sys.exit("not permitted")
"""
RUN = """
from tracker.cli.main import labkeeper
labkeeper(prog_name="labkeeper")
"""


def run(preparation, *arguments, cwd):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", preparation + RUN, *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def refused_process(done):
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.fixture
def read_only(lab_root):
    """The lab, which nobody but root can write."""
    folders = [lab_root, *(path for path in lab_root.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    (lab_root / ".labkeeper" / "lab.db").chmod(0o444)
    yield lab_root
    for folder in folders:
        folder.chmod(0o755)


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are Linux's")
class TestReadOnly:
    def test_a_lab_can_be_looked_at_but_not_changed(self, three_runs, read_only, tmp_path):
        three_runs.close()
        program = POWERLESS if os.geteuid() == 0 else ""
        listed = run(program, "--lab", read_only, "runs", "--columns", "name", cwd=tmp_path)
        noted = run(program, "--lab", read_only, "note", "mlp", "x", cwd=tmp_path)

        assert listed.stdout == "name\nmlp-3\nmlp-2\nmlp\n"
        assert "read-only" in refused_process(noted)

    def test_a_directory_becomes_no_lab(self, tmp_path):
        place = tmp_path / "place"
        place.mkdir()
        place.chmod(0o555)
        program = POWERLESS if os.geteuid() == 0 else ""

        assert str(place) in refused_process(run(program, "init", cwd=place))
        assert list(place.iterdir()) == []

    def test_a_picture_is_not_drawn_there(self, three_runs, tmp_path):
        place = tmp_path / "place"
        place.mkdir()
        place.chmod(0o555)
        program = POWERLESS if os.geteuid() == 0 else ""
        drawn = run(
            *(program, "--lab", three_runs.root, "plot", "val_loss", "-q", "-o", place / "a.svg"),
            cwd=tmp_path,
        )

        assert f"Cannot use {place / 'a.svg'}: permission is denied" in refused_process(drawn)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
class TestFullDisk:
    def disk(self, tmp_path):
        disk = tmp_path / "disk"
        disk.mkdir()
        probe = run(SMALL_DISK, disk, "1m", "--version", cwd=tmp_path)
        if "not permitted" in probe.stderr:
            pytest.skip("mounting is not permitted here")
        return disk

    def test_a_lab_that_does_not_fit_is_not_made(self, tmp_path):
        disk = self.disk(tmp_path)
        # The lab is gone with the process's own disk; what was left is told by its end.
        program = (
            SMALL_DISK
            + "import atexit, os; atexit.register(lambda: os.listdir(place) and os._exit(9))"
        )
        done = run(program, disk, "100k", "--lab", disk, "init", cwd=tmp_path)

        assert "full" in refused_process(done)

    def test_a_history_that_does_not_fit_is_not_written(self, three_runs, tmp_path):
        disk = self.disk(tmp_path)
        with three_runs.run("long") as logged:
            logged.log_history({"step": range(20_000), "loss": [0.5] * 20_000})
        words = ["--lab", three_runs.root, "history", "long", "-o", disk / "long.csv"]
        done = run(SMALL_DISK, disk, "100k", *words, cwd=tmp_path)

        assert "the disk is full" in refused_process(done)
