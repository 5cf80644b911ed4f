"""Small cross-validations, and all of them that must be equal in the end."""

import copy

from engine.cross_validation import CrossValidation, CVBinding
from tests.engine.small_experiments import resumable

N_FOLDS = 3


def folded(*, n_epochs=1, scaler="StandardScaler", checkpointing=None, **options):
    """A cross-validation of everything that must survive an interruption."""
    experiment = resumable(n_epochs=n_epochs, batch_size=24, checkpointing=checkpointing)
    data = experiment.ctx.get_node("clouds")
    if scaler is not None:
        data.fit_transform(scaler, domain="features", fit_to_split="train")
    binding = CVBinding(data, ["train", "val"], stratify_by="y")
    return CrossValidation(bindings=binding, n_folds=N_FOLDS, seed=4, keep_weights=True, **options)


def everything(strategy, results, log):
    return {
        "graph": copy.deepcopy(strategy.experiment.model_graph.get_state()),
        "step": strategy.experiment.step,
        "values": log.values,
        "metrics": results.to_pandas().to_dict("records"),
        "weights": [dict(fold.weights) for _, fold in results.folds()],
    }
