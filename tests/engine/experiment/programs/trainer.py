"""Trains in a folder, going on from the last checkpoint there; dies where it is told to.

Reads one order after the other from stdin, as JSON, and forks a process for each, so that every
one is new but none has to import torch again. Answers with the exit status.
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch

from engine.phases import Reporter
from engine.saving import write_file
from tests.engine.small_experiments import Net, resumable

torch.set_num_threads(1)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class Recording(Reporter):
    """Appends what it hears to a file at once, and writes checkpoints every so many batches."""

    wants_batch_metrics = True

    def __init__(self, experiment, folder, order):
        self.experiment, self.folder, self.order = experiment, folder, order
        self.log = (folder / "values.jsonl").open("a")

    def metrics(self, values, *, path, epoch, batch, step):
        for name, value in values.items():
            row = [name, list(path), epoch, batch, step, float(value).hex()]
            self.log.write(json.dumps(row) + "\n")
        self.log.flush()

    def batch_ended(self, *, path, epoch, batch, step):
        every = self.order["every"]
        if every and step % every == 0:
            self.save(step, "batch")
        if self.order["die"] == ["batch", step]:
            die()

    def epoch_ended(self, *, path, epoch, step):
        self.save(step, "epoch")
        if self.order["die"] == ["epoch", step]:
            die()

    def save(self, step, kind):
        if self.order["die"] == ["write", step]:
            os.fsync = lambda descriptor: die()
        # Sorted by name, an epoch's end comes after its last batch.
        name = f"{step:05}-{'b' if kind == 'epoch' else 'a'}.ckpt"
        saved = self.experiment.write_checkpoint(self.folder / name)
        assert saved.path.exists()
        if saved.best is not None:
            assert saved.best.path.exists()


def die_in_step(number):
    """In the middle of this step: its random numbers are drawn, its gradients are not there."""
    original, steps = Net.forward, [0]

    def forward(self, x):
        out = original(self, x)
        if self.training:
            steps[0] += 1
            if steps[0] == number:
                die()
        return out

    Net.forward = forward


def train(order):
    folder = Path(order["folder"])
    checkpoints = sorted(folder.glob("*-[ab].ckpt"))
    experiment = resumable(**order["options"])
    if checkpoints:
        experiment.restore_checkpoint(checkpoints[-1])
    kind, step = order["die"] or (None, None)
    if kind == "step":
        die_in_step(step - experiment.step)
    experiment.add_reporter(Recording(experiment, folder, order))
    if checkpoints:
        experiment.resume()
    else:
        experiment.run()
    phase = experiment.execution_plan.get_train_phase("train")
    final = {
        "graph": experiment.model_graph.get_state(),
        "step": experiment.step,
        "stopping": phase.callbacks[1].get_state(),
        "metrics": experiment.last_run.results.get_train_result().metric_store.get_state(),
    }
    write_file(folder / "final.state", "final", final)


def main():
    # Imports a thousand modules of torch's, once for all.
    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            sys.stdin.close()
            train(json.loads(line))
            sys.stdout.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
