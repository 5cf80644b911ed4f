import json

import numpy as np
import pytest
import torch

from engine.errors import FileFormatError
from engine.saving import read_file
from engine.saving.container import CONTENT, TENSORS, Pieces, write_container

PAYLOAD = {
    "weights": torch.arange(12.0).reshape(3, 4),
    "steps": {0: torch.tensor(5), 1: (1, None)},
    "rows": np.arange(4, dtype=">i2"),
    "mask": torch.tensor([True, False]),
    "name": "digits",
}


def refused(path, match, **kwargs):
    with pytest.raises(FileFormatError, match=match) as caught:
        read_file(path, "state", **kwargs)
    assert str(path) in str(caught.value)


def forge(path, content=None, tensors=None, entries=None):
    """A file with a valid seal around anything: what someone who knows the format can make."""
    parts = dict(entries or {})
    if content is not None:
        parts[CONTENT] = [content if isinstance(content, bytes) else json.dumps(content).encode()]
    if tensors is not None:
        parts[TENSORS] = [tensors]
    with path.open("wb") as file:
        write_container(file, {name: Pieces.of(data) for name, data in parts.items()})
    return path


def wrapped(payload, meta=None):
    return {"kind": "state", "meta": meta or {}, "payload": payload}
