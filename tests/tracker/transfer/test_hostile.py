"""Bundles that are damaged or forged are refused whole, with the reason, and nothing is written."""

import contextlib
import io
import json
import stat
import struct
import tarfile
import zipfile

import pytest

from tests.tracker.transfer import contents
from tracker.errors import BundleError, InvalidError, LabUnusableError
from tracker.transfer.format import MANIFEST
from tracker.transfer.rules import travelling


def test_what_is_forged_without_a_change_is_taken_in(forged, here, there, tmp_path):
    forged.write(tmp_path / "same.bundle")
    there.import_bundle(tmp_path / "same.bundle")

    assert contents.rows(there) == contents.rows(here)


class TestNames:
    @pytest.mark.parametrize(
        "name",
        [
            "files/../../evil",
            "../evil",
            "/etc/evil",
            "files/{uuid}/../../evil",
            "files/{uuid}/artifacts/../../../evil",
            "files/{uuid}//evil",
            "files/{uuid}/./evil",
            "files/{uuid}/artifacts\\..\\..\\evil",
            "C:/evil",
            "files/{uuid}/C:evil",
            "files/{uuid}/evil\n",
            "files/{uuid}/evil\x1b[2J",
            "files/{uuid}/evil\u202egpj",
            "files/{uuid}/.hidden",
            "files/{uuid}/evil.",
            "files/{uuid}/evil ",
            "files/{uuid}/" + "e" * 201,
            "files/{uuid}/" + "/".join(["deep"] * 400),
            "files/{uuid}",
            "files/no-uuid/evil",
            "tables/../evil.jsonl",
            "metrics/evil.safetensors",
            "sources/../evil.py",
            "sources/not-a-name.py",
            "evil",
            "manifest.json/evil",
        ],
    )
    def test_an_entry_by_this_name(self, forged, refused, name):
        uuid = forged.table("runs")[0]["uuid"]
        forged.rename(forged.file("report.html"), name.replace("{uuid}", uuid))

        refused("an entry named")

    def test_a_name_that_ends_early_for_some(self, forged, refuses, tmp_path):
        """What stands behind a NUL, zip programs do not see."""
        forged.write(tmp_path / "f")
        data = (tmp_path / "f").read_bytes()
        (tmp_path / "f").write_bytes(
            data.replace(b"artifacts/report.html", b"artifacts/report\0html")
        )

        refuses(tmp_path / "f", "an entry named")

    @pytest.mark.parametrize(
        "path", ["../evil", "/etc/evil", "{other}/artifacts/report.html", "evil", "{uuid}/../evil"]
    )
    @pytest.mark.parametrize(
        ("table", "column"),
        [("artifacts", "path"), ("checkpoints", "path"), ("sessions", "log"),
         ("phase_results", "results_path")],
    )  # fmt: skip
    def test_a_row_with_such_a_path(self, forged, refused, table, column, path):
        uuid, other = (run["uuid"] for run in forged.table("runs")[:2])
        number = 1 if table == "phase_results" else 0
        forged.change(table, {column: path.format(uuid=uuid, other=other)}, row=number)

        refused("is no place for a file of a run")

    @pytest.mark.parametrize(
        ("table", "column"),
        [("experiments", "name"), ("pipelines", "name"), ("runs", "name"), ("tags", "name"),
         ("sweeps", "name"), ("series", "name"), ("goals", "metric"), ("datasets", "name"),
         ("artifacts", "name")],
    )  # fmt: skip
    @pytest.mark.parametrize("name", ["a\0b", "a\x1b[31m", "a" * 251])
    def test_a_thing_by_a_name_that_cannot_be(self, forged, refused, table, column, name):
        forged.change(table, {column: name})

        refused("cannot be the name|may have 250|contradict|says that it holds other|UNIQUE")

    def test_a_run_whose_uuid_is_a_path(self, forged, refused):
        forged.change("runs", {"uuid": "../../../evil"})
        refused("uuid|no place")


