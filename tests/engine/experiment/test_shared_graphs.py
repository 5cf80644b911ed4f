"""A checkpoint that refers to another one for a graph that has not changed since."""

import pytest
import torch

from engine.callbacks import Checkpointing
from engine.errors import CheckpointError, FileFormatError
from engine.phases import EvalPhase, TrainPhase
from engine.samplers import SimpleSampler
from engine.saving import read_file, write_file
from tests.engine.small_experiments import assert_equal, classes, classifier, cross_entropy, fresh


def build():
    from engine.experiment import Experiment

    experiment = Experiment("small", seed=4)
    torch.manual_seed(0)
    classifier(classes())
    train = TrainPhase.from_split(
        "train",
        split="train",
        sampler=SimpleSampler(batch_size=16, shuffle=True),
        losses=[cross_entropy()],
        n_epochs=2,
    )
    experiment.execution_plan.add_phase(train)
    experiment.execution_plan.add_phase(
        EvalPhase.from_split("test", split="val", losses=[cross_entropy()])
    )
    return experiment


@pytest.fixture
def trained():
    experiment = fresh(build)
    experiment.run(show_training_progress=False)
    return experiment


@pytest.fixture
def both(trained, tmp_path):
    whole = trained.write_checkpoint(tmp_path / "whole.ckpt")
    brief = trained.write_checkpoint(tmp_path / "brief.ckpt", share_graph=True)
    return whole, brief


def state_of(experiment):
    return experiment.model_graph.get_state()


def test_it_is_small_and_says_what_it_needs(both):
    whole, brief = both

    assert whole.graph is None
    assert (brief.graph.path, brief.graph.sha256) == (whole.path, whole.sha256)
    assert brief.bytes < whole.bytes / 2


def test_all_is_restored_from_both_files(trained, both):
    expected = trained.get_state()
    again = fresh(build)
    again.restore_checkpoint(both[1].path, sha256=both[1].sha256)

    assert_equal(again.get_state(), expected)


def test_so_is_the_graph_alone(trained, both):
    again = fresh(build)
    again.model_graph.restore_checkpoint(both[1].path)

    assert_equal(state_of(again), state_of(trained))


def test_what_is_frozen_now_is_kept(trained, tmp_path):
    trained.write_checkpoint(tmp_path / "whole.ckpt")
    trained.model_graph.freeze()
    brief = trained.write_checkpoint(tmp_path / "brief.ckpt", share_graph=True)

    again = fresh(build)
    again.restore_checkpoint(brief.path)
    assert brief.graph is not None
    assert list(again.model_graph.frozen_nodes) == ["net"]


def test_after_a_restore_the_next_one_refers_to_the_same_file(both, tmp_path):
    again = fresh(build)
    again.restore_checkpoint(both[1].path, sha256=both[1].sha256)
    third = again.write_checkpoint(tmp_path / "third.ckpt", share_graph=True)

    assert third.graph == both[1].graph


@pytest.mark.parametrize("what", ["changed", "elsewhere", "gone", "damaged", "overwritten"])
def test_it_is_whole_where_there_is_nothing_to_refer_to(trained, tmp_path, what):
    whole = trained.write_checkpoint(tmp_path / "whole.ckpt")
    path = tmp_path / "brief.ckpt"
    if what == "changed":
        with torch.no_grad():
            next(iter(trained.model_graph.nodes["net"].module.parameters())).view(-1)[-1] += 1e-3
    elif what == "elsewhere":
        (tmp_path / "other").mkdir()
        path = tmp_path / "other" / "brief.ckpt"
    elif what == "gone":
        whole.path.unlink()
    elif what == "damaged":
        data = bytearray(whole.path.read_bytes())
        weights = trained.model_graph.get_weights()["net"]["layers.0.weight"]
        data[data.index(weights.numpy().tobytes()) + 1] ^= 1
        whole.path.write_bytes(data)
    else:
        path = whole.path
    brief = trained.write_checkpoint(path, share_graph=True)

    assert brief.graph is None
    again = fresh(build)
    again.restore_checkpoint(brief.path)
    assert_equal(state_of(again), state_of(trained))


class TestWhatItRefersTo:
    def test_must_be_there(self, both):
        both[0].path.unlink()

        with pytest.raises(CheckpointError, match=r"refers to the graph in whole\.ckpt"):
            fresh(build).restore_checkpoint(both[1].path)

    def test_must_be_the_same(self, trained, both):
        trained.write_checkpoint(both[0].path, meta={"another": "file"})

        with pytest.raises(FileFormatError, match="another file than expected"):
            fresh(build).restore_checkpoint(both[1].path)

    @pytest.mark.parametrize("name", ["../whole.ckpt", "/etc/passwd", "..", ""])
    def test_lies_in_no_other_place(self, both, tmp_path, name):
        state, _ = read_file(both[1].path)
        state["graph_in"]["file"] = name
        forged = tmp_path / "folder" / "forged.ckpt"
        forged.parent.mkdir()
        write_file(forged, "experiment checkpoint", state)

        with pytest.raises(CheckpointError, match="not beside it"):
            fresh(build).restore_checkpoint(forged)

    def test_must_hold_the_graph(self, both, tmp_path):
        state, _ = read_file(both[1].path)
        state["graph_in"]["rest"]["nodes"]["other"] = state["graph_in"]["rest"]["nodes"]["net"]
        forged = tmp_path / "forged.ckpt"
        write_file(forged, "experiment checkpoint", state)

        experiment = fresh(build)
        before = experiment.get_state()
        with pytest.raises(CheckpointError, match="does not hold its graph"):
            experiment.restore_checkpoint(forged)
        assert_equal(experiment.get_state(), before)


def test_an_experiments_own_checkpoint_after_each_phase_has_none_run_again(tmp_path):
    def saving():
        experiment = build()
        experiment.set_checkpointing(
            Checkpointing(mode="disk", save_on="phase_end", directory=tmp_path)
        )
        return experiment

    first = fresh(saving)
    results = first.run(show_training_progress=False)
    again = fresh(saving)
    again.restore_checkpoint(tmp_path / "test.ckpt")

    assert [one.status for one in again.remaining()] == ["completed", "completed"]
    found = again.resume()
    assert again.step == first.step
    for label in ("train", "test"):
        assert found[label].last_metrics() == results[label].last_metrics()
