"""A file is whole, or it is refused by name with the reason; nothing in it can do harm."""

import hashlib
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

from engine.errors import FileFormatError, UnsavableError
from engine.saving import read_file, write_file, write_large_file
from engine.saving.container import CONTENT, TENSORS
from tests.engine.saving.forging import PAYLOAD, forge, refused, wrapped


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
        monkeypatch.setattr("engine.saving.files.BY_PIECES", 3)
        write_large_file(path, "state", PAYLOAD)
        refused(path, "newer version of Labkeeper .format 3")

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

    def test_a_disk_that_fails_early_is_told_at_the_end(self, tmp_path, monkeypatch):
        done, sync = [], os.fsync

        def fail_first(descriptor):
            done.append(descriptor)
            if len(done) == 1:
                raise OSError(5, "Input/output error")
            sync(descriptor)

        monkeypatch.setattr(os, "fsync", fail_first)
        with pytest.raises(OSError, match=r"Input/output error.*state\.lk"):
            write_large_file(tmp_path / "state.lk", "state", {"rows": np.zeros(5 * 2**20)})

        assert not list(tmp_path.iterdir())

    def test_a_folder_that_is_no_place_for_it_is_the_systems_error(self, tmp_path):
        for path, error in (
            (tmp_path / "none" / "a.lk", FileNotFoundError),
            (tmp_path, IsADirectoryError),
        ):
            with pytest.raises(error) as caught:
                write_file(path, "state", {})
            assert caught.value.filename == str(path)
            assert str(caught.value).endswith(f"'{path}'")

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
