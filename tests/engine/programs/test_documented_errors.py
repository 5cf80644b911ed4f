"""The built-in errors that the documentation names: programs catch these, not ours."""

import numpy as np
import pytest
import torch

from engine import (
    AppliedLoss,
    Checkpointing,
    ConcatNode,
    CrossValidation,
    CVBinding,
    EarlyStopping,
    EvalPhase,
    Experiment,
    ExperimentContext,
    FeatureSet,
    InputBinding,
    Loss,
    ModelGraph,
    ModelNode,
    Optimizer,
    PhaseGroup,
    PhaseGroupResults,
    RegistrationPolicy,
    ResultRecording,
    Scaler,
    SimpleSampler,
    TrainPhase,
    TrainResults,
)
from engine.saving import write_file


def make(label="data"):
    x = np.arange(24.0).reshape(12, 2)
    return FeatureSet.from_dict(label, {"x": x, "y": x.sum(axis=1)}, "x", "y")


class World:
    """A little of everything."""

    def __init__(self, folder):
        self.experiment = Experiment("errors", seed=1)
        self.experiment.set_checkpoint_dir(folder)
        self.folder = folder
        self.ctx = self.experiment.ctx
        self.data = make()
        self.data.split_random({"train": 0.5, "test": 0.5})
        self.other = make("other")
        self.node = ModelNode("net", torch.nn.Linear(2, 1), self.data)
        self.second = ModelNode("second", torch.nn.Linear(2, 1), self.other)
        self.merge = ConcatNode(
            "both", [self.node, self.second], concat_axis_targets="first", concat_axis_tags="last"
        )
        self.graph = ModelGraph([self.node, self.second, self.merge])
        self.graph.build()
        self.loss = AppliedLoss(Loss("mse"), "net", ["outputs", "targets"])
        self.results = PhaseGroupResults("group")
        self.results.add_result(TrainResults("train"))
        self.results.add_result(PhaseGroupResults("inner", {"train": TrainResults("train")}))

    def train(self, label="train", **options):
        return TrainPhase.from_split(
            label,
            split="train",
            sampler=SimpleSampler(batch_size=3),
            losses=[self.loss],
            active_nodes=["net"],
            **options,
        )

    def context(self):
        return next(iter(self.train().iter_execution()))

    def evaluated(self):
        bindings = [
            InputBinding.for_evaluation(node=one, upstream=None) for one in ("net", "second")
        ]
        return self.experiment.run_phase(EvalPhase("eval", input_sources=bindings))

    def frozen(self):
        self.graph.freeze()
        return self.node

    def foreign(self):
        return write_file(self.folder / "foreign.ckpt", "something", {"a": 1}).path


