"""Bundles that nobody would write who means well."""

import hashlib
import json
import zipfile

from tracker.transfer.format import MANIFEST, TABLES, new_info


class Forged:
    """What is in a bundle, to be changed and written again."""

    def __init__(self, path):
        with zipfile.ZipFile(path) as archive:
            self.entries = {name: archive.read(name) for name in archive.namelist()}
        self.manifest = json.loads(self.entries.pop(MANIFEST))
        # Changes to how an entry is described in the zip file, by its name.
        self.infos = {}
        # Written behind the others, unknown to the manifest.
        self.hidden = []

    def table(self, name):
        """The rows of a table as mappings."""
        names, *rows = map(json.loads, self.entries[f"{TABLES}{name}.jsonl"].splitlines())
        return [dict(zip(names, row, strict=True)) for row in rows]

    def set_table(self, name, rows):
        lines = [json.dumps(list(rows[0])), *(json.dumps(list(row.values())) for row in rows)]
        self.entries[f"{TABLES}{name}.jsonl"] = "".join(f"{line}\n" for line in lines).encode()

    def change(self, table, cells, *, row=0):
        """Changes cells of one row."""
        rows = self.table(table)
        rows[row] |= cells
        self.set_table(table, rows)

    def rename(self, old, new):
        """Gives a file another name, in its row as well."""
        self.entries = {new if name == old else name: data for name, data in self.entries.items()}
        for table, column in (("artifacts", "path"), ("checkpoints", "path")):
            rows = self.table(table)
            for row in rows:
                if f"files/{row[column]}" == old:
                    row[column] = new.removeprefix("files/")
            self.set_table(table, rows)

    def seal(self):
        """Makes the manifest say what the entries are."""
        self.manifest["entries"] = [
            [name, len(data), hashlib.sha256(data).hexdigest()]
            for name, data in self.entries.items()
        ]

    def write(self, path, *, sealed=True):
        if sealed:
            self.seal()
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            manifest = json.dumps(self.manifest).encode()
            for name, data in [*self.entries.items(), *self.hidden, (MANIFEST, manifest)]:
                self._write_entry(archive, name, data)

    def _write_entry(self, archive, name, data):
        info = new_info(name, 0)
        for attribute, value in self.infos.get(name, {}).items():
            setattr(info, attribute, value)
        archive.writestr(info, data, compress_type=info.compress_type)

    def file(self, ending):
        """The name of the first entry that ends so."""
        return next(name for name in self.entries if name.endswith(ending))
