"""Phases whose step is the user's: everything around it comes along."""

import numpy as np
import torch
from sklearn.linear_model import LinearRegression

from engine.batches import SampleData
from engine.callbacks import Callback
from engine.experiment import Experiment
from engine.features import FeatureSet
from engine.graph import ModelGraph, ModelNode
from engine.phases import EvalPhase, FitPhase, TrainPhase
from tests.engine.phases.parts import adam, sampler
from tests.engine.small_experiments import assert_equal, fresh, line, mse


def numbers(shift=0.0):
    rng = np.random.RandomState(0)
    x = rng.normal(size=(40, 2)).astype("float32")
    data = FeatureSet.from_dict("data", {"x": x + shift, "y": x.sum(axis=1)}, "x", "y")
    data.split_random({"train": 0.75, "val": 0.25}, seed=2)
    return data


class Changed(TrainPhase):
    """Trains on what `change` makes of the features."""

    def __init__(self, label, *, change, **options):
        super().__init__(label, **options)
        self.change = change
        self.made = 0

    def make_step(self, step, graph):
        self.made += 1

        def changed(context):
            ((key, view),) = context.inputs.items()
            batch = view.batch
            features = self.change(batch.features)
            context.set_input(key, SampleData(features=features, targets=batch.targets))
            loss = step(context)
            context.set_input(key, view)
            return loss

        return changed


def prepared(kind=TrainPhase, *, shift=0.0, **options):
    experiment = Experiment("small", seed=5)
    torch.manual_seed(0)
    line("net", numbers(shift))
    ModelGraph(optimizer=adam())
    phase = kind.from_split(
        "train", split="train", sampler=sampler(), losses=[mse("net")], n_epochs=2, **options
    )
    experiment.execution_plan.add_phase(phase)
    return experiment


def weights(experiment):
    return experiment.model_graph.get_weights()


def noisy(features):
    return features + torch.randn_like(features)


def test_a_step_that_changes_its_input_trains_as_on_changed_data():
    on_changed_data = fresh(prepared, shift=0.5)
    changing = fresh(prepared, kind=Changed, change=lambda features: features + 0.5)
    expected, results = on_changed_data.run(), changing.run()

    assert_equal(weights(changing), weights(on_changed_data))
    losses = [one.get_train_result().metrics().values() for one in (results, expected)]
    assert losses[0] == losses[1]
    assert changing.execution_plan.get_phase("train").made == 1
    # What is recorded still knows where its samples came from.
    assert len(results.get_train_result().source_view("net")) == 30


def test_an_interrupted_phase_with_a_random_step_of_its_own_goes_on_to_the_bit(tmp_path):
    class Stop(Callback):
        def on_batch_end(self, *, experiment, exec_ctx, **_):
            if (exec_ctx.epoch_idx, exec_ctx.batch_idx) == (1, 0):
                experiment.request_stop()

    whole = fresh(prepared, kind=Changed, change=noisy)
    whole.run()
    stopped = fresh(prepared, kind=Changed, change=noisy, callbacks=[Stop()])
    stopped.run()
    stopped.write_checkpoint(tmp_path / "there.ckpt")
    again = fresh(prepared, kind=Changed, change=noisy, callbacks=[Stop()])
    again.restore_checkpoint(tmp_path / "there.ckpt")
    again.resume()

    assert again.last_run.status == "completed"
    assert_equal(weights(again), weights(whole))


def test_evaluations_and_fits_have_steps_of_their_own_too():
    seen = []

    class Watching:
        def make_step(self, step, graph):
            def watched(context):
                step(context)
                seen.append((self.kind, graph.order, len(context.outputs["net"].outputs)))

            return watched

    class Looking(Watching, EvalPhase):
        pass

    class Fitting(Watching, FitPhase):
        pass

    experiment = Experiment("small", seed=5)
    ModelNode("net", LinearRegression(), numbers())
    ModelGraph()
    experiment.run_phase(Fitting.from_split("fit", split="val"))
    experiment.run_phase(Looking.from_split("look", split="val", batch_size=6))

    assert seen == [("fit", ["net"], 10), ("eval", ["net"], 6), ("eval", ["net"], 4)]
