"""Scaling columns of a feature set, and undoing it."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from engine.errors import DataError, EngineError, UnknownLabelError
from engine.features.blocks import Axes, Block, block_of, plan_flattening
from engine.features.columns import NUMERIC_KINDS
from engine.features.records import ScalerRecord, as_scaler
from engine.features.schema import (
    DOMAINS,
    REP_RAW,
    REP_TRANSFORMED,
    REPS,
    Column,
    ColumnIndex,
    Selector,
    as_list,
)
from engine.warning import warn

if TYPE_CHECKING:
    from engine.features.collection import SampleCollection
    from engine.features.view import FeatureSetView
    from engine.scalers import Scaler


class Scaling:
    """What a feature set can do about the scale of its columns.

    A scaled column stands beside the raw one as its transformed representation; scaling it again
    replaces that. NaN is passed through by scikit-learn's scalers and ours.
    """

    _collection: "SampleCollection"
    _scalers: list[ScalerRecord]

    @abstractmethod
    def get_split(self, split_name: str) -> "FeatureSetView": ...

    @property
    def scaler_records(self) -> list[ScalerRecord]:
        """The scalings in the order in which they were done."""
        return list(self._scalers)

    def fit_transform(
        self,
        scaler: "Scaler | Any",
        *,
        domain: str,
        keys: str | Sequence[str] | None = None,
        fit_to_split: str | None = None,
        merged_axes: Axes = None,
    ) -> None:
        """Fit a scaler to the columns on one split, or on everything, and scale all samples.

        The columns are scaled together, as one table: see `plan_flattening` for columns of arrays.
        """
        columns = self._to_be_scaled(domain, keys)
        block = self._block([column.name for column in columns])
        names = tuple(column.key for column in columns)
        flattening = plan_flattening(block.shape[1:], merged_axes, names)
        fitted = as_scaler(scaler)
        with _naming(fitted, names):
            fitted.fit(flattening.flatten(self._fitted_to(block, fit_to_split)))
        record = ScalerRecord(
            order=len(self._scalers),
            domain=domain,
            keys=names,
            rep_in=columns[0].rep,
            rep_out=REP_TRANSFORMED,
            fit_split=fit_to_split,
            merged_axes=merged_axes,
            flatten_meta=flattening,
            # One of our own: whoever gave the scaler may fit it to something else later.
            scaler_obj=deepcopy(fitted),
        )
        with _naming(fitted, names):
            scaled = record.scaled(block)
        self._store(domain, dict(zip(names, _columns(scaled), strict=True)))
        self._scalers.append(record)

    def take_scalings_from(self, other: "Scaling", index: ColumnIndex) -> None:
        """Remember what was done to the columns in `index`, which are here as they were there.

        Scalings that concern a column which is not there are forgotten, and those that other
        columns of such a scaling went through.
        """
        kept = other.scaler_records
        lost = {column for one in kept for column in _both_reps(one) if column not in index}
        while gone := [one for one in kept if not lost.isdisjoint(_both_reps(one))]:
            lost.update(column for one in gone for column in _both_reps(one))
            kept = [one for one in kept if lost.isdisjoint(_both_reps(one))]
        self._scalers = _renumbered(kept)

    def apply_scalers(self, records: Sequence[ScalerRecord]) -> None:
        """Do these scalings again, with fresh scalers fitted to the splits as they are now."""
        for record in records:
            self.fit_transform(
                record.scaler_obj.clone_unfitted(),
                domain=record.domain,
                keys=record.keys,
                fit_to_split=record.fit_split,
                merged_axes=record.merged_axes,
            )

    def undo_last_transform(self, domain: str, keys: str | Sequence[str] | None = None) -> None:
        """Undo the last scaling of exactly these columns; refused if a later one builds on it.

        The values are computed from the raw ones again, so nothing is lost to rounding.
        """
        wanted = set(self._named(domain, keys))
        for record in reversed(self._of_domain(domain)):
            if set(record.keys) == wanted:
                self._remove(record)
                return
            if wanted & set(record.keys):
                raise DataError(
                    f"The last scaling here is that of exactly {', '.join(record.keys)}, by "
                    f"{record.scaler_obj.name}; undo it first."
                )
        given = " What came scaled goes with undo_all_transforms()." if self._given(domain) else ""
        raise DataError(f"No scaling of {', '.join(sorted(wanted))} is left to undo.{given}")

    def undo_all_transforms(
        self, domain: str | None = None, keys: str | Sequence[str] | None = None
    ) -> None:
        """Undo every scaling of these columns, the last one first; all of them, or none.

        Without a domain, of every domain that has these columns. Scaled columns that came with the
        data, without their scalers, are dropped too.
        """
        undone = self._meant(domain, keys)
        self._rebuild({of: self._left_without(of, some) for of, some in undone.items()}, undone)

    def iter_scalers_on_cols(
        self, *, domain: str, columns: str | Sequence[str]
    ) -> Iterator[ScalerRecord]:
        """The scalings that any of these columns went through, the last one first."""
        wanted = set(self._named(domain, columns))
        return (record for record in reversed(self._of_domain(domain)) if wanted & set(record.keys))

    def unscale_data_for_cols(
        self, *, data: Block, domain: str, columns: str | Sequence[str]
    ) -> Block:
        """Values on the scale of the raw columns, for data on the scale of the transformed ones.

        The data is a model's prediction of these columns, for instance, as an array or a tensor of
        shape (n,), (n, k) or (n, k, *shape), the columns in this order. Where a scaler has no way
        back, or the scaled column came without its scaler, a warning says so, and the values stay
        as it and the earlier ones left them.
        """
        names = self._named(domain, columns)
        if given := [name for name in names if name in self._given(domain)]:
            warn(
                f"{', '.join(given)} came scaled, and by what is not known: "
                f"{'it stays' if len(given) == 1 else 'they stay'} on that scale."
            )
        values = _numbers(data)
        block = self._as_block(values, domain, names)
        for record in self.iter_scalers_on_cols(domain=domain, columns=names):
            if not record.scaler_obj.is_invertible:
                warn(
                    f"{record.scaler_obj.name} has no way back: {', '.join(names)} stay scaled by "
                    "it.",
                )
                break
            with _naming(record.scaler_obj, names, "unscale"):
                block = _unscaled_among_others(record, block, names)
        return block.reshape(values.shape)

    # Inside

    def _named(self, domain: str, keys: Selector) -> list[str]:
        if domain not in DOMAINS:
            raise UnknownLabelError("domain", domain, DOMAINS)
        found = self._collection.index.find_all(domain, None if keys is None else as_list(keys))
        if not found:
            raise DataError(f"There are no {domain} to be scaled.")
        return list(dict.fromkeys(column.key for column in found))

    def _meant(self, domain: str | None, keys: Selector) -> dict[str, set[str]]:
        """The keys that are meant, by domain."""
        index = self._collection.index
        if domain is not None and (domain not in DOMAINS or keys is not None):
            return {domain: set(self._named(domain, keys))}
        if keys is None:
            return {of: set(index.keys(of)) for of in ([domain] if domain else DOMAINS)}
        found = [column for key in as_list(keys) for column in index.find_anywhere(key)]
        return {of: {one.key for one in found if one.domain == of} for of in DOMAINS}

    def _left_without(self, domain: str, keys: set[str]) -> list[ScalerRecord]:
        """The domain's scalings that these columns have no part in."""
        kept = []
        for record in self._of_domain(domain):
            if not keys & set(record.keys):
                kept.append(record)
            elif not keys >= set(record.keys):
                raise DataError(
                    f"{', '.join(record.keys)} were scaled together by "
                    f"{record.scaler_obj.name}; undo it for all of them."
                )
        return kept

    def _to_be_scaled(self, domain: str, keys: Selector) -> list[Column]:
        index = self._collection.index
        columns = [index.in_rep(domain, key, None) for key in self._named(domain, keys)]
        for named in index.find_all(domain, None if keys is None else as_list(keys)):
            if named not in columns:
                raise DataError(
                    f"{named.name} is scaled already, and a scaling goes on from there: name "
                    f"{named.key!r}, or undo_last_transform() first to scale the {named.rep} "
                    "values."
                )
        for column in columns:
            values = self._collection.numpy(column.name)
            if values.dtype.kind not in NUMERIC_KINDS:
                raise DataError(f"Column {column.key!r} does not hold numbers.")
        if given := [column.key for column in columns if column.key in self._given(domain)]:
            raise DataError(
                f"{', '.join(given)} came scaled, and by what is not known, so that a further "
                "scaling could not be undone. Drop that with undo_all_transforms() first, or let "
                "the scaled column be the raw one of another set: "
                f"select({domain}={given[0]!r}).to_featureset(...)."
            )
        shapes = {column.key: self._collection.shape(column.name) for column in columns}
        if len(set(shapes.values())) > 1:
            listed = ", ".join(f"{key} {shape}" for key, shape in shapes.items())
            raise DataError(f"Only columns of one shape can be scaled together: {listed}.")
        return columns

    def _fitted_to(self, block: Block, split: str | None) -> Block:
        if split is None:
            return block
        rows = self.get_split(split).valid_indices
        if not len(rows):
            raise DataError(f"Split {split!r} is empty; a scaler cannot be fitted to it.")
        return block[rows]

    def _block(self, names: Sequence[str]) -> Block:
        return block_of([self._collection.numpy(name) for name in names])

    def _store(self, domain: str, values: dict[str, Block]) -> None:
        self._collection = self._collection.with_columns(_named_transformed(domain, values))

    def _given(self, domain: str) -> set[str]:
        """The keys whose scaled columns came with the data: no scaling of them is remembered."""
        index = self._collection.index
        recorded = {key for record in self._of_domain(domain) for key in record.keys}
        return {
            key for key in index.keys(domain) if REP_TRANSFORMED in index.reps(domain, key)
        } - recorded

    def _scaled_here(self) -> list[str]:
        """The scaled columns whose scalings are remembered."""
        columns = {column for record in self._scalers for column in _both_reps(record)}
        return [column.name for column in columns if column.rep == REP_TRANSFORMED]

    def _of_domain(self, domain: str) -> list[ScalerRecord]:
        return [record for record in self._scalers if record.domain == domain]

    def _remove(self, record: ScalerRecord) -> None:
        others = [one for one in self._of_domain(record.domain) if one is not record]
        self._rebuild({record.domain: others}, {record.domain: set(record.keys)})

    def _rebuild(
        self, left: Mapping[str, list[ScalerRecord]], undone: Mapping[str, set[str]]
    ) -> None:
        """Let these be the domains' only scalings, with the scalers as they were fitted.

        Scaled columns that came with the data stay, unless they are among the undone.
        """
        collection = self._collection
        for domain, records in left.items():
            staying = self._given(domain) - undone[domain]
            anew = [
                column.name
                for column in collection.index.of_domain(domain)
                if column.rep == REP_TRANSFORMED and column.key not in staying
            ]
            scaled = self._scaled_by(domain, records)
            collection = collection.without_columns(anew).with_columns(scaled)
        kept = [one for one in self._scalers if one in left.get(one.domain, [one])]
        self._collection, self._scalers = collection, _renumbered(kept)

    def _scaled_by(self, domain: str, records: Sequence[ScalerRecord]) -> dict[str, Block]:
        """The transformed columns that these scalings make of the raw ones, by full name."""
        index = self._collection.index
        raw = [Column(domain, key, REP_RAW).name for key in index.keys(domain)]
        values = {Column.parse(name).key: self._collection.numpy(name) for name in raw}
        scaled: dict[str, Block] = {}
        for record in records:
            block = block_of([scaled.get(key, values[key]) for key in record.keys])
            scaled.update(zip(record.keys, _columns(record.scaled(block)), strict=True))
        return _named_transformed(domain, scaled)

    def _as_block(self, values: Block, domain: str, names: list[str]) -> Block:
        shapes = {self._collection.shape(Column(domain, key, REP_RAW).name) for key in names}
        if len(shapes) > 1:
            raise DataError(f"Columns {', '.join(names)} differ in shape; unscale them singly.")
        whole = (len(values) if values.ndim else 0, len(names), *shapes.pop())
        if values.ndim == 0 or values.size != np.prod(whole):
            raise DataError(
                f"Data of shape {values.shape} does not fit columns {', '.join(names)}, which "
                f"make {('n', *whole[1:])}."
            )
        return values.reshape(whole)


