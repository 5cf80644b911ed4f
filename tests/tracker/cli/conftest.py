import fcntl
import math
import os
import pty
import selectors
import struct
import subprocess
import sys
import termios
import textwrap
import time

import pytest
import yaml

from tests.tracker.pipelines.small_lab import CONFIG, PARTS
from tracker.lab import Lab


@pytest.fixture
def lab(lab_root):
    """This test's own lab, the one that `labkeeper(...)` works in; empty."""
    with Lab(lab_root) as lab:
        yield lab


@pytest.fixture
def three_runs(lab):
    """`mlp`, `mlp-2`, `mlp-3` with learning rates 0.1, 0.01, 0.001; the second ends in NaN."""
    for number, rate in enumerate([0.1, 0.01, 0.001]):
        params = {"optimizer": {"lr": rate}, "depth": 3}
        with lab.run("mlp", experiment="digits", params=params, tags=["base"], seed=7) as run:
            for epoch in range(3):
                last = (number, epoch) == (1, 2)
                loss = math.nan if last else 1 / (1 + epoch + number)
                run.log({"val_loss": loss, "val_accuracy": epoch / 4}, step=10 * epoch, epoch=epoch)
    return lab


@pytest.fixture
def small(lab):
    """The lab with a small problem to learn: `parts.py` and `small.yaml`."""
    (lab.root / "parts.py").write_text(textwrap.dedent(PARTS))
    (lab.root / "small.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    return lab


@pytest.fixture
def create(small, labkeeper):
    """Creates a pipeline by the command: `create("a", "epochs=2")`."""

    def make(name="small", *overrides):
        options = [word for override in overrides for word in ("-s", override)]
        result = labkeeper(
            "create", name, "-c", str(small.root / "small.yaml"), "--force", *options
        )
        assert result.exit_code == 0, result.stderr

    return make


@pytest.fixture
def process(lab_root):
    """Starts `labkeeper` as a process of its own: `process("train", "small")`."""
    started = []

    def start(*arguments, **options):
        command = [sys.executable, "-m", "tracker", "--lab", str(lab_root), *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        started.append(subprocess.Popen(command, env=environment, **(pipes | options)))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.wait()
        for pipe in (each.stdout, each.stderr):
            if pipe is not None:
                pipe.close()


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, root, *arguments, columns=100):
        self.reading, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        environment = os.environ | {"TERM": "xterm", "OMP_NUM_THREADS": "1"}
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            environment.pop(name, None)
        command = [sys.executable, "-m", "tracker", "--lab", str(root), *arguments]
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment
        )
        os.close(slave)
        self.text = ""

    def read_until(self, words, *, times=1, patience=60):
        end = time.monotonic() + patience
        while self.text.count(words) < times:
            assert time.monotonic() < end, self.text
            self._read()
        return self.text

    def type(self, words):
        os.write(self.reading, words.encode())

    def read_all(self):
        while self._read():
            pass
        return self.text

    def _read(self):
        # Not `select`, which knows no file descriptor above 1023.
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.reading, selectors.EVENT_READ)
            ready = waiting.select(timeout=1)
        if not ready:
            return self.process.poll() is None
        try:
            new = os.read(self.reading, 65536)
        except OSError:  # Linux says so when the other side has closed.
            return False
        self.text += new.decode()
        return bool(new)


@pytest.fixture
def terminal(lab_root):
    opened = []

    def start(*arguments, **options):
        opened.append(Terminal(lab_root, *arguments, **options))
        return opened[-1]

    yield start
    for each in opened:
        each.process.kill()
        each.process.wait()
        os.close(each.reading)
