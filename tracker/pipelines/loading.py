"""Models with the weights of a checkpoint."""

from pathlib import Path
from typing import Any

from engine.context import ExperimentContext
from engine.experiment.checkpoints import BEST_KIND
from engine.graph import ModelGraph, ModelNode
from engine.models import ScikitModelWrapper
from engine.phases.snapshot import Snapshot
from engine.saving import read_file
from engine.seeding import derive_seed, generators
from tracker.database.kinds import CheckpointKind
from tracker.database.tables import Checkpoint
from tracker.errors import StateError
from tracker.pipelines.documents import Document
from tracker.pipelines.recipes import recipe_of
from tracker.pipelines.recipes.base import Plan
from tracker.pipelines.standing import Standing
from tracker.recording.place import Place
from tracker.recording.restoring import trusting


def load_model(place: Place, standing: Standing, checkpoint: Checkpoint) -> Any:
    """The model of the pipeline, ready to be used, or all of its models by label."""
    path = place.files.path(checkpoint.path)
    with ExperimentContext().activate():
        plan = _built(place, standing)
        graph = plan.experiment.model_graph
        if graph is None:
            raise StateError(f"Pipeline {standing.pipeline.name!r} has no model graph.")
        graph.build()
        with trusting(place, checkpoint) as trusted:
            if checkpoint.kind is CheckpointKind.BEST:
                _set_best_weights(graph, path, checkpoint.sha256, trusted=trusted)
            else:
                plan.experiment.restore_checkpoint(path, sha256=checkpoint.sha256, trusted=trusted)
    models = {node.label: _usable(node) for node in graph.model_nodes}
    return next(iter(models.values())) if len(models) == 1 else models


def _built(place: Place, standing: Standing) -> Plan:
    config = standing.pipeline.config
    seed = (standing.run.seed if standing.run else None) or 0
    with generators(derive_seed(seed, "build")):
        return recipe_of(Document(config)).plan(config, place.root, seed)


def _set_best_weights(graph: ModelGraph, path: Path, sha256: str, *, trusted: bool) -> None:
    payload, _ = read_file(path, BEST_KIND, sha256=sha256, trusted=trusted)
    for state in payload.values():
        graph.set_weights(Snapshot.from_state(state).weights)


def _usable(node: ModelNode) -> Any:
    if isinstance(node.model, ScikitModelWrapper):
        return node.model.estimator
    return node.module.cpu().eval()