class TestStructure:
    @pytest.mark.parametrize(
        ("kind", "reason"),
        [
            (stat.S_IFLNK, "a symbolic link"),
            (stat.S_IFCHR, "a device"),
            (stat.S_IFBLK, "a device"),
            (stat.S_IFIFO, "a pipe"),
            (stat.S_IFSOCK, "a socket"),
            (stat.S_IFDIR, "a directory"),
        ],
    )
    def test_an_entry_that_is_no_file(self, forged, refused, kind, reason):
        name = forged.file("report.html")
        forged.entries[name] = b"/etc/passwd"
        forged.infos[name] = {"external_attr": (kind | 0o777) << 16}

        refused(reason)

    def test_a_hard_link_in_the_field_that_unix_has_for_it(self, forged, refused):
        link = struct.pack("<HHIIHH", 0x000D, 12 + 11, 0, 0, 0, 0) + b"/etc/passwd"
        forged.infos[forged.file("report.html")] = {"extra": link}

        refused("as no bundle describes it")

    @pytest.mark.parametrize(
        "info", [{"external_attr": 0o4755 << 16}, {"comment": b"x"}, {"create_system": 0},
                 {"date_time": (2020, 1, 1, 0, 0, 0)}, {"internal_attr": 1}],
    )  # fmt: skip
    def test_an_entry_that_is_described_otherwise(self, forged, refused, info):
        forged.infos[forged.file("report.html")] = info
        refused("as no bundle describes it")

    def test_a_bomb(self, forged, refused):
        name = forged.file("report.html")
        forged.entries[name] = bytes(50_000_000)
        forged.infos[name] = {"compress_type": zipfile.ZIP_DEFLATED}

        refused("is compressed")

    def test_a_bomb_whose_entries_lie_over_each_other(self, bundle, refuses, tmp_path):
        """Many names for the same bytes: the directory points to one place again and again."""
        with zipfile.ZipFile(bundle) as archive:
            names = [info.filename for info in archive.infolist()]
            offsets = {info.filename: info.header_offset for info in archive.infolist()}
        data = bytearray(bundle.read_bytes())
        second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
        struct.pack_into("<I", data, second + 42, offsets[names[0]])
        (tmp_path / "f").write_bytes(data)

        refuses(tmp_path / "f", "overlap|something between")

    def test_something_hidden_between_two_entries(self, bundle, refuses, tmp_path):
        data = bytearray(bundle.read_bytes())
        directory = data.index(b"PK\x01\x02")
        hidden = b"#!/bin/sh\n"
        data[directory:directory] = hidden
        end = data.rindex(b"PK\x05\x06")
        struct.pack_into("<I", data, end + 16, directory + len(hidden))
        (tmp_path / "f").write_bytes(data)

        refuses(tmp_path / "f", "something between")

    @pytest.mark.parametrize("where", ["before", "behind"])
    def test_something_before_or_behind(self, bundle, refuses, tmp_path, where):
        data = bundle.read_bytes()
        (tmp_path / "f").write_bytes(b"#!/bin/sh\n" + data if where == "before" else data + b"x")

        refuses(tmp_path / "f", "more or fewer bytes|no bundle|cut off|between")

    def test_an_entry_that_is_there_twice(self, forged, refused):
        name = forged.file("report.html")
        forged.hidden.append((name, b"another"))
        refused("twice")

    def test_an_entry_that_the_manifest_does_not_know(self, forged, refused):
        uuid = forged.table("runs")[0]["uuid"]
        forged.hidden.append((f"files/{uuid}/artifacts/evil", b"evil"))
        refused("does not know the entry")

    def test_an_entry_that_is_missing(self, forged, refused):
        forged.seal()
        del forged.entries[forged.file("report.html")]
        refused("lacks the entry", sealed=False)

    def test_a_file_that_no_row_names(self, forged, refused):
        uuid = forged.table("runs")[0]["uuid"]
        forged.entries[f"files/{uuid}/artifacts/evil"] = b"evil"
        refused("no row names the file")

    def test_a_row_that_names_a_file_that_is_not_there(self, forged, refused):
        del forged.entries[forged.file("report.html")]
        refused("which is not in it")

    @pytest.mark.parametrize("name", ["report.html", "runs.jsonl", ".safetensors", "e1.ckpt"])
    def test_content_that_is_not_what_the_manifest_says(self, forged, refused, name):
        forged.seal()
        name = forged.file(name)
        forged.entries[name] = forged.entries[name][:-1] + b"?"
        refused("damaged", sealed=False)

    def test_content_of_another_size(self, forged, refused):
        forged.seal()
        forged.entries[forged.file("report.html")] += b"?"
        refused("bytes, and", sealed=False)

    def test_a_file_that_is_not_the_registered_one(self, forged, refused):
        forged.entries[forged.file("e1.ckpt")] = b"other weights"
        refused("not the file that was registered")

    @pytest.mark.parametrize("table", [table.name for table in travelling()])
    def test_a_table_that_is_missing(self, forged, refused, table):
        del forged.entries[f"tables/{table}.jsonl"]
        refused("is missing")

    def test_a_table_that_there_never_was(self, forged, refused):
        forged.entries["tables/sqlite_master.jsonl"] = b'["name"]\n'
        refused("no table of its schema")

    def test_what_belongs_to_one_lab_alone(self, forged, refused):
        forged.entries["tables/leftovers.jsonl"] = b'["path"]\n["lab.db"]\n'
        refused("no table of its schema")


