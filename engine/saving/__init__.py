"""One file format for everything that is saved: JSON, safetensors, Arrow, skops in a stored zip."""

from engine.saving.files import SavedFile, read_file, write_file
from engine.saving.locations import locate, location_of

__all__ = ["SavedFile", "locate", "location_of", "read_file", "write_file"]
