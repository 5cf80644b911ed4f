"""A file is whole, or it is refused by name with the reason; nothing in it can do harm."""

import hashlib
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import numpy as safetensors_numpy
from safetensors import torch as safetensors_torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from engine.errors import FileFormatError, UnsavableError
from engine.saving import read_file, write_file
from engine.saving.container import CONTENT, TENSORS, write_container

PAYLOAD = {
    "weights": torch.arange(12.0).reshape(3, 4),
    "steps": {0: torch.tensor(5), 1: (1, None)},
    "rows": np.arange(4, dtype=">i2"),
    "mask": torch.tensor([True, False]),
    "name": "digits",
}


@pytest.fixture
def path(tmp_path):
    saved = write_file(tmp_path / "state.lk", "state", PAYLOAD, meta={"epoch": 3})
    return saved.path


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
        write_container(file, parts)
    return path


def wrapped(payload, meta=None):
    return {"kind": "state", "meta": meta or {}, "payload": payload}


class TestDamage:
    def test_every_flipped_byte_is_noticed(self, path):
        whole = path.read_bytes()
        for place in range(len(whole)):
            broken = bytearray(whole)
            broken[place] ^= 1 << (place % 8)
            path.write_bytes(broken)
            refused(path, "damaged|not a file that Labkeeper wrote")

    def test_every_truncation_is_noticed(self, path):
        whole = path.read_bytes()
        for size in range(len(whole)):
            path.write_bytes(whole[:size])
            refused(path, "damaged|not a file that Labkeeper wrote|empty")

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(data=st.data())
    def test_any_replaced_stretch_is_noticed(self, path, data):
        whole = write_file(path, "state", PAYLOAD).path.read_bytes()
        begin = data.draw(st.integers(0, len(whole)))
        end = data.draw(st.integers(begin, len(whole)))
        broken = whole[:begin] + data.draw(st.binary(max_size=40)) + whole[end:]
        path.write_bytes(broken)
        if broken == whole:
            read_file(path)
        else:
            refused(path, "damaged|not a file that Labkeeper wrote|empty")

    def test_the_reason_fits_the_damage(self, path):
        whole = path.read_bytes()
        for content, reason in [
            (b"", "it is empty"),
            (b"PK and nothing else", "not a file that Labkeeper wrote"),
            (pickle.dumps({"a": 1}), "not a file that Labkeeper wrote"),
            (whole[: len(whole) // 2], "its end is cut off"),
            (whole + b"more", "its end is cut off or overwritten"),
            (b"x" + whole[1:], "do not match its checksum"),
        ]:
            path.write_bytes(content)
            refused(path, reason)

    def test_another_whole_file_is_not_taken_for_the_registered_one(self, path, tmp_path):
        first = hashlib.sha256(path.read_bytes()).hexdigest()
        read_file(path, sha256=first)
        write_file(path, "state", {"other": 1})
        refused(path, f"another file than expected.*not {first[:12]}", sha256=first)

    def test_a_file_of_another_kind_is_refused(self, path):
        with pytest.raises(FileFormatError, match="holds a state, not a checkpoint"):
            read_file(path, "checkpoint")

    def test_a_newer_file_says_so(self, path, monkeypatch):
        monkeypatch.setattr("engine.saving.container.VERSION", 2)
        write_file(path, "state", PAYLOAD)
        monkeypatch.undo()
        refused(path, "newer version of Labkeeper .format 2")

    def test_a_missing_file_is_the_systems_error(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"gone\.lk"):
            read_file(tmp_path / "gone.lk")


class TestWriting:
    def test_equal_contents_give_equal_files(self, tmp_path):
        first = write_file(tmp_path / "a.lk", "state", PAYLOAD | {"set": {0, 8}})
        second = write_file(tmp_path / "b.lk", "state", PAYLOAD | {"set": {8, 0}})

        assert list({0, 8}) != list({8, 0})  # the order in which they were put in
        assert first.sha256 == second.sha256
        assert first.bytes == first.path.stat().st_size
        assert first.sha256 == hashlib.sha256(first.path.read_bytes()).hexdigest()

    def test_the_name_may_hold_the_hash(self, tmp_path):
        saved = write_file(tmp_path / "best-{sha256}.lk", "state", PAYLOAD)

        assert saved.path == tmp_path / f"best-{saved.sha256[:16]}.lk"
        assert list(tmp_path.iterdir()) == [saved.path]

    def test_a_failure_leaves_the_old_file_and_nothing_else(self, path, tmp_path, monkeypatch):
        before = path.read_bytes()

        def full(_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=r"No space left on device.*state\.lk"):
            write_file(path, "state", {"other": 1})
        with pytest.raises(UnsavableError):
            write_file(path, "state", {"other": object()})

        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]

    def test_a_missing_folder_is_the_systems_error(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            write_file(tmp_path / "none" / "a.lk", "state", {})

    def test_a_killed_writer_leaves_a_whole_file(self, tmp_path):
        kill_while_writing(tmp_path / "state.lk", delay=0.01)

    @pytest.mark.slow
    def test_a_writer_killed_at_any_moment_leaves_a_whole_file(self, tmp_path):
        for attempt in range(20):
            kill_while_writing(tmp_path / "state.lk", delay=attempt * 0.0037)

    def test_any_zip_program_opens_it(self, path):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            assert archive.namelist() == [CONTENT, TENSORS]
            # No time is written down, so that equal contents are equal bytes.
            assert {info.date_time[0] for info in archive.infolist()} == {1980}
            assert json.loads(archive.read(CONTENT))["kind"] == "state"

    def test_the_safetensors_library_reads_its_tensors(self, path):
        with zipfile.ZipFile(path) as archive:
            tensors = safetensors_torch.load(archive.read(TENSORS))

        assert torch.equal(tensors["weights"], PAYLOAD["weights"])
        assert torch.equal(tensors["mask"], PAYLOAD["mask"])

    def test_every_tensor_lies_at_a_multiple_of_its_element(self, tmp_path):
        payload = [
            torch.tensor(True),
            torch.ones(3, dtype=torch.int8),
            torch.ones(2, dtype=torch.double),
        ]
        path = write_file(tmp_path / "a.lk", "x", payload).path
        with zipfile.ZipFile(path) as archive:
            data = archive.read(TENSORS)
        length = int.from_bytes(data[:8], "little")
        described = json.loads(data[8 : 8 + length])

        assert length % 8 == 0
        sizes = {"BOOL": 1, "I8": 1, "F64": 8}
        for entry in described.values():
            assert entry["data_offsets"][0] % sizes[entry["dtype"]] == 0

    def test_what_the_safetensors_library_wrote_is_read(self, tmp_path):
        arrays = {"a": np.arange(3.0), "b": np.ones((2, 2), np.float16), "c": np.array(True)}
        references = [{"#array": [name, array.dtype.str]} for name, array in arrays.items()]
        path = forge(tmp_path / "x.lk", wrapped(references), safetensors_numpy.save(arrays))

        read, _ = read_file(path)
        for one, other in zip(read, arrays.values(), strict=True):
            assert np.array_equal(one, other)
            assert one.dtype == other.dtype


WRITER = """
import sys, torch
from engine.saving import write_file
for n in range(10**6):
    write_file(sys.argv[1], "state", {"n": n, "x": torch.full((20000,), float(n))})
"""


def kill_while_writing(path, delay):
    path.unlink(missing_ok=True)
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)]) as process:
        while not path.exists():
            time.sleep(0.001)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
    payload, _ = read_file(path, "state")
    assert torch.equal(payload["x"], torch.full((20000,), float(payload["n"])))


