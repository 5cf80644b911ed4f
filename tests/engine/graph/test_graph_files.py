"""A graph in a file is there again: in the same context, in another, in another process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engine.context import ExperimentContext
from engine.errors import EngineError, FileFormatError, LabelTakenError
from engine.graph import ModelGraph
from engine.models.comparing import same_values
from engine.saving import read_file, write_file
from tests.engine.graph.graphs import GRAPHS, made, numbers, outputs, train

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """What another process has found in files of all kinds of graphs."""
    folder = tmp_path_factory.mktemp("graphs")
    for kind in GRAPHS:
        made(kind).save(folder / kind)
    program = [sys.executable, "-m", "tests.engine.graph.programs.going_on", str(folder)]
    subprocess.run(program, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=True)
    return {kind: read_file(folder / f"{kind}.found")[0] for kind in GRAPHS}


@pytest.fixture(params=list(GRAPHS))
def kind(request):
    return request.param


class TestGoingOn:
    def test_in_another_process_it_predicts_and_trains_bit_by_bit_the_same(self, elsewhere, kind):
        graph, found = made(kind), elsewhere[kind]

        assert torch.equal(found["before"], outputs(graph))
        with graph.ctx.activate():
            train(graph, [1, 2])
        assert same_values(found["after"], graph.get_state())

    def test_in_the_same_context_likewise(self, kind, tmp_path):
        graph = made(kind)
        path = graph.save(tmp_path / kind)
        config, state = graph.get_config(), graph.get_state()
        frozen = set(graph.frozen_nodes)

        with graph.ctx.activate():
            train(graph, [1])
            again = ModelGraph.load(path, overwrite=True)
            assert same_values(again.get_state(), state)
            train(again, [1])

        assert same_values(again.get_state(), graph.get_state())
        assert again.get_config() == config
        assert set(again.frozen_nodes) == frozen
        assert graph.ctx.model_graph is again
        assert again.ctx is graph.ctx

    def test_without_its_data_its_weights_are_there(self, kind, tmp_path):
        graph = made(kind)
        path = graph.save(tmp_path / kind)

        with ExperimentContext().activate() as context:
            again = ModelGraph.load(path)
            assert same_values(again.get_weights(), graph.get_weights())
            assert context.available_featuresets == {}
            assert again.is_built


def test_what_was_never_trained_is_kept_as_it_was_drawn(kind, tmp_path):
    with ExperimentContext().activate():
        graph = GRAPHS[kind]()
        path = graph.save(tmp_path / kind)
        state = graph.get_state()

        again = ModelGraph.load(path, overwrite=True)

        assert again.is_built == graph.is_built
        assert same_values(again.get_state(), state)


def test_one_model_in_two_nodes_stays_one(tmp_path):
    path = made("twins").save(tmp_path / "twins")

    with ExperimentContext().activate():
        again = ModelGraph.load(path)

    left, right = (again.nodes[label].module for label in ("left", "right"))
    assert all(
        one is other for one, other in zip(left.parameters(), right.parameters(), strict=True)
    )
    assert [one.requires_grad for one in left.parameters()].count(False) == 1


def test_loading_leaves_the_callers_random_numbers_alone(tmp_path):
    path = made("branches").save(tmp_path / "branches")
    torch.manual_seed(3)
    expected = torch.rand(2)

    torch.manual_seed(3)
    with ExperimentContext().activate():
        ModelGraph.load(path)

    assert torch.equal(torch.rand(2), expected)


class TestTheFile:
    def test_gets_its_suffix_and_is_kept(self, tmp_path):
        graph = made("staged")
        path = graph.save(tmp_path / "a")

        assert path == tmp_path / "a.graph"
        with pytest.raises(FileExistsError, match=r"a\.graph exists; pass overwrite=True"):
            graph.save(tmp_path / "a.graph")
        assert graph.save(tmp_path / "a", overwrite=True) == path

    def test_equal_graphs_make_equal_files(self, tmp_path):
        first, second = (made("branches").save(tmp_path / name) for name in "ab")

        assert first.read_bytes() == second.read_bytes()


class TestTheContext:
    @pytest.fixture
    def path(self, tmp_path):
        return made("staged").save(tmp_path / "staged")

    def test_with_a_taken_label_is_left_as_it_was(self, path):
        with ExperimentContext().activate() as context:
            GRAPHS["branches"]()
            before = context.get_state()

            with pytest.raises(LabelTakenError, match=r"'head'.*overwrite=True"):
                ModelGraph.load(path)

            assert context.get_state() == before

    def test_that_overwrites_takes_it(self, path):
        with ExperimentContext(registration_policy="overwrite").activate() as context:
            GRAPHS["branches"]()
            graph = ModelGraph.load(path)

            assert context.get_node("head") is graph.nodes["head"]
            assert context.model_graph is graph
            assert context.registration_policy.value == "overwrite"

    def test_that_warns_does(self, path):
        with ExperimentContext(registration_policy="overwrite_warn").activate():
            GRAPHS["branches"]()
            with pytest.warns(UserWarning, match="replaces an earlier one"):
                ModelGraph.load(path)

    def test_is_untouched_where_a_warning_is_an_error(self, path):
        with ExperimentContext(registration_policy="overwrite_warn").activate() as context:
            GRAPHS["branches"]()
            before = context.get_state()
            with pytest.raises(UserWarning, match="replaces an earlier one"):
                ModelGraph.load(path)

            assert context.get_state() == before

    def test_that_registers_nothing_holds_nothing(self, path):
        with ExperimentContext(registration_policy="no_register").activate() as context:
            graph = ModelGraph.load(path)
            assert context.available_nodes == {}
            assert context.model_graph is None
        with ExperimentContext().activate() as context, ExperimentContext.dont_register():
            ModelGraph.load(path)
            assert context.available_nodes == {}
        with graph.ctx.use_policy("error"), graph.ctx.activate():
            numbers()
            train(graph, [1])

    def test_is_untouched_by_a_configuration_that_does_not_fit(self):
        with ExperimentContext().activate() as context:
            config = made("staged").get_config()
            config["nodes"][1]["config"]["upstream_ref"]["node_label"] = "nobody"

            with pytest.raises(EngineError, match="nobody"):
                ModelGraph.from_config(config)

            assert context.available_nodes == {}


class TestFilesThatAreNotGraphs:
    def refused(self, path, match):
        with ExperimentContext().activate() as context:
            with pytest.raises(FileFormatError, match=match) as caught:
                ModelGraph.load(path)
            assert str(path) in str(caught.value)
            assert context.available_nodes == {}
            assert context.model_graph is None

    @pytest.fixture
    def saved(self):
        return made("staged").saved_form()

    def test_of_another_kind(self, tmp_path):
        path = made("staged").save_checkpoint(tmp_path / "a.ckpt")
        self.refused(path, "it holds a graph checkpoint, not a graph")

    @pytest.mark.parametrize("share", [0, 0.3, 0.9])
    def test_cut_off(self, tmp_path, share):
        path = made("staged").save(tmp_path / "a")
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])
        self.refused(path, "it is empty|its end is cut off")

    def test_of_another_class(self, tmp_path, saved):
        saved["class"] = "engine.context:ExperimentContext"
        path = write_file(tmp_path / "a.graph", "graph", saved).path
        self.refused(path, "which is no ModelGraph")

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            (lambda saved: saved.pop("state"), "'state'"),
            (lambda saved: saved["state"].pop("built"), "'built'"),
            (lambda saved: saved["state"]["nodes"].pop("head"), "nothing of the node 'head'"),
            (
                lambda saved: saved["state"]["built"].update(shared=[[["head", "no"]] * 2]),
                "'head.no",
            ),
            (
                lambda saved: saved["state"]["built"]["nodes"]["head"].update(input_type="load"),
                "no type 'load'",
            ),
            (
                lambda saved: saved["state"]["built"]["nodes"]["head"].update(model=[[5], [1]]),
                "has the shape",
            ),
            (lambda saved: saved["config"].update(nodes=[]), "at least one node"),
            (lambda saved: saved["config"].update(nodes=3), "do not fit"),
            (
                lambda saved: saved["config"]["nodes"][0].update({"class": "engine.losses:Loss"}),
                "not a node of a graph",
            ),
        ],
    )
    def test_with_parts_that_do_not_fit(self, tmp_path, saved, change, match):
        change(saved)
        path = write_file(tmp_path / "a.graph", "graph", saved).path
        self.refused(path, match)
