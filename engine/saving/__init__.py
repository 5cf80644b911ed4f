"""One file format for everything that is saved: JSON, safetensors, Arrow, skops in a stored zip."""

from engine.saving.comparing import holds_arrays, with_arrays, without_arrays
from engine.saving.files import SavedFile, mentions, read_file, write_file, write_large_file
from engine.saving.forms import as_form, dtype_named, from_form
from engine.saving.inspecting import inspect_packaged_code
from engine.saving.locations import foreign_code, locate, location_of
from engine.saving.packaging import packaging
from engine.saving.savable import Savable, loading

__all__ = [
    "Savable",
    "SavedFile",
    "as_form",
    "dtype_named",
    "foreign_code",
    "from_form",
    "holds_arrays",
    "inspect_packaged_code",
    "loading",
    "locate",
    "location_of",
    "mentions",
    "packaging",
    "read_file",
    "with_arrays",
    "without_arrays",
    "write_file",
    "write_large_file",
]
