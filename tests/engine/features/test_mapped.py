import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.context import ExperimentContext
from engine.errors import DataError, UnknownLabelError
from engine.experiment import Experiment
from engine.features import FeatureSet, write_arrow
from tests.engine.features.any_columns import COLUMNS, build
from tests.engine.small_experiments import classes_frame, classifier, cross_entropy

FEATURES = [f"x{place}" for place in range(6)]


def in_parts(table, sizes):
    """The table cut into parts of these sizes, and what is left."""
    start = 0
    for size in sizes:
        yield table.slice(start, size)
        start += size
    if start < len(table):
        yield table.slice(start)


def write(path, table, sizes=()):
    with pa.ipc.new_file(path, table.schema) as writer:
        for part in in_parts(table, sizes):
            writer.write_table(part)
    return path


def mapped(path, *args, **kwargs):
    with ExperimentContext.dont_register():
        return FeatureSet.from_arrow("mapped", path, *args, **kwargs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


class TestAgreesWithMemory:
    @given(COLUMNS, st.lists(st.integers(0, 3), max_size=4), st.data())
    def test_for_every_row_and_column(self, folder, rows, sizes, data):
        table = build(rows).collection.table
        here = build(rows)
        there = mapped(write(folder / "any.arrow", table, sizes))
        assert there == here
        assert there.fingerprint == here.fingerprint
        chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6))
        one, other = here.take(chosen), there.take(chosen)
        assert repr(one.to_pandas().to_dict()) == repr(other.to_pandas().to_dict())
        assert (one.get_sample_uuids() == other.get_sample_uuids()).all()
        assert one.to_sample_collection() == other.to_sample_collection()

    @given(st.lists(st.integers(0, 4), max_size=4), st.lists(st.integers(0, 8), max_size=9))
    def test_for_arrays_and_missing_tags(self, folder, sizes, rows):
        data = {
            "x": np.arange(54.0).reshape(9, 3, 2),
            "n": [1, None, 3, 4, 5, 6, 7, 8, None],
            "b": [True, None, *[False] * 7],
            "d": pd.to_datetime(["2024-01-01", None, *["2024-02-01"] * 7]),
            "t": [None, *"abcdefgh"],
        }
        with ExperimentContext.dont_register():
            here = FeatureSet.from_dict("here", data, "x", tag_keys=["n", "b", "d", "t"])
        there = mapped(write(folder / "gaps.arrow", here.collection.table, sizes))
        for name in here.index.names:
            one, other = here.take(rows).values(name), there.take(rows).values(name)
            assert one.dtype == other.dtype
            assert repr(one.tolist()) == repr(other.tolist())

    def test_in_training_to_the_bit(self, tmp_path):
        weights = []
        frame = classes_frame()
        path = write_arrow(tmp_path / "x.arrow", [frame[:50], frame[50:]], FEATURES, "y")
        for make in (
            lambda: FeatureSet.from_pandas("clouds", frame, FEATURES, "y"),
            lambda: FeatureSet.from_arrow("clouds", path),
        ):
            with ExperimentContext().activate():
                weights.append(trained(make))
        assert all(torch.equal(one, other) for one, other in zip(*weights, strict=True))


def trained(make):
    from engine.phases import TrainPhase
    from engine.samplers import SimpleSampler

    experiment = Experiment("any", seed=5)
    feature_set = make()
    feature_set.split_random({"train": 0.8, "val": 0.2}, stratify_by="y", seed=3)
    graph = classifier(feature_set)
    sampler = SimpleSampler(batch_size=16, shuffle=True)
    experiment.run_phase(
        TrainPhase.from_split(
            "train", split="train", sampler=sampler, losses=[cross_entropy()], n_epochs=2
        )
    )
    model = next(iter(graph.nodes.values())).model
    return [value.clone() for value in model.get_weights().values()]


