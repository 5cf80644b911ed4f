"""What users of such libraries run into, as they do: what happens, and what they are told."""

import os
import pickle
import zipfile

import numpy as np
import pytest
import torch

from engine import (
    AppliedLoss,
    Checkpointing,
    ConcatNode,
    EarlyStopping,
    EvalLossMetric,
    EvalPhase,
    Evaluation,
    Experiment,
    ExperimentCallback,
    ExperimentContext,
    FeatureSet,
    FitPhase,
    InputBinding,
    Loss,
    ModelGraph,
    ModelNode,
    Optimizer,
    SimpleSampler,
    TrainPhase,
)
from engine.errors import FileFormatError, NonFiniteLossError, PackagedCodeError


def make(label="data", rows=64, **targets):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 4)).astype("float32")
    targets = targets or {"y": x[:, 0] - x[:, 1]}
    targets = {key: one(x) if callable(one) else one for key, one in targets.items()}
    data = FeatureSet.from_dict(label, {"x": x, **targets}, "x", list(targets))
    data.split_random({"train": 0.5, "test": 0.5}, seed=1)
    return data


def seeded(inputs, outputs):
    """A layer that is equal wherever it is made."""
    layer = torch.nn.Linear(inputs, outputs)
    for number, one in enumerate(layer.parameters()):
        one.data = torch.linspace(-1, 1, one.numel()).reshape(one.shape) * (number + 1) / 2
    return layer


def sgd(lr=0.1):
    return Optimizer("sgd", opt_kwargs={"lr": lr}, backend="torch")


def train(losses, label="train", **options):
    return TrainPhase.from_split(
        label,
        split="train",
        sampler=SimpleSampler(batch_size=8, seed=1),
        losses=losses,
        **options,
    )


@pytest.fixture
def experiment():
    return Experiment("mishaps", seed=1)


def index(x):
    return np.abs(x[:, 0] * 10).astype(int) % 3


def one_hot(x):
    return np.eye(3, dtype="float32")[index(x)]


def several(x):
    return np.stack([x[:, 0], x[:, 1] * 2, x[:, 2] - 1], axis=1)


def binary(x):
    return (x[:, :3] > 0).astype("float32")


def absolute(outputs, targets):
    return (outputs - targets).abs()


class TestTargets:
    """Targets of any form train with the losses that torch has for them, to the bit."""

    @pytest.mark.parametrize(
        ("name", "plain", "target"),
        [
            ("crossentropy", torch.nn.CrossEntropyLoss(), index),
            ("CrossEntropyLoss", torch.nn.CrossEntropyLoss(), one_hot),
            ("mse", torch.nn.MSELoss(), one_hot),
            ("mse", torch.nn.MSELoss(), several),
            ("l1", torch.nn.L1Loss(), several),
            ("smooth_l1", torch.nn.SmoothL1Loss(), several),
            ("huber", torch.nn.HuberLoss(), several),
            ("BCEWithLogitsLoss", torch.nn.BCEWithLogitsLoss(), binary),
            ("multilabelsoftmargin", torch.nn.MultiLabelSoftMarginLoss(), binary),
            ("multimargin", torch.nn.MultiMarginLoss(), index),
        ],
    )
    def test_as_a_loop_by_hand(self, experiment, name, plain, target):
        data = make(y=target)
        net = ModelNode("net", seeded(4, 3), data)
        ModelGraph([net], sgd())
        phase = train([AppliedLoss(Loss(name, backend="torch"), "net", ["outputs", "targets"])])

        trained = experiment.run_phase(phase)

        layer = seeded(4, 3)
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        x = data["train"].get_features("torch").reshape(32, 4)
        y = data["train"].get_targets("torch")
        y = y.reshape(32) if target is index else y.reshape(32, 3)
        for start in range(0, 32, 8):
            optimizer.zero_grad()
            plain(layer(x[start : start + 8].clone()), y[start : start + 8].clone()).backward()
            optimizer.step()
        for mine, other in zip(net.model.module.parameters(), layer.parameters(), strict=True):
            assert torch.equal(mine, other)
        outputs = trained.tensors("net", "outputs").last()
        targets = trained.tensors("net", "targets").last()
        assert outputs.shape[1] == 3
        assert targets.shape == ((8, 1) if target is index else (8, 3))

    def test_that_do_not_fit_are_shown_with_their_outputs(self, experiment):
        ModelGraph([ModelNode("net", seeded(4, 2), make(y=several))], sgd())
        with pytest.raises(ValueError, match=r"\(8, 2\).*\(8, 3\)"):
            experiment.run_phase(train([AppliedLoss("mse", "net")]))


