"""The share of the machine that a process may use: its device, and how many threads."""

import os
import re
import sys
from collections.abc import Sequence

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_CUDA = re.compile(r"cuda:(\d+)")


def fair_threads(workers: int) -> int | None:
    """The threads of each of several workers, so that together they use the machine once.

    None, which leaves it as it is, for a single one and where the environment says.
    """
    if workers < 2 or _THREADS[0] in os.environ:
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // workers)


def use_threads(threads: int | None) -> None:
    """Limits what is imported later, and torch if it is there already."""
    if threads is None:
        return
    os.environ.update(dict.fromkeys(_THREADS, str(threads)))
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)


def use_device(device: str | None) -> str | None:
    """Makes a CUDA device the only one this process sees; returns what code calls it here.

    Any other name is returned as it is. In a process of its own, before CUDA is used.
    """
    found = _CUDA.fullmatch(device or "")
    if found is None:
        return device
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    known = visible.split(",") if visible else None
    number = int(found[1])
    os.environ["CUDA_VISIBLE_DEVICES"] = (
        known[number] if known and number < len(known) else found[1]
    )
    return "cuda:0"


def split_devices(text: str) -> Sequence[str]:
    """`cuda:0,cuda:1` as a list."""
    return [part.strip() for part in text.split(",") if part.strip()]
