"""Make a lab, train pipelines on scikit-learn's digits and diabetes data, draw their curves.

Prints each command before it runs, so that you can go on by hand: `cd demo`, then the same
words. Called by `make demo`; takes the directory to make the lab in, which is made anew.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

EXAMPLES = Path(__file__).parent


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)


def shown(arguments: Iterable[str]) -> str:
    """The arguments as one would type them: those that a shell would take apart in quotes."""
    return " ".join(f'"{word}"' if set(word) & set(" '()<>") else word for word in arguments)


def labkeeper(*arguments: str, quiet: bool = False) -> str:
    """Print a command, run it in the lab, print and return its output."""
    if not quiet:
        say(f"\n$ labkeeper {shown(arguments)}")
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "tracker", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if not quiet:
        say(done.stdout.rstrip())
    if done.returncode != 0:
        sys.exit(f"labkeeper {shown(arguments)} ended with {done.returncode}\n{done.stdout}")
    return done.stdout


def epochs_done(pipeline: str) -> int:
    """How many epochs a pipeline has finished."""
    listed = labkeeper("list", f"name == {pipeline!r}", "--columns", "epoch", "--csv", quiet=True)
    value = listed.splitlines()[1].strip('"')  # CSV writes an empty line as ""
    return int(value) + 1 if value else 0  # Epochs count from 0.


def main() -> None:
    """Make the lab, train, stop, resume, list, filter and draw."""
    place = Path(sys.argv[1])
    if place.exists() and not (place / ".labkeeper").is_dir() and any(place.iterdir()):
        sys.exit(f"{place} is there, and is no lab: name another directory.")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for path in EXAMPLES.iterdir():
        if path.suffix in {".yaml", ".py"} and path.name != Path(__file__).name:
            shutil.copy(path, place)
    os.chdir(place)
    # One thread is plenty for models of this size, and two would wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

    labkeeper("init")
    labkeeper("create", "mlp", "-c", "digits_mlp.yaml")
    labkeeper("create", "mlp-fast", "--from", "mlp", "-s", "optimizer.args.lr=0.01")
    labkeeper("create", "cnn", "-c", "digits_cnn.yaml")
    labkeeper("create", "forest", "-c", "digits_forest.yaml")
    labkeeper("create", "diabetes", "-c", "diabetes.yaml")

    labkeeper("train", "mlp", "mlp-fast", "forest", "diabetes")

    say("\n# Train the CNN in the background, stop it half-way, and go on from where it stood.")
    labkeeper("train", "cnn", "--detach")
    while epochs_done("cnn") < 2:
        time.sleep(0.2)
    labkeeper("stop", "cnn")
    labkeeper("list", "status == 'stopped'")
    labkeeper("resume", "cnn")

    labkeeper("list")
    labkeeper("list", "experiment == 'digits' and best(val_accuracy) > 0.9")
    labkeeper("history", "cnn", "--metric", "val_loss")
    labkeeper("plot", "val_loss", "-o", "val_loss.png")
    say(f"\nThe lab is {place}/. The picture: {place}/val_loss.png. Go on by hand: cd {place}")


if __name__ == "__main__":
    main()