class TestDamage:
    @pytest.mark.parametrize(
        ("content", "reason"),
        [(b"", "it is empty"), (b"PK", "no bundle"), (b"hello" * 100, "no bundle")],
    )
    def test_what_is_no_zip_file(self, refuses, tmp_path, content, reason):
        (tmp_path / "f").write_bytes(content)
        refuses(tmp_path / "f", reason)

    def test_a_tape_archive(self, refuses, tmp_path):
        """Whose links and devices are not even looked at."""
        with tarfile.open(tmp_path / "f", "w") as archive:
            link = tarfile.TarInfo("evil")
            link.type, link.linkname = tarfile.LNKTYPE, "/etc/passwd"
            archive.addfile(link)
        refuses(tmp_path / "f", "no bundle")

    def test_another_zip_file(self, refuses, tmp_path):
        with zipfile.ZipFile(tmp_path / "f", "w") as archive:
            archive.writestr("hello.txt", "hello")
        refuses(tmp_path / "f", "an entry named 'hello.txt'")

    def test_a_bundle_that_is_cut_off_anywhere(self, bundle, there, tmp_path):
        data = bundle.read_bytes()
        for length in range(0, len(data), max(len(data) // 60, 1)):
            (tmp_path / "f").write_bytes(data[:length])
            with pytest.raises(BundleError):
                there.import_bundle(tmp_path / "f")
        assert len(there.runs()) == 0
        assert list(there.files.everything()) == []

    def test_a_byte_that_is_another_one(self, bundle, there, tmp_path):
        """In every part of the file: headers, contents, directory, end."""
        data = bundle.read_bytes()
        directory = data.index(b"PK\x01\x02")
        places = {*range(0, directory, 499), *range(directory, len(data), 37)}
        places |= {*range(40), *range(directory, directory + 46)}
        places |= set(range(len(data) - 90, len(data)))
        taken = []
        for place in sorted(places):
            changed = bytearray(data)
            changed[place] ^= 0x10
            (tmp_path / "f").write_bytes(changed)
            with contextlib.suppress(BundleError):
                there.look_inside_bundle(tmp_path / "f")
                taken.append(place)
        assert taken == []

    def test_a_file_that_is_not_there(self, there, tmp_path):
        with pytest.raises(LabUnusableError, match="not there"):
            there.import_bundle(tmp_path / "no")


class TestManifest:
    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"kind": "zip"}, "not a bundle"),
            ({"format": 0}, "format is 0"),
            ({"format": "1"}, "format is '1'"),
            ({"format": 2}, "newer version.*format 2; this one reads up to 1"),
            ({"schema": "9999"}, "newer version.*schema 9999"),
            ({"schema": "0000"}, "there never was"),
            ({"schema": "../0001"}, "there never was"),
            ({"schema": "head"}, "there never was"),
            ({"schema": None}, "names no schema"),
            ({"contents": None}, "what it holds"),
            ({"entries": {}}, "list its entries"),
            ({"entries": [["a", -1, "0" * 64]]}, "list its entries"),
            ({"entries": [["a", True, "0" * 64]]}, "list its entries"),
            ({"entries": [["a", 1, "x"]]}, "list its entries"),
            ({"entries": [["a", 1, "0" * 64]] * 2}, "lists 'a' twice"),
        ],
    )
    def test_a_manifest_that_says_so(self, forged, refused, change, reason):
        forged.seal()
        forged.manifest |= change
        refused(reason, sealed=False)

    @pytest.mark.parametrize(
        ("part", "value"),
        [("runs", 99), ("pipelines", ["mlp"]), ("sweeps", []), ("runs", True), ("pipelines", [1])],
    )
    def test_contents_that_it_does_not_have(self, forged, refused, part, value):
        forged.manifest["contents"][part] = value
        refused("holds")

    @pytest.mark.parametrize("text", [b"", b"[]", b"{", b"[" * 100_000, b'{"kind": ' + b"1" * 5000])
    def test_a_manifest_that_is_none(self, forged, refuses, tmp_path, text):
        with zipfile.ZipFile(tmp_path / "f", "w") as archive:
            forged._write_entry(archive, MANIFEST, text)
        refuses(tmp_path / "f", "manifest is not JSON|not a bundle")


def test_a_link_where_the_files_go_is_not_followed(here, there, bundle, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (there.files.root / "files" / "imported").symlink_to(outside)

    with pytest.raises(InvalidError, match="through a symbolic link"):
        there.import_bundle(bundle)
    assert list(outside.iterdir()) == []
    assert len(there.runs()) == 0


def test_what_is_told_of_a_hostile_bundle_can_be_shown(forged, there, tmp_path):
    forged.seal()
    forged.manifest["contents"]["pipelines"] = ["\x1b[2J"]
    forged.write(tmp_path / "f", sealed=False)
    with pytest.raises(BundleError) as caught:
        there.look_inside_bundle(tmp_path / "f")
    assert str(caught.value).isprintable()
    assert json.loads(json.dumps(str(caught.value)))
    assert io.StringIO(str(caught.value)).readline()
