"""The recipe for learning from examples: data, a model, a loss, and what to measure."""

from tracker.pipelines.recipes.supervised.recipe import Supervised

__all__ = ["Supervised"]
