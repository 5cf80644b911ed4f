"""One file format for everything that is saved: JSON, safetensors, Arrow, skops in a stored zip."""

from engine.saving.files import SavedFile, read_file, write_file
from engine.saving.locations import foreign_code, locate, location_of
from engine.saving.savable import Savable

__all__ = [
    "Savable",
    "SavedFile",
    "foreign_code",
    "locate",
    "location_of",
    "read_file",
    "write_file",
]