class TestBranches:
    """Two branches of one feature set joined by a ConcatNode."""

    @pytest.fixture
    def graph(self, experiment):
        data = make()
        left, right = (ModelNode(label, torch.nn.Linear(4, 2), data) for label in ("left", "right"))
        both = ConcatNode("both", [left, right], concat_axis=-1)
        head = ModelNode("head", torch.nn.Linear(4, 1), both)
        return ModelGraph([left, right, both, head], sgd())

    def test_in_training_and_evaluation(self, experiment, graph):
        loss = AppliedLoss(Loss("mse", backend="torch"), "head", ["outputs", "targets"])
        trained = experiment.run_phase(train([loss], n_epochs=2))
        tested = experiment.run_phase(EvalPhase.from_split("t", split="test", losses=[loss]))
        assert trained.batches("head").at(epoch=1, batch=3).batch_size == 8
        assert tested.stacked_tensors("head", "targets").shape == (32, 1)
        assert len(tested.stacked_tensors("both", "sample_uuids")) == 32
        assert tested.source_view("head").n_samples == 32

    def test_in_a_fit_phase(self, experiment):
        from sklearn.linear_model import LinearRegression

        data = make()
        nodes = [ModelNode(label, seeded(4, 2), data) for label in ("left", "right")]
        both = ConcatNode("both", nodes, concat_axis=-1)
        line = ModelNode("line", LinearRegression(), both)
        ModelGraph([*nodes, both, line])
        results = experiment.run_phase(FitPhase.from_split("fit", split="train"))
        x = results.stacked_tensors("both", "outputs", fmt="np")
        y = data["train"].get_targets("np")
        plain = LinearRegression().fit(x, y)
        assert np.allclose(plain.predict(x), results.stacked_tensors("line", "outputs", fmt="np"))
        assert line.is_frozen


class TestFiles:
    @pytest.fixture
    def saved(self, experiment, tmp_path):
        net = ModelNode("net", seeded(4, 1), make())
        ModelGraph([net], sgd()).build()
        experiment.set_checkpoint_dir(tmp_path)
        return experiment.save_checkpoint("good")

    @pytest.mark.parametrize("kind", ["empty", "random", "cut off", "changed"])
    def test_that_are_damaged_are_named_and_change_nothing(self, experiment, saved, kind):
        whole = saved.read_bytes()
        middle = len(whole) // 2
        damaged = {
            "empty": b"",
            "random": bytes(np.random.default_rng(0).integers(0, 256, 5000, np.uint8)),
            "cut off": whole[:middle],
            "changed": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        }
        saved.write_bytes(damaged[kind])
        node = experiment.ctx.get_node("net")
        node.model.module.weight.data += 1
        before = node.model.module.weight.clone()
        for restore in (experiment.restore_checkpoint, experiment.model_graph.restore_checkpoint):
            with pytest.raises(FileFormatError) as caught:
                restore(saved)
            assert str(saved) in str(caught.value)
            assert torch.equal(node.model.module.weight, before)

    @pytest.mark.parametrize("form", ["pickle", "torch.save", "zip of pickles"])
    def test_of_the_unpickling_kind_run_nothing(self, experiment, saved, tmp_path, form):
        ran = tmp_path / "ran"

        class Evil:
            def __reduce__(self):
                return os.mkdir, (str(ran),)

        path = tmp_path / "evil.ckpt"
        if form == "torch.save":
            torch.save({"entry": Evil()}, path)
        elif form == "pickle":
            path.write_bytes(pickle.dumps(Evil()))
        else:
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("artifact.json", "{}")
                archive.writestr("entries/experiment/state.pkl", pickle.dumps(Evil()))
        for read in (
            experiment.restore_checkpoint,
            experiment.model_graph.restore_checkpoint,
            Experiment.load,
            ModelGraph.load,
            FeatureSet.load,
            lambda path: Experiment.load(path, allow_packaged_code=True),
        ):
            with pytest.raises((FileFormatError, FileNotFoundError)) as caught:
                read(path)
            assert "evil" in str(caught.value)
        assert not ran.exists()

    def test_with_code_say_so_beside_an_experiment_too(self, experiment, tmp_path):
        net = ModelNode("net", seeded(4, 1), make())
        ModelGraph([net], sgd())
        loss = Loss(absolute, backend="torch")
        experiment.execution_plan.add_phase(train([AppliedLoss(loss, "net")]))
        path = experiment.save(tmp_path / "all")
        with pytest.raises(PackagedCodeError) as caught:
            Experiment.load(path)
        assert "absolute" in str(caught.value)
        assert "allow_packaged_code=True" in str(caught.value)
        with pytest.raises(ValueError, match=r"'data'.*overwrite"):
            Experiment.load(path, allow_packaged_code=True)
        assert ExperimentContext.get_active().get_experiment() is experiment
        assert experiment.ctx.get_node("net") is net
        again = Experiment.load(path, allow_packaged_code=True, overwrite=True)
        assert again.execution_plan.get_train_phase(0).losses[0].loss.fn is absolute

    def test_are_not_made_of_code_that_nobody_could_find(self, experiment, tmp_path):
        ModelGraph([ModelNode("net", seeded(4, 1), make())], sgd())
        loss = Loss(lambda outputs, targets: (outputs - targets).abs(), backend="torch")
        experiment.execution_plan.add_phase(train([AppliedLoss(loss, "net")]))
        with pytest.raises(PackagedCodeError, match="lambda"):
            experiment.save(tmp_path / "all")
        assert not list(tmp_path.iterdir())


