import threading
from contextlib import suppress

import pytest

from engine.context import (
    ExperimentContext,
    ExperimentNode,
    ExperimentNodeReference,
    GraphNodeReference,
    RegistrationPolicy,
)
from engine.errors import (
    ContextError,
    LabelTakenError,
    NoActiveContextError,
    ResolutionError,
    UnknownLabelError,
)


class FeatureSet(ExperimentNode):
    """Known to the context by its class's name, as the real one is."""


class ComputeNode(ExperimentNode):
    pass


class ModelGraph:
    pass


def in_thread(function):
    result = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join()
    return result[0]


class TestWhichContextIsActive:
    def test_there_is_none_before_the_first_node(self):
        def first_steps():
            with pytest.raises(NoActiveContextError, match="No experiment context is active"):
                ExperimentContext.get_active()
            node = ExperimentNode("a")
            return ExperimentContext.get_active().get_node("a") is node

        assert in_thread(first_steps)

    def test_it_is_a_runtime_error_when_there_is_none(self):
        assert issubclass(NoActiveContextError, RuntimeError)

    def test_activation_ends_with_its_block(self):
        inner = ExperimentContext()
        with ExperimentContext().activate() as outer:
            with inner.activate():
                assert ExperimentContext.get_active() is inner
            assert ExperimentContext.get_active() is outer

    def test_activation_ends_when_the_block_raises(self, context):
        with pytest.raises(ZeroDivisionError), ExperimentContext().activate():
            raise ZeroDivisionError
        assert ExperimentContext.get_active() is context

    def test_threads_do_not_see_each_other(self, context):
        ExperimentNode("mine")
        assert in_thread(ExperimentContext.find_active) is None

        def make():
            ExperimentNode("theirs")
            return list(ExperimentContext.get_active().available_nodes)

        assert in_thread(make) == ["theirs"]
        assert list(context.available_nodes) == ["mine"]

    def test_made_active_within_a_block_it_ends_with_the_block(self, context):
        other = ExperimentContext()
        with ExperimentContext().activate():
            other.make_active()
            assert ExperimentContext.get_active() is other
        assert ExperimentContext.get_active() is context

    def test_made_active_outside_any_block_it_stays(self):
        def steps():
            ExperimentContext().make_active()
            other = ExperimentContext()
            other.make_active()
            return ExperimentContext.get_active() is other

        assert in_thread(steps)

    def test_a_block_goes_before_the_threads_default(self):
        def steps():
            ExperimentNode("outside")
            default = ExperimentContext.get_active()
            with ExperimentContext().activate() as inner:
                ExperimentNode("inside")
                assert ExperimentContext.get_active() is inner
            assert ExperimentContext.get_active() is default
            return list(default.available_nodes), list(inner.available_nodes)

        assert in_thread(steps) == (["outside"], ["inside"])


class TestNodes:
    def test_are_found_by_label_which_is_their_id(self, context):
        node = ExperimentNode("a")
        assert node.node_id == "a"
        assert context.get_node("a") is node
        assert context.get_node(label="a") is node
        assert context.get_node(node_id="a") is node
        assert context.has_node(label="a")
        assert not context.has_node(node_id="b")

    def test_exactly_one_name_must_be_given(self, context):
        with pytest.raises(ValueError, match="exactly one"):
            context.get_node()
        with pytest.raises(ValueError, match="exactly one"):
            context.remove_node(node_id="a", label="a")

    def test_an_unknown_one_suggests_the_nearest(self, context):
        ExperimentNode("encoder")
        with pytest.raises(UnknownLabelError, match=r"no node 'encodr'\. Did you mean 'encoder'"):
            context.get_node("encodr")

    def test_are_sorted_by_kind(self, context):
        data, model = FeatureSet("data"), ComputeNode("model")
        assert context.available_featuresets == {"data": data}
        assert context.available_computenodes == {"model": model}
        assert context.available_nodes == {"data": data, "model": model}

    def test_of_another_kind_than_asked_for_are_refused(self, context):
        FeatureSet("data")
        assert context.get_node("data", enforce_type="FeatureSet")
        assert context.get_node("data", enforce_type=FeatureSet)
        with pytest.raises(ContextError, match="'data' is a FeatureSet, not a ComputeNode"):
            context.get_node("data", enforce_type="ComputeNode")

    def test_only_nodes_can_be_registered(self, context):
        with pytest.raises(TypeError, match="not an ExperimentNode"):
            context.register_experiment_node("a")

    @pytest.mark.parametrize("label", ["", "  ", None, 3])
    def test_need_a_label(self, context, label):
        with pytest.raises(ContextError, match="text that is not empty"):
            ExperimentNode(label)

    def test_an_id_that_is_not_the_label_is_refused(self, context):
        ExperimentNode("a", node_id="a")
        with pytest.raises(ContextError, match="id is its label"):
            ExperimentNode("b", node_id="c")

    def test_removed_they_are_returned(self, context):
        node = ExperimentNode("a")
        assert context.remove_node(label="a") is node
        assert context.remove_node(label="a", error_if_missing=False) is None
        with pytest.raises(KeyError):
            context.remove_node(label="a")

    def test_renamed_they_are_found_by_the_new_label_only(self, context):
        node = ExperimentNode("a")
        node.label = "b"
        assert node.node_id == "b"
        assert context.get_node("b") is node
        assert not context.has_node(label="a")

    def test_cannot_be_renamed_to_a_taken_label(self, context):
        node, _ = ExperimentNode("a"), ExperimentNode("b")
        with pytest.raises(LabelTakenError, match="'b'"):
            node.label = "b"
        assert node.label == "a"
        with pytest.raises(UnknownLabelError):
            context.update_node_label("c", "d")

    def test_renamed_where_they_are_not_registered_they_touch_no_other(self, context):
        loose = ExperimentNode("a", register=False)
        registered = ExperimentNode("a")
        loose.label = "b"
        assert loose.label == "b"
        assert context.get_node("a") is registered