def header(entries, body=b"", length=None):
    text = json.dumps(entries).encode() if not isinstance(entries, bytes) else entries
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


ONE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
REFERENCE = {"#tensor": ["t", "float32"]}


class TestHostileTensors:
    @pytest.mark.parametrize(
        ("tensors", "match"),
        [
            (b"", "cut off"),
            (b"\xff" * 8, "cut off"),
            (header({}, length=2**40), "cut off"),
            (header(b"nonsense"), "not JSON"),
            (header(b"[" * 100_000), "not JSON"),
            (header([]), "not a mapping"),
            (header({"t": 5}), "not described"),
            (header({"t": {**ONE, "more": 1}}, b"\0" * 8), "not described"),
            (header({"t": {**ONE, "dtype": "F128"}}, b"\0" * 8), "unknown type 'F128'"),
            (header({"t": {**ONE, "dtype": ["F32"]}}, b"\0" * 8), "unknown type"),
            (header({"t": {**ONE, "shape": [-2]}}, b"\0" * 8), "impossible shape"),
            (header({"t": {**ONE, "shape": [2.0]}}, b"\0" * 8), "impossible shape"),
            (header({"t": {**ONE, "shape": [True, 2]}}, b"\0" * 8), "impossible shape"),
            (header({"t": {**ONE, "shape": [1] * 65}}, b"\0" * 8), "impossible shape"),
            (header({"t": {**ONE, "shape": [3]}}, b"\0" * 8), "does not fit the bytes"),
            (header({"t": {**ONE, "shape": [2**40]}}, b"\0" * 8), "does not fit the bytes"),
            (header({"t": {**ONE, "data_offsets": [0, 12]}}, b"\0" * 8), "does not fit"),
            (header({"t": {**ONE, "shape": [3], "data_offsets": [0, 12]}}, b"\0" * 8), "not fit"),
            (header({"t": {**ONE, "data_offsets": [8, 0]}}, b"\0" * 8), "does not fit"),
            (header({"t": {**ONE, "data_offsets": [0]}}, b"\0" * 8), "impossible shape or place"),
            (header({"t": ONE, "u": ONE}, b"\0" * 8), "overlap"),
            (header({"t": {**ONE, "data_offsets": [4, 12]}}, b"\0" * 12), "leave gaps"),
            (header({"t": ONE}, b"\0" * 9), "behind the last tensor"),
        ],
    )
    def test_are_refused(self, tmp_path, tensors, match):
        refused(forge(tmp_path / "x.lk", wrapped(REFERENCE), tensors), match)

    @pytest.mark.parametrize(
        ("entry", "reference", "body"),
        [
            ("F32", {"#tensor": ["t", "int32"]}, 4),
            ("F32", {"#tensor": ["t", "qint8"]}, 4),
            ("F32", {"#tensor": ["u", "float32"]}, 4),
            ("F32", {"#tensor": ["t", "complex64"]}, 4),
            ("F32", {"#array": ["t", "<i4"]}, 4),
            ("F32", {"#array": ["t", "|O"]}, 4),
            ("F32", {"#array": ["t", "f4,f4"]}, 4),
            ("F32", {"#array": ["t", "<f99"]}, 4),
            ("F32", {"#array": ["t", "<M8[lightyears]"]}, 4),
            ("F32", {"#array": "t"}, 4),
            ("F32", {"#buffer": "t"}, 4),
            ("U8", {"#array": ["t", "|S999999999"]}, 1),
            ("BOOL", {"#tensor": ["t", "bool"]}, 1),
            ("BOOL", {"#array": ["t", "|b1"]}, 1),
            ("U32", {"#array": ["t", "<U1"]}, 4),
        ],
    )
    def test_of_wrong_types_are_refused(self, tmp_path, entry, reference, body):
        shape = [1, 1] if reference == {"#array": ["t", "<U1"]} else [1]
        described = {"dtype": entry, "shape": shape, "data_offsets": [0, body]}
        tensors = header({"t": described}, b"\xff" * body)
        refused(forge(tmp_path / "x.lk", wrapped(reference), tensors), "cannot be read")

    def test_of_a_pair_too_few_are_refused(self, tmp_path):
        tensors = header({"t": ONE}, b"\0" * 8)
        path = forge(tmp_path / "x.lk", wrapped({"#array": ["t", "<c8"]}), tensors)
        assert read_file(path)[0].shape == ()
        tensors = header({"t": {**ONE, "shape": [1, 2, 1]}}, b"\0" * 8)
        path = forge(tmp_path / "x.lk", wrapped({"#array": ["t", "<c8"]}), tensors)
        refused(path, r"<c8 is stored in shape \(1, 2, 1\)")

    @pytest.mark.parametrize("reference", [REFERENCE, {"#array": ["t", "<f4"]}])
    def test_of_absurd_but_empty_shapes_are_refused(self, tmp_path, reference):
        for shape in ([0, 2**62], [2**31, 2**31, 0], [0] + [2**20] * 5):
            described = {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}
            path = forge(tmp_path / "x.lk", wrapped(reference), header({"t": described}))
            refused(path, "an array is stored in shape")


