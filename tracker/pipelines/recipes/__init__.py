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
    name = document.data.get("recipe")
    if name is None:
        name = SUPERVISED
    text(document, ("recipe",), name)
    if name != SUPERVISED and not (":" in name or "." in name):
        raise document.error(
            ("recipe",),
            f"there is no recipe {name!r}; write {SUPERVISED!r}, or module:function for one of"
            " your own.",
        )
    # Recipes bring torch, which only creating and training have a use for.
    if name == SUPERVISED:
        from tracker.pipelines.recipes.supervised import Supervised  # noqa: PLC0415 - see above

        return Supervised()
    from tracker.pipelines.recipes.function import FunctionRecipe  # noqa: PLC0415 - see above

    return FunctionRecipe()