CASES = {
    "get_node by two names": (ValueError, lambda w: w.ctx.get_node("net", label="net")),
    "get_node unknown": (KeyError, lambda w: w.ctx.get_node("nett")),
    "register another thing": (TypeError, lambda w: w.ctx.register_experiment_node(3)),
    "register twice": (ValueError, lambda w: make()),
    "register no graph": (TypeError, lambda w: w.ctx.register_model_graph(w.node)),
    "register a second graph": (ValueError, lambda w: ModelGraph([w.node])),
    "remove by nothing": (ValueError, lambda w: w.ctx.remove_node()),
    "remove by both": (ValueError, lambda w: w.ctx.remove_node(label="net", node_id="net")),
    "remove unknown": (KeyError, lambda w: w.ctx.remove_node(label="nett")),
    "relabel unknown": (KeyError, lambda w: w.ctx.update_node_label("nett", "a")),
    "relabel to a taken one": (ValueError, lambda w: w.ctx.update_node_label("net", "second")),
    "unknown policy": (ValueError, lambda w: RegistrationPolicy.from_value("none")),
    "unknown recording": (ValueError, lambda w: ResultRecording.from_value("some")),
    "restore unknown": (ValueError, lambda w: w.experiment.restore_checkpoint("none")),
    "restore another file": (TypeError, lambda w: w.experiment.restore_checkpoint(w.foreign())),
    "result of another type": (TypeError, lambda w: w.results.add_result(3)),
    "result twice": (ValueError, lambda w: w.results.add_result(TrainResults("train"))),
    "results flattened to equal labels": (ValueError, lambda w: w.results.flatten()),
    "phase result unknown": (KeyError, lambda w: w.results.get_phase_result("trai")),
    "phase result of a group": (TypeError, lambda w: w.results.get_phase_result("inner")),
    "train result unknown": (KeyError, lambda w: w.results.get_train_result("trai")),
    "eval result of a training": (TypeError, lambda w: w.results.get_eval_result("train")),
    "eval result without any": (ValueError, lambda w: w.results.get_eval_result()),
    "group result of a phase": (TypeError, lambda w: w.results.get_group_result("train")),
    "placeholder": (
        ValueError,
        lambda w: Checkpointing.validate_placeholders("{who}", frozenset({"phase"}), "x"),
    ),
    "hook of another kind": (
        ValueError,
        lambda w: w.train(checkpointing=Checkpointing(save_on="group_end")),
    ),
    "experiment's checkpoints in memory": (
        ValueError,
        lambda w: w.experiment.set_checkpointing(Checkpointing(save_on="phase_end")),
    ),
    "callback twice": (
        ValueError,
        lambda w: w.train(callbacks=[EarlyStopping(), EarlyStopping()]),
    ),
    "view of several sources": (ValueError, lambda w: w.evaluated().source_view("both")),
    "label twice in a group": (ValueError, lambda w: PhaseGroup("g", [w.train(), w.train()])),
    "split unknown": (ValueError, lambda w: EvalPhase.from_split("e", split="tset")),
    "folds without experiment": (TypeError, lambda w: _alone(_folds)),
    "folds of no phase": (
        TypeError,
        lambda w: CrossValidation(bindings=CVBinding(w.data, ["train"]), phase=3),
    ),
    "no fold": (
        ValueError,
        lambda w: CrossValidation(bindings=CVBinding(w.data, ["train"]), n_folds=0),
    ),
    "folds of missing splits": (ValueError, lambda w: CVBinding(w.data, ["trian"])),
    "folds of a wrong size": (ValueError, lambda w: CVBinding(w.data, ["train"], val_size=2.0)),
    "nodes twice in a graph": (ValueError, lambda w: ModelGraph([w.node, w.node], register=False)),
    "node added twice": (ValueError, lambda w: w.graph.add_node(w.node)),
    "no optimizer": (
        RuntimeError,
        lambda w: w.graph.train_step(w.context(), [w.loss], active_nodes=["net"]),
    ),
    "node without optimizer": (RuntimeError, lambda w: w.node.train_step(w.context(), [w.loss])),
    "frozen node trained": (RuntimeError, lambda w: w.frozen().train_step(w.context(), [w.loss])),
    "frozen node fitted": (RuntimeError, lambda w: w.frozen().fit_step(w.context(), [w.loss])),
    "axis of a strategy": (TypeError, lambda w: w.merge.target_axis),
    "axis of tags": (TypeError, lambda w: w.merge.tags_axis),
    "loss twice": (ValueError, lambda w: Loss("mse", factory=torch.nn.MSELoss)),
    "no loss": (ValueError, lambda w: Loss()),
    "unknown loss": (ValueError, lambda w: Loss("msee")),
    "backend of a loss": (ValueError, lambda w: Loss("mse", backend="tensorflow")),
    "loss on nothing": (TypeError, lambda w: AppliedLoss(Loss("mse"), 3, ["outputs"])),
    "inputs of a loss": (TypeError, lambda w: AppliedLoss(Loss("mse"), "net", 3)),
    "optimizer twice": (ValueError, lambda w: Optimizer("adam", factory=torch.optim.Adam)),
    "no optimizer at all": (ValueError, lambda w: Optimizer()),
    "unknown optimizer": (ValueError, lambda w: Optimizer("adm")),
    "optimizer of another type": (TypeError, lambda w: Optimizer(3)),
    "optimizer's backend": (ValueError, lambda w: Optimizer("adam", backend="scikit")),
    "optimizer without parameters": (ValueError, lambda w: Optimizer("adam").build()),
    "step before build": (ValueError, lambda w: Optimizer("adam").step()),
    "key unknown": (ValueError, lambda w: FeatureSet.from_dict("n", {"a": [1]}, "b", [])),
    "lengths": (ValueError, lambda w: FeatureSet.from_dict("n", {"a": [1], "b": [1, 2]}, "a", "b")),
    "not a scaler": (TypeError, lambda w: w.data.fit_transform(3, domain="features")),
    "scaler unknown": (ValueError, lambda w: w.data.fit_transform("Standard", domain="features")),
    "domain unknown": (ValueError, lambda w: w.data.fit_transform("Negate", domain="feature")),
    "key to be scaled unknown": (
        ValueError,
        lambda w: w.data.fit_transform("Negate", domain="features", keys="z"),
    ),
    "nothing to undo": (ValueError, lambda w: w.data.undo_last_transform("features")),
    "shape to be unscaled": (
        ValueError,
        lambda w: w.data.unscale_data_for_cols(
            data=np.zeros((2, 7)), domain="targets", columns="y"
        ),
    ),
    "copied scalers without splits": (
        ValueError,
        lambda w: _scaled(w.data).copy(restore_scalers=True, register=True),
    ),
    "scaler by a wrong name": (ValueError, lambda w: Scaler("Standard")),
    "scaler not fitted": (
        RuntimeError,
        lambda w: Scaler("StandardScaler").transform(np.ones((2, 1))),
    ),
    "scaler not fitted, back": (
        RuntimeError,
        lambda w: Scaler("StandardScaler").inverse_transform(np.ones((2, 1))),
    ),
    "scaler without a way back": (
        NotImplementedError,
        lambda w: _fitted("Normalizer").inverse_transform(np.ones((2, 1))),
    ),
    "ratios": (ValueError, lambda w: w.other.split_random({"a": 0.5, "b": 0.4})),
    "split there already": (ValueError, lambda w: w.data.split_random({"train": 0.5, "b": 0.5})),
    "groups and strata": (
        ValueError,
        lambda w: w.other.split_random({"a": 1.0}, group_by="y", stratify_by="y"),
    ),
}


def _alone(call):
    with ExperimentContext().activate():
        return call()


def _folds():
    data = make()
    data.split_random({"train": 1.0})
    return CrossValidation(bindings=CVBinding(data, ["train"]))


def _scaled(data):
    data.fit_transform("StandardScaler", domain="features", fit_to_split="train")
    return data


def _fitted(name):
    scaler = Scaler(name)
    scaler.fit(np.ones((2, 1)))
    return scaler


@pytest.mark.parametrize("case", CASES)
def test_is_one_of_the_documented_kind(case, tmp_path):
    error, call = CASES[case]
    with pytest.raises(error) as caught:
        call(World(tmp_path))
    assert type(caught.value).__module__ in ("engine.errors", "builtins")
    # Whole sentences, not a key or a number.
    assert str(caught.value).endswith((".", "?"))
    assert " " in str(caught.value)


def test_without_a_context_it_is_a_runtime_error(in_child):
    def ask():
        from engine.context import ExperimentContext, _active

        _active.set(None)
        with pytest.raises(RuntimeError, match="No experiment context is active"):
            ExperimentContext.get_active()

    assert in_child(ask).text == "None"
