"""The lab's files: contained, hashed, written whole or not at all."""

from tracker.files.lab_files import LabFiles, StoredFile

__all__ = ["LabFiles", "StoredFile"]
