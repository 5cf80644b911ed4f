import datetime as dt

import numpy as np
import pandas as pd
import pytest
import torch

from engine.batches import BatchView
from engine.context import ExperimentContext
from engine.errors import DataError
from engine.features import FeatureSet

NANO = pd.Timestamp("2024-01-01 00:00:00.000000001")


def build(**columns):
    with ExperimentContext.dont_register():
        tags = [key for key in columns if key not in {"x", "y"}]
        return FeatureSet.from_dict("f", columns, [key for key in "xy" if key in columns], (), tags)


def batch_of(data, fmt):
    return BatchView(data, {"default": np.arange(len(data))}).materialize_batch(fmt)


class TestTimes:
    def test_of_nanoseconds_are_times_in_lists(self):
        times = np.array([NANO.to_datetime64(), "NaT"], "M8[ns]")
        data = build(x=[1, 2], t=times, s=times - times[0], u=times.astype("M8[us]"))
        listed = data.get_tags("dict_list")
        assert listed["t"] == [NANO, None]
        assert listed["s"] == [pd.Timedelta(0), None]
        assert listed["u"] == [dt.datetime(2024, 1, 1), None]  # noqa: DTZ001 - without a zone
        assert build(x=[1, 2], **listed) == data

    def test_stay_times_beside_others(self):
        data = build(x=[1], t=np.array([NANO.to_datetime64()]), k=["a"])
        assert data.get_tags("numpy").tolist() == [[NANO, "a"]]
        assert data.get_tags("list") == [[NANO, "a"]]
        assert batch_of(data, "torch").tags.tolist() == [[NANO, "a"]]

    def test_of_one_type_stay_an_array_of_it(self):
        times = np.array([NANO.to_datetime64()])
        assert build(x=[1], t=times, u=times).get_tags("np").dtype == "M8[ns]"


class TestTorch:
    @pytest.mark.parametrize("fmt", ["torch", "dict_torch", "batch"])
    def test_numbers_that_int64_has_no_room_for_are_refused(self, fmt):
        data = build(x=np.array([2**63 + 5], np.uint64), y=[1])
        with pytest.raises(DataError, match=r"'.*x.*' holds 9223372036854775813, .* int64"):
            batch_of(data, "torch").features if fmt == "batch" else data.get_features(fmt)
        assert data.get_features("dict_numpy")["x"].tolist() == [2**63 + 5]
        assert batch_of(data.select(features="x"), "numpy").features.dtype == np.uint64

    def test_the_type_is_the_same_by_every_road(self):
        for data, kind in (
            (build(x=[True, False], y=[1, 2]), torch.float32),
            (build(x=np.array([2**53 + 1], np.uint64), y=[2**53 + 1]), torch.int64),
            (build(x=np.array([1], np.uint8), y=np.array([1], np.int32)), torch.int64),
        ):
            for block in (
                data.get_features("torch"),
                batch_of(data, "torch").features,
                data.to_sample_data("torch").features,
            ):
                assert block.dtype is kind
                assert block.tolist() == data.get_features("list")


class TestWholeNumbersWithGaps:
    def test_come_out_as_nan_while_floats_hold_them(self):
        data = build(x=[1, 2], n=[5, None])
        assert data.column("n").dtype == np.float64
        assert data.get_tag_dtypes() == {"tags.n.raw": "float64"}

    def test_come_out_as_none_beyond(self):
        numbers = [2**53 + 1, 2**53, None]
        data = build(x=[1, 2, 3], n=numbers)
        assert data.column("n").tolist() == numbers
        assert data.take([1, 0]).column("n").tolist() == [2**53, 2**53 + 1]
        assert data.take([2, 1]).column("n").tolist() == [None, 2**53]
        assert data.get_tag_dtypes() == {"tags.n.raw": "object"}
        assert data.filter(conditions={"n": 2**53 + 1}).indices.tolist() == [0]
        assert build(x=[1, 2, 3], **data.get_tags("dict_list")) == data
        data.split_random({"a": 1 / 3, "b": 2 / 3}, group_by="n")
        assert data.n_splits == 2
