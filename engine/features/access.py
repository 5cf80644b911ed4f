"""Taking data out of a feature set or a view."""

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from engine.errors import DataError
from engine.features import schema
from engine.features.collection import SampleCollection
from engine.features.columns import Array, row_shape, type_name
from engine.features.formats import DataFormat, convert, to_frame
from engine.features.samples import SampleData
from engine.features.schema import FEATURES, TAGS, TARGETS, Column, ColumnIndex, Selector
from engine.features.showing import Showing

if TYPE_CHECKING:
    from engine.features.feature_set import FeatureSet

Format = str | DataFormat


class DataAccess(Showing):
    """What a feature set and its views have in common: rows and columns to be read.

    Arrays that come out are the caller's own. A selector is a key, `key.rep`,
    `domain.key.rep`, one of these with wildcards, or a list; a key without a representation
    means `rep` where given, else the transformed one if there is one, else the raw one.
    """

    @property
    @abstractmethod
    def feature_set(self) -> "FeatureSet":
        """The set that the rows and columns belong to."""

    @property
    @abstractmethod
    def collection(self) -> SampleCollection:
        """The table that the rows lie in."""

    @property
    @abstractmethod
    def index(self) -> ColumnIndex:
        """The columns that can be read here."""

    @property
    @abstractmethod
    def rows(self) -> NDArray[np.int64] | None:
        """The table's rows that belong here, in order, -1 for padding; None means all of them."""

    # Rows

    @property
    def n_samples(self) -> int:
        return self.collection.n_samples if self.rows is None else len(self.rows)

    def __len__(self) -> int:
        return self.n_samples

    @property
    def sample_mask(self) -> NDArray[np.int8]:
        """1 for a sample, 0 for a padded row."""
        if self._padding is None:
            return np.ones(self.n_samples, dtype=np.int8)
        return (~self._padding).astype(np.int8)

    def get_sample_uuids(self, fmt: Format = DataFormat.NUMPY) -> Any:
        """The samples' ids; None for a padded row."""
        rows = np.arange(self.n_samples) if self.rows is None else self.rows
        ids = self.collection.ids.at(np.maximum(rows, 0))
        if self._padding is not None:
            ids[self._padding] = None
        fmt = DataFormat.from_value(fmt)
        if fmt is DataFormat.LIST:
            return ids.tolist()
        return ids if fmt is DataFormat.NUMPY else convert({schema.SAMPLE_UUIDS: ids}, fmt)

    def column(self, selector: str) -> Array:
        """The values of the one column that the selector means."""
        return self.values(self.index.find_one(selector).name)

    def time_zone(self, selector: str) -> str | None:
        """The zone of a column's times, which come out in UTC; None for all other columns."""
        return getattr(self.column_type(self.index.find_one(selector)), "tz", None)

    def values(self, name: str) -> Array:
        """A column by its full name; whole columns are shared, read-only, not copied."""
        if self.rows is None:
            return self.collection.numpy(name)
        if self._padding is None:
            return self.collection.gather(name, self.rows)
        taken = self.collection.gather(name, np.maximum(self.rows, 0))
        taken[self._padding] = None if taken.dtype.kind == "O" else np.zeros((), taken.dtype)
        return taken

    @cached_property
    def _padding(self) -> NDArray[np.bool_] | None:
        rows = self.rows
        return rows < 0 if rows is not None and len(rows) and rows.min() < 0 else None

    # Data

    def get_data(
        self,
        *,
        columns: Selector = None,
        features: Selector = None,
        targets: Selector = None,
        tags: Selector = None,
        rep: str | None = None,
        fmt: Format = DataFormat.DICT_NUMPY,
        include_domain_prefix: bool = True,
        include_rep_suffix: bool = True,
    ) -> Any:
        """The selected columns, of all domains at once; without a selector, everything."""
        chosen = self.index.select(
            columns, features=features, targets=targets, tags=tags, rep=rep, fill=False
        )
        return self._data(chosen, fmt, prefix=include_domain_prefix, suffix=include_rep_suffix)

    def get_features(
        self,
        fmt: Format = DataFormat.DICT_NUMPY,
        *,
        features: Selector = None,
        rep: str | None = None,
        include_domain_prefix: bool = False,
        include_rep_suffix: bool = False,
    ) -> Any:
        chosen = self.index.find_all(FEATURES, features, rep)
        return self._data(chosen, fmt, prefix=include_domain_prefix, suffix=include_rep_suffix)

    def get_targets(
        self,
        fmt: Format = DataFormat.DICT_NUMPY,
        *,
        targets: Selector = None,
        rep: str | None = None,
        include_domain_prefix: bool = False,
        include_rep_suffix: bool = False,
    ) -> Any:
        chosen = self.index.find_all(TARGETS, targets, rep)
        return self._data(chosen, fmt, prefix=include_domain_prefix, suffix=include_rep_suffix)

    def get_tags(
        self,
        fmt: Format = DataFormat.DICT_NUMPY,
        *,
        tags: Selector = None,
        rep: str | None = None,
        include_domain_prefix: bool = False,
        include_rep_suffix: bool = False,
    ) -> Any:
        chosen = self.index.find_all(TAGS, tags, rep)
        return self._data(chosen, fmt, prefix=include_domain_prefix, suffix=include_rep_suffix)

    def _data(self, chosen: list[Column], fmt: Format, *, prefix: bool, suffix: bool) -> Any:
        names = [_short(column, prefix=prefix, suffix=suffix) for column in chosen]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(
                f"{twice!r} is selected more than once; tell the columns apart with "
                "include_rep_suffix=True or include_domain_prefix=True."
            )
        columns = {
            name: _own(self.values(column.name)) for name, column in zip(names, chosen, strict=True)
        }
        data = convert(columns, fmt)
        if DataFormat.from_value(fmt) is DataFormat.PANDAS:
            self._set_zones(data, dict(zip(names, chosen, strict=True)))
        return data

    def _set_zones(self, frame: pd.DataFrame, columns: Mapping[str, Column]) -> None:
        """Give times back the zone that numpy has no place for."""
        for name, column in columns.items():
            zone = getattr(self.column_type(column), "tz", None)
            if zone is not None:
                frame[name] = frame[name].dt.tz_localize("UTC").dt.tz_convert(zone)

    # What there is

    def get_feature_keys(
        self, *, include_rep_suffix: bool = True, include_domain_prefix: bool = True
    ) -> list[str]:
        return self._keys(FEATURES, prefix=include_domain_prefix, suffix=include_rep_suffix)

    def get_target_keys(
        self, *, include_rep_suffix: bool = True, include_domain_prefix: bool = True
    ) -> list[str]:
        return self._keys(TARGETS, prefix=include_domain_prefix, suffix=include_rep_suffix)

    def get_tag_keys(
        self, *, include_rep_suffix: bool = True, include_domain_prefix: bool = True
    ) -> list[str]:
        return self._keys(TAGS, prefix=include_domain_prefix, suffix=include_rep_suffix)

    def get_all_keys(
        self, *, include_rep_suffix: bool = True, include_domain_prefix: bool = True
    ) -> list[str]:
        return [
            key
            for domain in schema.DOMAINS
            for key in self._keys(domain, prefix=include_domain_prefix, suffix=include_rep_suffix)
        ]

    def get_feature_shapes(
        self, *, include_rep_suffix: bool = True, include_domain_prefix: bool = True
    ) -> dict[str, tuple[int, ...]]:
        """The shape of one sample's value, () for a plain one."""
        return self._shapes(FEATURES, prefix=include_domain_prefix, suffix=include_rep_suffix)

    def get_target_shapes(
        self, *, include_rep_suffix: bool = True, include_domain_prefix: bool = True
    ) -> dict[str, tuple[int, ...]]:
        return self._shapes(TARGETS, prefix=include_domain_prefix, suffix=include_rep_suffix)

    def get_tag_shapes(
        self, *, include_rep_suffix: bool = True, include_domain_prefix: bool = True
    ) -> dict[str, tuple[int, ...]]:
        return self._shapes(TAGS, prefix=include_domain_prefix, suffix=include_rep_suffix)

    def get_feature_dtypes(
        self, *, include_rep_suffix: bool = True, include_domain_prefix: bool = True
    ) -> dict[str, str]:
        """What each column is in numpy, in its words; "str" for text."""
        return self._dtypes(FEATURES, prefix=include_domain_prefix, suffix=include_rep_suffix)

    def get_target_dtypes(
        self, *, include_rep_suffix: bool = True, include_domain_prefix: bool = True
    ) -> dict[str, str]:
        return self._dtypes(TARGETS, prefix=include_domain_prefix, suffix=include_rep_suffix)

    def get_tag_dtypes(
        self, *, include_rep_suffix: bool = True, include_domain_prefix: bool = True
    ) -> dict[str, str]:
        return self._dtypes(TAGS, prefix=include_domain_prefix, suffix=include_rep_suffix)

    def _keys(self, domain: str, *, prefix: bool, suffix: bool) -> list[str]:
        columns = self.index.of_domain(domain)
        return list(dict.fromkeys(_short(c, prefix=prefix, suffix=suffix) for c in columns))

    def _shapes(self, domain: str, *, prefix: bool, suffix: bool) -> dict[str, tuple[int, ...]]:
        return {
            _short(column, prefix=prefix, suffix=suffix): row_shape(self.column_type(column))
            for column in self.index.of_domain(domain)
        }

    def _dtypes(self, domain: str, *, prefix: bool, suffix: bool) -> dict[str, str]:
        return {
            _short(column, prefix=prefix, suffix=suffix): self._dtype(column)
            for column in self.index.of_domain(domain)
        }

    def _dtype(self, column: Column) -> str:
        kind = type_name(self.column_type(column))
        return kind if kind == "str" else str(self.collection.dtype(column.name))

    def column_type(self, column: Column) -> pa.DataType:
        """The Arrow type of a column."""
        return self.collection.type(column.name)

    def first_value(self, column: Column) -> Any:
        """What a column says of the first sample; None for a padded row."""
        row = 0 if self.rows is None else int(self.rows[0])
        return None if row < 0 else self.collection.gather(column.name, np.array([row]))[0]

    # Whole

    def to_pandas(
        self, *, include_padded: bool = False, include_mask: bool = False
    ) -> pd.DataFrame:
        """A DataFrame under the full names; padded rows only if asked for."""
        frame = to_frame({name: _own(self.values(name)) for name in self.index.names})
        self._set_zones(frame, {column.name: column for column in self.index.columns})
        if include_mask:
            frame["sample_mask"] = self.sample_mask
        if self._padding is not None and not include_padded:
            frame = frame.loc[~self._padding].reset_index(drop=True)
        return frame

    def to_sample_collection(self) -> SampleCollection:
        """A table of its own, without padded rows."""
        rows = self.rows
        if rows is not None and self._padding is not None:
            rows = rows[~self._padding]
        return self.collection.take(rows, self.index.names)

    def to_arrow(self) -> pa.Table:
        """The samples as an Arrow table under the full names, with their ids."""
        return self.to_sample_collection().to_arrow()

    def to_featureset(self, label: str) -> "FeatureSet":
        """A feature set of its own; the samples keep their ids.

        Scaled columns stay scaled ones where the raw ones come along, with the scalers of all that
        was done to them. Without its raw column, a scaled one is the raw column there.
        """
        own = self.to_sample_collection().as_own()
        made = type(self.feature_set)(label, own)
        made.take_scalings_from(self.feature_set, self.index)
        return made

    def to_sample_data(self, fmt: Format = DataFormat.NUMPY) -> SampleData:
        """The samples as one block per domain, of shape (n, n_cols, ...); tags stay numpy."""
        blocks = {}
        for domain in (FEATURES, TARGETS, TAGS):
            chosen = self.index.find_all(domain, None)
            form = DataFormat.NUMPY if domain == TAGS else fmt
            blocks[domain] = (
                self._data(chosen, form, prefix=False, suffix=False) if chosen else None
            )
        return SampleData(blocks | {schema.SAMPLE_UUIDS: self.get_sample_uuids()})


def _short(column: Column, *, prefix: bool, suffix: bool) -> str:
    name = f"{column.domain}.{column.key}" if prefix else column.key
    return f"{name}.{column.rep}" if suffix else name


def _own(values: Array) -> Array:
    return values if values.flags.writeable else values.copy()
