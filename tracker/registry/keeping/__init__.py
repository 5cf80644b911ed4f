"""Putting pipelines and runs out of the way, bringing them back, and getting space back."""

from tracker.registry.keeping.archive import archive, unarchive
from tracker.registry.keeping.change import Change, refuse_other
from tracker.registry.keeping.choosing import Chosen, Wanted, choose_deleted, choose_visible
from tracker.registry.keeping.leftovers import delete_leftovers
from tracker.registry.keeping.pruning import Retention, prune
from tracker.registry.keeping.purging import purge
from tracker.registry.keeping.trash import delete, restore

__all__ = [
    "Change",
    "Chosen",
    "Retention",
    "Wanted",
    "archive",
    "choose_deleted",
    "choose_visible",
    "delete",
    "delete_leftovers",
    "prune",
    "purge",
    "refuse_other",
    "restore",
    "unarchive",
]
