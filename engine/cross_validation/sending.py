"""How a fold's results reach the process that forked its own.

They go through a pipe that nobody else can write to, as pickles; no file ever holds one. Data that
both processes have is named rather than sent.
"""

import io
import pickle
import traceback
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

import torch

from engine.batches.columns import ColumnStore
from engine.batches.stretches import RoleRows
from engine.errors import FoldError
from engine.graph.plan import Plan

Name = tuple[str, Any]

# What recorded batches read from the data when it is asked for, and would read again.
_READ_AGAIN: Mapping[type, Sequence[str]] = {
    ColumnStore: ("_blocks",),
    RoleRows: ("_first", "_pieces"),
}


class Sender:
    """Writes messages; objects that the receiver has are replaced by their names."""

    def __init__(self, connection: Connection, fold: str, known: list[tuple[Name, Any]]) -> None:
        self._connection = connection
        self._fold = fold
        # Objects are kept, so that no other can get their ids.
        self._known = {id(thing): (name, thing) for name, thing in known}

    def know(self, name: Name, thing: Any) -> None:
        """From the next message on it is named."""
        self._known[id(thing)] = (name, thing)

    def send(self, message: Any) -> None:
        """FoldError if it holds what cannot leave this process."""
        stream = io.BytesIO()
        try:
            _Pickler(stream, self._known).dump(message)
        except Exception as error:
            raise FoldError(
                f"What {self._fold} recorded cannot be sent from its process: {error}. Have "
                "callbacks return plain values, or run the folds with workers=1."
            ) from error
        self._connection.send_bytes(stream.getbuffer())


class _Pickler(pickle.Pickler):
    def __init__(self, stream: io.BytesIO, known: Mapping[int, tuple[Name, Any]]) -> None:
        super().__init__(stream, protocol=5)
        self._known = known

    def persistent_id(self, thing: Any) -> Name | None:
        found = self._known.get(id(thing))
        return None if found is None else found[0]

    def reducer_override(self, thing: Any) -> Any:
        # Tensors would be saved and loaded as files are, each by itself, which takes far longer.
        if type(thing) is torch.Tensor and _is_plain(thing):
            return torch.from_numpy, (thing.numpy(),)
        if isinstance(thing, Plan):
            return Plan, (list(thing.nodes.values()),)
        if type(thing) in _READ_AGAIN:
            return _without(thing, _READ_AGAIN[type(thing)])
        return NotImplemented


def _without(thing: Any, emptied: Sequence[str]) -> tuple[Any, ...]:
    make, arguments, (_, slots) = thing.__reduce_ex__(4)[:3]
    return make, arguments, (None, {**slots, **{name: {} for name in emptied}})


def _is_plain(tensor: torch.Tensor) -> bool:
    return (
        tensor.device.type == "cpu"
        and tensor.layout is torch.strided
        and not tensor.requires_grad
        and not tensor.is_conj()
        and not tensor.is_neg()
        and tensor.dtype is not torch.bfloat16
        and (tensor.dtype.is_floating_point or not tensor.dtype.is_complex)
    )


class Receiver:
    """Reads messages; `find` gives the object of this process that a name stands for."""

    def __init__(self, connection: Connection, find: Callable[[Name], Any]) -> None:
        self.connection = connection
        self._find = find

    def receive(self) -> Any:
        """The next message; EOFError or OSError if its process has gone."""
        unpickler = pickle.Unpickler(io.BytesIO(self.connection.recv_bytes()))  # noqa: S301 - written by our own fork
        unpickler.persistent_load = self._find  # type: ignore[method-assign]  # how pickle wants it
        return unpickler.load()


def sendable(error: BaseException, fold: str) -> bytes:
    """The error with its traceback as a note, or a FoldError that says the same."""
    text = "".join(traceback.format_exception(error))
    error.add_note(f"In the process of {fold}:\n{text}")
    try:
        sent = pickle.dumps(error)
        pickle.loads(sent)  # noqa: S301 - just written
    except Exception:  # noqa: BLE001 - an error's own methods may fail in any way
        return pickle.dumps(FoldError(f"{fold} failed with {type(error).__name__}:\n{text}"))
    return sent


def received(sent: bytes) -> BaseException:
    """The error that `sendable` made ready."""
    error: BaseException = pickle.loads(sent)  # noqa: S301 - written by our own fork
    return error
