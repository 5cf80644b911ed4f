"""Zip files that say one thing here and another there, or more than anybody should read."""

import struct
import zipfile

import pytest

from tests.tracker.transfer import contents
from tracker.transfer import format as bundle_format
from tracker.transfer import reading

LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"


@pytest.fixture
def changed(bundle, tmp_path):
    """The bundle with other bytes at a place; the first entry's headers are easy to find."""

    def write(place, content):
        data = bytearray(bundle.read_bytes())
        data[place : place + len(content)] = content
        (tmp_path / "f").write_bytes(data)
        return tmp_path / "f"

    return write


@pytest.fixture
def central(bundle):
    """Where the directory's line of the first entry is."""
    return bundle.read_bytes().index(CENTRAL)


# Of a local header and of a line of the directory: where each field is, and how it is packed.
FIELDS = {
    "flags": (6, 8, "<H"),
    "method": (8, 10, "<H"),
    "checksum": (14, 16, "<I"),
    "packed size": (18, 20, "<I"),
    "size": (22, 24, "<I"),
    "name's length": (26, 28, "<H"),
    "extra's length": (28, 30, "<H"),
}


class TestDisagreement:
    @pytest.mark.parametrize("field", FIELDS)
    @pytest.mark.parametrize("mask", [1, 8, 0x7FFF])
    @pytest.mark.parametrize("where", ["header", "directory"])
    def test_of_a_header_and_the_directory(
        self, bundle, changed, central, refuses, field, mask, where
    ):
        local, line, kind = FIELDS[field]
        place = local if where == "header" else central + line
        (value,) = struct.unpack_from(kind, bundle.read_bytes(), place)

        refuses(changed(place, struct.pack(kind, value ^ mask)), "")

    def test_of_names(self, bundle, changed, refuses):
        """One program would see the one, and another the other."""
        data = bundle.read_bytes()
        (length,) = struct.unpack_from("<H", data, 26)
        name = data[30 : 30 + length]

        refuses(changed(30, name[:-1] + b"X"), "the header of .* is damaged")

    @pytest.mark.parametrize("bytes_more", [1, 2**20, 2**31, 2**32 - 1])
    def test_of_a_size_and_what_is_there(self, bundle, changed, central, refuses, bytes_more):
        for place in (central + 20, central + 24):
            path = changed(place, struct.pack("<I", bytes_more))
            refuses(path, "")


class TestLarge:
    """Zip files have a larger form of entries and of their end; what it says must be true, too."""

    @pytest.mark.parametrize("size", [0, 1, 2**40, 2**63 - 1])
    def test_sizes_that_an_entry_claims(self, forged, refused, size):
        name = forged.file("report.html")
        forged.infos[name] = {"extra": struct.pack("<HHQQ", 1, 16, size, size)}

        refused("as no bundle describes it|damaged|sound zip")

    def test_an_end_that_claims_more(self, bundle, refuses, tmp_path):
        data = bundle.read_bytes()
        end = data.rindex(END)
        count, _size, offset = struct.unpack_from("<HII", data, end + 10)
        large = struct.pack(
            "<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, count, count, 2**40, offset
        )
        locator = struct.pack("<IIQI", 0x07064B50, 0, end, 1)
        last = bytearray(data[end:])
        struct.pack_into("<HHII", last, 8, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
        (tmp_path / "f").write_bytes(data[:end] + large + locator + bytes(last))

        refuses(tmp_path / "f", "")

    @pytest.mark.parametrize("more", [-1, 1, 60_000])
    def test_another_number_of_entries(self, bundle, changed, refuses, more):
        end = bundle.read_bytes().rindex(END)
        (count,) = struct.unpack_from("<H", bundle.read_bytes(), end + 8)
        refuses(changed(end + 8, struct.pack("<HH", count + more, count + more)), "end is damaged")

    def test_a_manifest_larger_than_any(self, forged, refused, monkeypatch):
        forged.seal()
        monkeypatch.setattr(reading, "MAX_MANIFEST", 100)

        refused("manifest is larger than any", sealed=False)

    def test_the_largest_manifest_fits_into_memory(self):
        assert bundle_format.MAX_MANIFEST <= 256 * 2**20


class TestTwins:
    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ("report.html", "Report.html"),
            ("strasse.txt", "stra\u00dfe.txt"),
            ("caf\u00e9.txt", "cafe\u0301.txt"),
            ("\u00c9.txt", "e\u0301.txt"),
        ],
    )
    def test_names_that_are_one_file_on_some_systems(self, forged, refused, first, second):
        uuid = forged.table("runs")[0]["uuid"]
        for name in (first, second):
            forged.entries[f"files/{uuid}/artifacts/{name}"] = b"x"

        refused("one file on some file systems|an entry named")

    def test_whoever_has_such_files_can_send_them(self, new_lab, tmp_path):
        """The names in the bundle differ by more; what the artifacts are called stays."""
        here, there = new_lab("a"), new_lab("b")
        with here.run("mlp") as run:
            for name in ("report.txt", "Report.txt", "REPORT.txt"):
                (tmp_path / name).write_text("the same")
                run.log_artifact(tmp_path / name, name=name)
        here.export_bundle(tmp_path / "f", everything=True)
        with zipfile.ZipFile(tmp_path / "f") as archive:
            names = [name for name in archive.namelist() if name.startswith("files/")]
        assert len({name.casefold() for name in names}) == 3
        there.import_bundle(tmp_path / "f")

        assert contents.rows(there) == contents.rows(here)
        assert there.artifact("mlp", "Report.txt").read_text() == "the same"
        there.export_bundle(tmp_path / "g", everything=True)
        assert (tmp_path / "g").read_bytes() == (tmp_path / "f").read_bytes()
