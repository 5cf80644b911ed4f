import io
import struct
import zipfile
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import FileFormatError, UnsavableError
from engine.saving import read_file, write_file
from engine.saving.container import CONTENT, Pieces, write_container

TABLE = pa.table(
    {
        "number": [1.5, None, float("nan")],
        "text": ["a", None, "é" * 40],
        "truth": [True, False, None],
        "time": pa.array([0, 1, None], pa.timestamp("us", "Europe/Berlin")),
        "image": pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(12.0).reshape(3, 2, 2)),
    }
)


def saved(tmp_path, payload):
    return write_file(tmp_path / "x.lk", "state", payload).path


def forged(path, stream):
    """A file with a valid seal around any bytes in the table's place."""
    content = b'{"kind":"state","meta":{},"payload":{"#table":0}}'
    entries = {CONTENT: Pieces.of([content]), "tables/0.arrow": Pieces.of([stream])}
    with path.open("wb") as file:
        write_container(file, entries)
    return path


def stream_of(table, **options):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as out:
        out.write_table(table)
    return sink.getvalue()


class TestRoundTrip:
    @pytest.mark.parametrize(
        "table",
        [TABLE, TABLE.slice(1, 1), TABLE.slice(0, 0), pa.concat_tables([TABLE, TABLE.slice(2)])],
        ids=["whole", "slice", "empty", "pieces"],
    )
    def test_comes_back_with_types_and_missing_values(self, tmp_path, table):
        back, _ = read_file(saved(tmp_path, {"deep": [table]}))
        assert back["deep"][0].schema == table.schema
        assert repr(back["deep"][0].to_pylist()) == repr(table.to_pylist())

    def test_is_stored_once_and_shared_again(self, tmp_path):
        (one, other), _ = read_file(saved(tmp_path, [TABLE, TABLE]))
        assert one is other

    def test_is_an_arrow_stream_that_any_reader_opens(self, tmp_path):
        with zipfile.ZipFile(saved(tmp_path, TABLE)) as archive:
            stream = archive.read("tables/0.arrow")
        assert pa.ipc.open_stream(stream).read_all().schema == TABLE.schema

    def test_equal_tables_make_equal_files(self, tmp_path):
        one = saved(tmp_path, TABLE).read_bytes()
        again = pa.table({name: TABLE[name] for name in TABLE.column_names})
        assert saved(tmp_path, again).read_bytes() == one

    @pytest.mark.parametrize(
        "column", [[[1], [2, 3]], [{"a": 1}], pa.array(["a"]).dictionary_encode()]
    )
    def test_columns_without_a_plain_form_are_refused(self, tmp_path, column):
        with pytest.raises(UnsavableError, match="Cannot save deep: its column 'x' is of type"):
            saved(tmp_path, {"deep": pa.table({"x": column})})


class TestHostileStreams:
    @pytest.mark.parametrize("compression", ["lz4", "zstd"])
    def test_what_would_have_to_be_unpacked_is_refused(self, tmp_path, compression):
        bomb = pa.table({"x": np.zeros(1_000_000)})
        stream = stream_of(bomb, compression=compression)
        assert len(stream) < 100_000
        with pytest.raises(FileFormatError, match="a table in it is compressed"):
            read_file(forged(tmp_path / "x.lk", stream))

    def test_other_messages_are_refused(self, tmp_path):
        coded = pa.table({"x": pa.array(["a", "b"]).dictionary_encode()})
        with pytest.raises(FileFormatError, match="holds a dictionary"):
            read_file(forged(tmp_path / "x.lk", stream_of(coded)))

    @settings(max_examples=150, deadline=None)
    @given(place=st.integers(0), value=st.integers(0, 255), cut=st.booleans())
    def test_no_damage_does_more_than_raise(self, tmp_path_factory, place, value, cut):
        stream = bytearray(stream_of(TABLE))
        place %= len(stream)
        stream[place] = value
        path = forged(
            tmp_path_factory.mktemp("t") / "x.lk", bytes(stream[:place] if cut else stream)
        )
        with suppress(FileFormatError):
            table, _ = read_file(path)
            table.validate(full=True)

    @pytest.mark.parametrize(
        "stream", [b"", b"no arrow at all", struct.pack("<II", 2**32 - 1, 2**31 - 1)]
    )
    def test_what_is_no_stream_is_refused(self, tmp_path, stream):
        with pytest.raises(FileFormatError, match="a table in it is malformed"):
            read_file(forged(tmp_path / "x.lk", stream))

    def test_a_table_that_is_not_there_is_named(self, tmp_path):
        path = tmp_path / "x.lk"
        with path.open("wb") as file:
            content = b'{"kind":"state","meta":{},"payload":{"#table":3}}'
            write_container(file, {CONTENT: Pieces.of([content])})
        with pytest.raises(FileFormatError, match=r"refers to tables/3\.arrow"):
            read_file(path)