class TestWriting:
    def test_parts_of_every_kind_make_one_set(self, tmp_path):
        frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
        parts = [frame, {"a": [3.0], "b": ["z"]}, pa.table({"b": ["w"], "a": [4.0]})]
        path = write_arrow(tmp_path / "x.arrow", iter(parts), "a", tag_cols="b")
        back = mapped(path)
        assert back.column("a").tolist() == [1, 2, 3, 4]
        assert back.column("b").tolist() == ["x", "y", "z", "w"]

    def test_types_that_differ_are_named_and_nothing_is_written(self, tmp_path):
        (tmp_path / "x.arrow").write_bytes(b"before")
        for parts, error, match in (
            (
                [{"a": [1.0]}, {"a": [1]}],
                DataError,
                "'a' is int64 in part 1, and float64 in part 0",
            ),
            (
                [{"a": [[1.0, 2.0]]}, {"a": [[1.0]]}],
                DataError,
                r"'a' is float64 of shape \(1,\) in part 1, and float64 of shape \(2,\) in part 0",
            ),
            ([{"a": [1.0]}, {"a": [None]}], DataError, "'a' has no value in row 0"),
            ([{"b": [1.0]}], UnknownLabelError, "no column 'a'"),
            ([], DataError, "no parts"),
        ):
            with pytest.raises(error, match=match):
                write_arrow(tmp_path / "x.arrow", parts, "a", overwrite=True)
        assert [path.name for path in tmp_path.iterdir()] == ["x.arrow"]
        assert (tmp_path / "x.arrow").read_bytes() == b"before"

    def test_a_file_that_is_there_is_kept_unless_told_otherwise(self, tmp_path):
        path = write_arrow(tmp_path / "x.arrow", [{"a": [1.0]}], "a")
        with pytest.raises(FileExistsError, match=r"x\.arrow exists; pass overwrite=True"):
            write_arrow(path, [{"a": [2.0]}], "a")
        assert mapped(path).column("a").tolist() == [1]
        write_arrow(path, [{"a": [2.0]}], "a", overwrite=True)
        assert mapped(path).column("a").tolist() == [2]

    def test_a_folder_that_is_not_there_is_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"no folder .*gone to write x\.arrow into"):
            write_arrow(tmp_path / "gone" / "x.arrow", [{"a": [1.0]}], "a")

    def test_one_part_is_held_at_a_time(self, tmp_path):
        def parts():
            for _ in range(3):
                before = pa.total_allocated_bytes()
                yield {"a": np.zeros(1_000_000)}
                assert pa.total_allocated_bytes() - before < 10_000_000

        write_arrow(tmp_path / "x.arrow", parts(), "a")