class TestHostileContent:
    @pytest.mark.parametrize(
        "payload",
        [
            {"#unknown": 1},
            {"#tuple": 1},
            {"#tuple": [], "more": 1},
            {"#set": [[1]]},
            {"#dict": [[1]]},
            {"#dict": [[[1], 2]]},
            {"#dict": {"a": 1}},
            {"#int": "ten"},
            {"#int": 10},
            {"#float": "1e400"},
            {"#float": ["nan"]},
            {"#complex": ["1", "x"]},
            {"#complex": ["0x1p99999", "0"]},
            {"#bytes": "***"},
            {"#bytes": 5},
            {"#scalar": ["<f8", "00"]},
            {"#scalar": ["|b1", "07"]},
            {"#scalar": ["|O", "00" * 8]},
            {"#scalar": ["<f8", "zz"]},
            {"#array": ["gone", "<f8"]},
            {"#buffer": ["gone"]},
            {"#estimator": 0},
            {"#estimator": "0"},
            {"#estimator": True},
        ],
    )
    def test_is_refused(self, tmp_path, payload):
        refused(forge(tmp_path / "x.lk", wrapped([payload])), "cannot be read")

    @pytest.mark.parametrize(
        ("content", "match"),
        [
            (b"nonsense", "not JSON"),
            (b"[" * 100_000, "not JSON"),
            (b'{"kind": ' + b"1" * 5000 + b"}", "not JSON"),
            (b"\xff\xfe", "not JSON"),
            ({"kind": "state"}, "other parts"),
            ([], "other parts"),
            ({"kind": "state", "meta": [], "payload": 0}, "not a mapping"),
        ],
    )
    def test_that_is_no_content_is_refused(self, tmp_path, content, match):
        refused(forge(tmp_path / "x.lk", content), match)

    def test_deep_nesting_is_refused(self, tmp_path):
        content = json.dumps(wrapped("here")).replace('"here"', "[" * 900 + "]" * 900).encode()
        refused(forge(tmp_path / "x.lk", content), "nested too deeply|not JSON")

    def test_huge_content_is_refused_before_it_is_parsed(self, tmp_path, monkeypatch):
        monkeypatch.setattr("engine.saving.files.MAX_CONTENT", 1000)
        refused(forge(tmp_path / "x.lk", wrapped("x" * 1000)), "larger than any")

    @pytest.mark.parametrize(
        "name", ["../evil", "/etc/passwd", "estimators/../../x.skops", "estimators/x.skops", "x\0y"]
    )
    def test_other_names_are_refused(self, tmp_path, name):
        path = forge(tmp_path / "x.lk", wrapped(0), entries={name: [b"x"]})
        refused(path, "holds an entry named|not a file that Labkeeper wrote")
        assert [one.name for one in tmp_path.iterdir()] == ["x.lk"]

    def test_missing_and_double_entries_are_refused(self, tmp_path, monkeypatch):
        refused(forge(tmp_path / "x.lk", tensors=header({})), "holds no content.json")
        with pytest.warns(UserWarning, match="Duplicate name"):
            double = sealed_zip(tmp_path, [(CONTENT, b"{}"), (CONTENT, b"{}")])
        refused(double, "twice")

    def test_compressed_entries_are_refused(self, tmp_path):
        bomb = json.dumps(wrapped("x" * 10**6)).encode()
        path = sealed_zip(tmp_path, [(CONTENT, bomb)], zipfile.ZIP_DEFLATED)
        refused(path, "is compressed")

    def test_entries_that_lie_elsewhere_than_they_say_are_refused(self, tmp_path):
        path = sealed_zip(tmp_path, [(CONTENT, b"{}")])
        whole = bytearray(path.read_bytes())
        directory = whole.rindex(b"PK\x01\x02")
        for place, value in ((42, 10), (42, 2**31), (20, 2**31), (24, 2**31)):
            broken = bytearray(whole)
            broken[directory + place : directory + place + 4] = value.to_bytes(4, "little")
            path.write_bytes(reseal(bytes(broken)))
            refused(path, "lies where nothing can be|compressed|not a sound zip|Overlapped")


