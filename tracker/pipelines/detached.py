"""Training in a process of its own, which outlives the shell that began it.

The starter waits until the first step is done, so that what goes wrong before it is told
where it was asked for. What the process prints goes to a log file in the lab.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tracker.errors import StateError, TrackerError
from tracker.pipelines.standing import ready_to_train
from tracker.recording.place import Place

LOGS = "logs"
# Started by name: it opens the lab, which lies above this room.
WORKER = "tracker.cli.background"


class Detached(NamedTuple):
    """A process that trains in the background, or has had nothing to do."""

    pid: int
    log: Path
    # How the first pipeline's training ended, if it did so without a step.
    sentence: str | None = None


def train_detached(place: Place, names: Sequence[str], **options: Any) -> Detached:
    """Trains the pipelines one after the other in the background; returns after the first step.

    `options` are those of `Pipeline.train`, as far as they are plain values. What goes wrong
    before the first step is raised here, with the words it has there.
    """
    for name in names:
        ready_to_train(place, name)
    log = _new_log(place, names[0])
    request = {
        "lab": str(place.root),
        "names": list(names),
        "options": options,
        "log": place.files.relative(log),
    }
    with log.open("xb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own module
            # -P: what lies in the current directory shadows nothing.
            [sys.executable, "-P", "-m", WORKER, json.dumps(request)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            # A session of its own: closing the terminal does not reach it.
            start_new_session=True,
        )
    report = _report_of(process)
    if "begun" in report or "sentence" in report:
        # Nobody waits for it; in a program that goes on, somebody must all the same bury it.
        threading.Thread(target=process.wait, daemon=True).start()
        return Detached(process.pid, log, report.get("sentence"))
    process.wait()
    raise _failure(report, log)


def _new_log(place: Place, name: str) -> Path:
    folder = place.files.root / LOGS
    folder.mkdir(parents=True, exist_ok=True)
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
    return folder / f"{moment}-{safe[:80]}.log"


def _report_of(process: "subprocess.Popen[bytes]") -> Mapping[str, Any]:
    """What the process says of its beginning; nothing if it ends without a word."""
    if process.stdout is None:
        return {}
    with process.stdout as stream:
        line = stream.readline()
    try:
        report = json.loads(line)
    except ValueError:
        return {}
    return report if isinstance(report, dict) else {}


def _failure(report: Mapping[str, Any], log: Path) -> TrackerError:
    if "error" in report:
        return StateError(f"{report['error']} (The log: {log})")
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    last = next((line for line in reversed(lines) if line.strip()), "it printed nothing")
    return StateError(
        f"The background process ended before its first step: {last} (The log: {log})"
    )
