import hashlib
import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from engine.errors import UnsavableError
from engine.saving import read_file, write_file
from engine.saving.container import CONTENT
from tests.engine.saving.forging import forge, refused, wrapped


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
