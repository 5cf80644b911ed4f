"""Copying a feature set, and keeping it in a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa

from engine.context import ExperimentContext, ExperimentNode, RegistrationPolicy
from engine.errors import DataError
from engine.features.collection import SampleCollection
from engine.features.records import ScalerRecord
from engine.features.schema import REP_RAW
from engine.saving import as_form, from_form, loading, packaging, read_file, write_large_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

KIND = "feature set"
SUFFIX = ".featureset"


class Keeping(ExperimentNode):
    """What a feature set can do to be there again: in another set, in another process."""

    def __init__(
        self,
        label: str,
        collection: SampleCollection,
        *,
        node_id: str | None = None,
        register: bool = True,
    ) -> None:
        self._collection = collection
        self._splits: dict[str, NDArray[np.int64]] = {}
        self._scalers: list[ScalerRecord] = []
        super().__init__(label, node_id=node_id, register=register)

    def copy(
        self,
        *,
        label: str | None = None,
        share_raw_data_buffer: bool = True,
        restore_splits: bool = False,
        restore_scalers: bool = False,
        register: bool = False,
    ) -> Self:
        """Another set with the same samples: raw columns only, unless splits or scalings come too.

        Columns never change, so sharing them is safe.
        """
        if restore_scalers and not restore_splits:
            raise DataError("restore_scalers needs restore_splits: scalers are fitted to splits.")
        index = self._collection.index
        raw = [column.name for column in index.columns if column.rep == REP_RAW]
        collection = self._collection.take(None, None if restore_scalers else raw)
        copied = type(self)(
            label or f"{self.label}_copy",
            collection if share_raw_data_buffer else collection.unshared(),
            register=register,
        )
        if restore_splits:
            copied._splits = dict(self._splits)  # noqa: SLF001 - one of our own
        if restore_scalers:
            copied._scalers = list(self._scalers)  # noqa: SLF001 - as above
        return copied

    # State

    def get_config(self) -> dict[str, Any]:
        return {"label": self.label}

    @classmethod
    def from_config(cls, config: dict[str, Any], *, register: bool = True) -> Self:
        """An empty set, to be filled by `set_state`."""
        return cls(config["label"], SampleCollection(pa.table({})), register=register)

    def get_state(self) -> dict[str, Any]:
        """All columns as an Arrow table, the ids, the splits' rows, and the fitted scalers."""
        return self._collection.get_state() | {
            "splits": dict(self._splits),
            "scalers": [record.get_state() for record in self._scalers],
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Become what `get_state` described; all of it, or nothing."""
        collection = SampleCollection.from_state(state)
        splits = {
            name: _checked_rows(name, rows, collection.n_samples)
            for name, rows in state["splits"].items()
        }
        scalers = [ScalerRecord.from_state(record) for record in state["scalers"]]
        self._collection, self._splits, self._scalers = collection, splits, scalers

    # Files

    def save(
        self, filepath: str | Path, *, overwrite: bool = False, package_code: bool = False
    ) -> Path:
        """Write everything into one file, whole or not at all; an existing one is kept.

        The file holds the columns as an Arrow stream, the rest as JSON, and no pickle. It gets
        the suffix `.featureset`. With `package_code` the source of a scaler of your own goes into
        the file. Raises PackagedCodeError for one that no other process could import, and whose
        source is not in the file.
        """
        path = _with_suffix(Path(filepath))
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists; pass overwrite=True to replace it.")
        with packaging(requested=package_code) as code:
            form = as_form({"config": self.get_config(), "state": self.get_state()})
        return write_large_file(path, KIND, form, meta=code.meta())

    @classmethod
    def load(
        cls,
        filepath: str | Path,
        *,
        label: str | None = None,
        allow_packaged_code: bool = False,
        overwrite: bool = False,
    ) -> Self:
        """The set in a file that `save` wrote, under its own label or another.

        A label that is taken is an error, unless `overwrite` lets the loaded set replace the one
        that has it. Scalers of classes that are neither ours nor known to be safe are refused
        without `allow_packaged_code`.
        """
        path = Path(filepath)
        path = path if path.exists() else _with_suffix(path)
        saved, meta = read_file(
            path, KIND, trusted=allow_packaged_code, trusted_by="allow_packaged_code"
        )
        with loading(path, meta, allow_packaged_code=allow_packaged_code):
            saved = from_form(saved)
            config = saved["config"] if label is None else {"label": label}
            loaded = cls.from_config(config, register=False)
            loaded.set_state(saved["state"])
        _register(loaded, overwrite=overwrite)
        return loaded


def _register(node: ExperimentNode, *, overwrite: bool) -> None:
    context = ExperimentContext.active_or_default()
    policy = RegistrationPolicy.OVERWRITE if overwrite else context.registration_policy
    with context.use_policy(policy):
        ExperimentNode.__init__(node, node.label)


def _with_suffix(path: Path) -> Path:
    return path if path.suffix == SUFFIX else path.with_name(f"{path.name}{SUFFIX}")


def _checked_rows(name: str, rows: Any, n_samples: int) -> "NDArray[np.int64]":
    positions = np.asarray(rows, dtype=np.int64)
    if positions.ndim != 1 or (
        len(positions) and not -1 <= positions.min() <= positions.max() < n_samples
    ):
        raise DataError(f"split {name!r} has rows that are not there")
    return positions