def _numbers(data: Any) -> Block:
    """Numbers of any kind that arrays are made of, a tensor's gradient left behind."""
    values = data.detach().cpu().numpy() if isinstance(data, torch.Tensor) else np.asarray(data)
    if values.dtype.kind not in NUMERIC_KINDS:
        raise DataError(f"Only numbers can be unscaled, and these are of type {values.dtype}.")
    return values


def _named_transformed(domain: str, values: Mapping[str, Block]) -> dict[str, Block]:
    return {Column(domain, key, REP_TRANSFORMED).name: array for key, array in values.items()}


@contextmanager
def _naming(scaler: "Scaler", names: Sequence[str], does: str = "scale") -> Iterator[None]:
    """Say which scaler and which columns it was, when a library's own check fails."""
    try:
        yield
    except EngineError:
        raise
    except Exception as error:
        listed = ", ".join(names)
        raise DataError(f"{scaler.name} cannot {does} {listed}: {error}") from error


def _both_reps(record: ScalerRecord) -> list[Column]:
    return [Column(record.domain, key, rep) for key in record.keys for rep in REPS]


def _renumbered(records: Iterable[ScalerRecord]) -> list[ScalerRecord]:
    return [replace(record, order=order) for order, record in enumerate(records)]


def _columns(block: Block) -> list[Block]:
    return [block[:, place] for place in range(block.shape[1])]


def _unscaled_among_others(record: ScalerRecord, block: Block, names: list[str]) -> Block:
    """Undo a scaling that concerned other columns too, of whose values nothing is known."""
    unknown = [key for key in record.keys if key not in names]
    if unknown and not record.scaler_obj.undoes_columns_apart:
        raise DataError(
            f"{', '.join(record.keys)} were scaled together by {record.scaler_obj.name}; unscaling "
            f"needs the data of all of them, and {', '.join(unknown)} is missing."
        )
    here = [names.index(key) for key in record.keys if key in names]
    there = [place for place, key in enumerate(record.keys) if key in names]
    # The known ones that can be undone treat each column by itself: the others may be anything.
    padded = np.zeros((len(block), len(record.keys), *block.shape[2:]), dtype=np.float64)
    padded[:, there] = block[:, here]
    result = block.astype(np.float64)
    result[:, here] = record.unscaled(padded)[:, there]
    return result