def sealed_zip(folder, entries, method=zipfile.ZIP_STORED):
    """A zip made by other means, with a right seal."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
        archive.comment = b"labkeeper format 0001 sha256 " + b"-" * 64
    path = folder / "forged.lk"
    path.write_bytes(reseal(buffer.getvalue()))
    return path


def reseal(data):
    return data[:-64] + hashlib.sha256(data[:-64]).hexdigest().encode()


class TestEstimators:
    X = np.arange(20.0).reshape(10, 2)
    Y = np.arange(10) % 2

    def test_safe_ones_need_no_trust(self, tmp_path):
        model = LogisticRegression().fit(self.X, self.Y)
        write_file(tmp_path / "m.lk", "state", {"a": model, "b": [model], "coef": model.coef_})
        read, _ = read_file(tmp_path / "m.lk", "state")

        assert read["a"] is read["b"][0]
        assert np.array_equal(read["a"].coef_, model.coef_)
        assert np.array_equal(read["a"].predict(self.X), model.predict(self.X))

    def test_others_need_trust_and_are_named(self, tmp_path):
        model = RandomForestClassifier(n_estimators=2, random_state=0).fit(self.X, self.Y)
        write_file(tmp_path / "m.lk", "state", [model])

        refused(tmp_path / "m.lk", r"sklearn\.tree\._tree\.Tree.*trusted=True")
        ([read], _) = read_file(tmp_path / "m.lk", trusted=True)
        assert np.array_equal(read.predict_proba(self.X), model.predict_proba(self.X))

    def test_what_skops_cannot_write_is_refused_with_its_place(self, tmp_path):
        model = LogisticRegression(C=(n for n in range(3)))
        with pytest.raises(UnsavableError, match="models/0, a LogisticRegression"):
            write_file(tmp_path / "m.lk", "state", {"models": [model]})

    @pytest.mark.parametrize("data", [b"", b"nonsense", b"PK\x03\x04"])
    def test_malformed_ones_are_refused(self, tmp_path, data):
        entries = {"estimators/0.skops": [data]}
        path = forge(tmp_path / "x.lk", wrapped({"#estimator": 0}), entries=entries)
        refused(path, "an estimator in it is malformed")

    def test_pickles_inside_are_not_run(self, tmp_path):
        class Evil:
            def __reduce__(self):
                return (os.mkdir, (str(tmp_path / "harm"),))

        inner = io.BytesIO()
        with zipfile.ZipFile(inner, "w") as archive:
            archive.writestr("schema.json", pickle.dumps(Evil()))
        entries = {"estimators/0.skops": [inner.getvalue()]}
        path = forge(tmp_path / "x.lk", wrapped({"#estimator": 0}), entries=entries)
        for trusted in (False, True):
            refused(path, "an estimator in it", trusted=trusted)
        assert not (tmp_path / "harm").exists()

    def test_bombs_inside_are_refused(self, tmp_path):
        inner = io.BytesIO()
        with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("schema.json", "[" + "0," * 10**6 + "0]")
        entries = {"estimators/0.skops": [inner.getvalue()]}
        path = forge(tmp_path / "x.lk", wrapped({"#estimator": 0}), entries=entries)
        refused(path, "compressed parts")
