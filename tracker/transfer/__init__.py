"""Bundles: pipelines, runs and sweeps with their files, as one file for another lab."""

from tracker.transfer.choosing import Wanted
from tracker.transfer.exporting import Exported, export_bundle
from tracker.transfer.importing import Imported, import_bundle
from tracker.transfer.looking import Inside, look_inside
from tracker.transfer.planning import Change, Fate, Taken
from tracker.transfer.trusting import trust

__all__ = [
    "Change",
    "Exported",
    "Fate",
    "Imported",
    "Inside",
    "Taken",
    "Wanted",
    "export_bundle",
    "import_bundle",
    "look_inside",
    "trust",
]
