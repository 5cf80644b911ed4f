"""Recipes: callables that turn a pipeline's configuration into an `engine.Experiment`."""

from typing import TYPE_CHECKING

from tracker.pipelines.documents import Document
from tracker.pipelines.schema import text

if TYPE_CHECKING:
    from tracker.pipelines.recipes.base import Recipe

__all__ = ["SUPERVISED", "recipe_of"]

SUPERVISED = "supervised"


def recipe_of(document: Document) -> "Recipe":
    """The recipe that the configuration names; `supervised` if it names none."""
    # Recipes bring torch, which only creating and training have a use for.
    from tracker.pipelines.recipes.function import FunctionRecipe  # noqa: PLC0415 - see above
    from tracker.pipelines.recipes.supervised import Supervised  # noqa: PLC0415 - see above

    name = document.data.get("recipe")
    if name is None:
        return Supervised()
    text(document, ("recipe",), name)
    if name == SUPERVISED:
        return Supervised()
    if ":" in name or "." in name:
        return FunctionRecipe()
    raise document.error(
        ("recipe",),
        f"there is no recipe {name!r}; write {SUPERVISED!r}, or module:function for one of"
        " your own.",
    )