class TestPolicies:
    def test_a_taken_label_is_an_error_that_says_what_to_do(self, context):
        first = ExperimentNode("a")
        with pytest.raises(LabelTakenError, match=r"'a'.*overwrite"):
            ExperimentNode("a")
        assert context.get_node("a") is first

    def test_overwrite_replaces(self):
        with ExperimentContext(registration_policy="overwrite").activate() as context:
            ExperimentNode("a")
            second = ExperimentNode("a")
        assert context.get_node("a") is second

    def test_overwrite_warn_replaces_and_warns(self, context):
        context.set_registration_policy("overwrite_warn")
        ExperimentNode("a")
        with pytest.warns(UserWarning, match="'a' replaces"):
            second = ExperimentNode("a")
        assert context.get_node("a") is second

    def test_no_register_keeps_nothing(self, context):
        with context.use_policy(RegistrationPolicy.NO_REGISTER):
            ExperimentNode("a")
        assert not context.available_nodes
        assert context.registration_policy is RegistrationPolicy.ERROR

    def test_dont_register_works_with_and_without_a_context(self, context):
        with ExperimentContext.dont_register():
            ExperimentNode("a")
        with context.dont_register():
            ExperimentNode("b")
        ExperimentNode("c")
        assert list(context.available_nodes) == ["c"]

    def test_the_collision_check_can_be_left_out(self, context):
        ExperimentNode("a")
        second = ExperimentNode("a", register=False)
        context.register_experiment_node(second, check_label_collision=False)
        assert context.get_node("a") is second

    def test_registering_a_node_again_is_no_collision(self, context):
        node = ExperimentNode("a")
        context.register_experiment_node(node)

    def test_an_unknown_policy_suggests_the_nearest(self):
        assert RegistrationPolicy.from_value("ERROR") is RegistrationPolicy.ERROR
        with pytest.raises(ContextError, match="Did you mean 'overwrite'"):
            ExperimentContext(registration_policy="overwrit")


class TestModelGraph:
    def test_there_is_one_at_most(self, context):
        first, second = ModelGraph(), ModelGraph()
        context.register_model_graph(first)
        context.register_model_graph(first)
        with pytest.raises(LabelTakenError, match=r"a model graph in.*Change it, remove it"):
            context.register_model_graph(second)
        context.remove_model_graph()
        context.register_model_graph(second)
        assert context.model_graph is second

    def test_nothing_else_is_taken_for_one(self, context):
        with pytest.raises(TypeError, match="not a ModelGraph"):
            context.register_model_graph("graph")

    def test_is_not_registered_where_nothing_is(self, context):
        with ExperimentContext.dont_register():
            context.register_model_graph(ModelGraph())
        assert context.model_graph is None


class TestState:
    def test_a_temporary_scope_leaves_no_trace(self, context):
        node, graph, experiment = ExperimentNode("a"), ModelGraph(), object()
        context.register_model_graph(graph)
        context.set_experiment(experiment)
        with suppress(ZeroDivisionError), context.temporary() as scope:
            assert scope is context
            context.set_registration_policy("overwrite")
            context.remove_model_graph()
            context.set_experiment(object(), reset_registries=True)
            ExperimentNode("b")
            node.label = "c"
            raise ZeroDivisionError
        assert context.available_nodes == {"a": node}
        assert context.model_graph is graph
        assert context.get_experiment() is experiment
        assert context.registration_policy is RegistrationPolicy.ERROR

    def test_a_renaming_is_undone_with_it(self, context):
        node = ExperimentNode("a")
        with context.temporary():
            node.label = "b"
        assert node.label == "a"
        assert context.available_nodes == {"a": node}

    def test_a_temporary_scope_is_active(self, context):
        other = ExperimentContext()
        with other.temporary():
            ExperimentNode("a")
        assert not other.available_nodes
        assert not context.available_nodes

    def test_a_snapshot_can_be_put_back_more_than_once(self, context):
        ExperimentNode("a")
        state = context.get_state()
        for _ in range(2):
            context.clear_registries()
            context.set_state(state)
            assert list(context.available_nodes) == ["a"]


class TestReferences:
    def test_resolve_in_the_active_context_or_a_given_one(self, context):
        node = ExperimentNode("a")
        reference = node.reference()
        assert reference == ExperimentNodeReference("a")
        assert reference.resolve() is node
        with ExperimentContext().activate():
            with pytest.raises(ResolutionError, match="no node 'a'"):
                reference.resolve()
            assert reference.resolve(context) is node

    def test_of_the_wrong_kind_lead_to_nothing(self, context):
        ExperimentNode("a")
        with pytest.raises(ResolutionError, match="not a GraphNode"):
            GraphNodeReference("a").resolve()

    def test_without_a_context_lead_to_nothing(self):
        def resolve():
            with pytest.raises(ResolutionError, match="No experiment context"):
                ExperimentNodeReference("a").resolve()
            return True

        assert in_thread(resolve)

    def test_survive_their_configuration(self):
        reference = GraphNodeReference("a")
        assert GraphNodeReference.from_config(reference.get_config()) == reference
        assert len({reference, GraphNodeReference("a")}) == 1