class TestLosses:
    def test_that_are_functions_train_and_are_saved(self, experiment, tmp_path):
        ModelGraph([ModelNode("net", seeded(4, 1), make())], sgd())
        loss = Loss(torch.nn.functional.huber_loss, backend="torch")
        experiment.execution_plan.add_phase(train([AppliedLoss(loss, "net")]))
        experiment.run()
        again = Loss.load(loss.save(tmp_path / "huber"))
        assert again.fn is torch.nn.functional.huber_loss
        assert Loss.from_config(loss.get_config()).name == "huber_loss"
        path = experiment.save(tmp_path / "all")
        with ExperimentContext().activate():
            assert len(Experiment.load(path).history) == 1

    def test_that_are_nan_end_the_training_by_name(self, experiment):
        data = make()
        ModelGraph([ModelNode("net", seeded(4, 1), data)], sgd(1e30))
        watch = Evaluation.from_split(
            label="w", split="test", metrics=[EvalLossMetric(loss=AppliedLoss("mse", "net"))]
        )
        stopping = EarlyStopping(patience=50, restore_best=True)
        with pytest.raises(NonFiniteLossError) as caught:
            experiment.run_phase(
                train([AppliedLoss("mse", "net")], n_epochs=9, callbacks=[watch, stopping])
            )
        assert "'train'" in str(caught.value)
        assert "non_finite" in str(caught.value)
        assert experiment.last_run.status == "failed"
        assert stopping.best_epoch is None

    def test_of_equal_labels_are_refused(self, experiment):
        ModelGraph([ModelNode("net", seeded(4, 1), make())], sgd())
        with pytest.raises(ValueError, match=r"'net\.mse'"):
            train([AppliedLoss("mse", "net"), AppliedLoss("mse", "net")])


class TestPlans:
    def test_save_at_their_beginning_and_end_under_these_names(self, experiment, tmp_path):
        ModelGraph([ModelNode("net", seeded(4, 1), make())], sgd())
        experiment.set_checkpoint_dir(tmp_path)
        experiment.set_checkpointing(
            Checkpointing(mode="disk", save_on=["experiment_start", "experiment_end"])
        )
        experiment.execution_plan.add_phase(train([AppliedLoss("mse", "net")]))
        experiment.run()
        assert list(experiment.available_checkpoints) == ["START", "END"]
        experiment.restore_checkpoint("START")
        assert torch.equal(experiment.ctx.get_node("net").model.module.weight, seeded(4, 1).weight)

    def test_do_not_hear_of_what_callbacks_run(self, experiment, tmp_path):
        ModelGraph([ModelNode("net", seeded(4, 1), make())], sgd())
        experiment.set_checkpoint_dir(tmp_path)
        experiment.set_checkpointing(Checkpointing(mode="disk", save_on="phase_end"))
        heard = []

        class Peek(ExperimentCallback):
            def on_phase_end(self, *, experiment, phase):
                heard.append(phase.label)
                experiment.preview_phase(train([AppliedLoss("mse", "net")], label="inside"))
                experiment.run_phase(EvalPhase.from_split("looked at", split="test"))

            def get_config(self):
                return {}

        experiment.add_callback(Peek())
        experiment.run_phase(train([AppliedLoss("mse", "net")]))
        assert heard == ["train"]
        assert list(experiment.available_checkpoints) == ["train"]

    def test_read_their_epochs_in_new_orders(self, experiment):
        ModelGraph([ModelNode("net", seeded(4, 1), make())], sgd())
        bindings = [
            InputBinding.for_training(
                node="net", sampler=SimpleSampler(batch_size=8, shuffle=True), split="train"
            )
        ]
        phase = TrainPhase(
            "t", input_sources=bindings, losses=[AppliedLoss("mse", "net")], n_epochs=3
        )
        trained = experiment.run_phase(phase)
        orders = trained.tensors("net", "sample_uuids").collapse("batch", "concat")
        seen = [tuple(order) for order in orders.values()]
        assert len(set(seen)) == 3
        assert len({frozenset(order) for order in seen}) == 1