class TestOpening:
    def test_names_may_be_plain_in_the_file(self, tmp_path):
        path = write(tmp_path / "x.arrow", pa.table({"a": [1.0], "b": [2], "c": ["x"]}))
        assert mapped(path, "a", "b", "c").get_all_keys() == [
            "features.a.raw",
            "targets.b.raw",
            "tags.c.raw",
        ]
        with pytest.raises(UnknownLabelError, match="no column 'd'"):
            mapped(path, "d")
        with pytest.raises(DataError, match=r"x\.arrow: 'a' is not a column's full name"):
            mapped(path)

    def test_lists_of_one_length_are_arrays(self, tmp_path):
        lists = pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float64(), 2))
        back = mapped(write(tmp_path / "x.arrow", pa.table({"a": lists}), [1]), "a")
        assert back.take([1, 0]).column("a").tolist() == [[3, 4], [1, 2]]

    @pytest.mark.parametrize(
        ("column", "match"),
        [
            ([1.0, 1.0, None], "'a' has no value in row 2"),
            (pa.array(["a", "b", "c"]).dictionary_encode(), "'a' lies in the file as dictionary"),
            ([[1.0], [2.0], [3.0, 4.0]], r"as list.*write_arrow\(\)"),
            (pa.array([], pa.float64()), "no rows"),
        ],
    )
    def test_what_cannot_be_used_in_place_is_refused(self, tmp_path, column, match):
        path = write(tmp_path / "x.arrow", pa.table({"a": column}), [2])
        with pytest.raises(DataError, match=match):
            mapped(path, "a")

    def test_compressed_and_damaged_files_are_named(self, tmp_path):
        path = tmp_path / "x.arrow"
        table = pa.table({"a": np.zeros(1000)})
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_file(path, table.schema, options=options) as writer:
            writer.write_table(table)
        with pytest.raises(DataError, match=r"x\.arrow is compressed"):
            mapped(path, "a")
        for content in (b"", b"nothing of Arrow's"):
            path.write_bytes(content)
            with pytest.raises(DataError, match=r"x\.arrow (is empty|cannot be read)"):
                mapped(path, "a")

    def test_a_folder_is_no_file(self, tmp_path):
        with pytest.raises(DataError, match=f"{tmp_path} is a folder"):
            mapped(tmp_path)

    def test_texts_that_end_beyond_the_file_are_never_looked_at(self, tmp_path):
        table = pa.table({"a": [1.0, 2.0], "s": ["first", "second"]})
        path = write(tmp_path / "x.arrow", table)
        whole = path.read_bytes()
        offsets = np.array([0, 5, 11], np.int32).tobytes()
        for wrong in ([0, 5, 2**30], [0, 30, 11], [-4, 5, 11]):
            path.write_bytes(whole.replace(offsets, np.array(wrong, np.int32).tobytes()))
            with pytest.raises(DataError, match=r"x\.arrow: The file is damaged in column 's'"):
                mapped(path, "a", tag_cols="s")
            assert mapped(path, "a").column("a").tolist() == [1, 2]
        path.write_bytes(whole.replace(b"second", b"se\xffond"))
        with pytest.raises(DataError, match=r"x\.arrow: The file is damaged in column 's': .*UTF8"):
            mapped(path, "a", tag_cols="s")

    def test_ids_that_end_beyond_the_file_are_never_looked_at(self, cells, tmp_path):
        path = write(tmp_path / "x.arrow", cells.to_arrow())
        offsets = (np.arange(13, dtype=np.int32) * 36).tobytes()
        wrong = offsets[:-4] + np.int32(2**30).tobytes()
        assert path.read_bytes().count(offsets) == 1
        path.write_bytes(path.read_bytes().replace(offsets, wrong))
        with pytest.raises(DataError, match="damaged in column 'sample_uuids'"):
            mapped(path)

    @pytest.mark.parametrize("column", [["a", "b", "c"], [True, False, True]])
    def test_what_was_looked_at_is_let_go_of(self, tmp_path, monkeypatch, column):
        back = mapped(write(tmp_path / "x.arrow", pa.table({"a": column})), "a")
        let_go = []
        monkeypatch.setattr(back.collection._mapped, "let_go", lambda: let_go.append(1))
        assert back.take([2, 0]).column("a").tolist() == [column[2], column[0]]
        assert let_go

    def test_ids_come_along_if_the_file_has_them(self, cells, tmp_path):
        back = mapped(write(tmp_path / "x.arrow", cells.take([3, 1]).to_arrow(), [1]))
        assert back.get_sample_uuids().tolist() == cells.get_sample_uuids()[[3, 1]].tolist()

    def test_scaled_columns_stand_beside_those_in_the_file(self, cells, tmp_path):
        back = mapped(write(tmp_path / "x.arrow", cells.collection.table, [5]))
        back.fit_transform("StandardScaler", domain="targets")
        cells.fit_transform("StandardScaler", domain="targets")
        assert back == cells
        assert back.collection.is_mapped
        back.undo_all_transforms()
        assert back.fingerprint == cells.fingerprint

    def test_can_be_saved_and_is_in_memory_when_loaded(self, cells, tmp_path):
        back = mapped(write(tmp_path / "x.arrow", cells.collection.table, [5, 3]))
        with ExperimentContext.dont_register():
            loaded = FeatureSet.load(back.save(tmp_path / "saved"))
        assert loaded == cells
        assert not loaded.collection.is_mapped


PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from engine.features import FeatureSet
from engine.batches import BatchViews, ColumnStore
from engine.samplers import SimpleSampler

def megabytes(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))

feature_set = FeatureSet.from_arrow("large", sys.argv[1])
view, reference = feature_set.to_view(), feature_set.reference()
before = megabytes("VmRSS")
sampler = SimpleSampler(batch_size=256, shuffle=True, seed=1, source=view)
total = 0
for batch_view in BatchViews(ColumnStore(view, reference), sampler.epoch_batches(0)):
    total += len(batch_view.batch.features)
assert total == len(feature_set)
assert feature_set.fingerprint
print(megabytes("VmHWM") - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_an_epoch_of_batches_needs_little_of_a_file(tmp_path):
    rng = np.random.default_rng(0)
    parts = ({"x": rng.random((8_192, 512), dtype=np.float32)} for _ in range(20))
    path = write_arrow(tmp_path / "x.arrow", parts, "x")
    size = path.stat().st_size / 2**20
    output = subprocess.check_output([sys.executable, "-c", PROGRAM, str(path)], text=True)
    path.unlink()
    assert size > 300
    assert float(output) < 100
