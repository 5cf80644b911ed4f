"""Functions that stand beside the classes, under the name that the documented interface has."""

from engine.saving import inspect_packaged_code

__all__ = ["inspect_packaged_code"]
