"""Making several nodes at once: all of them are registered, or none."""

from collections.abc import Iterator
from contextlib import contextmanager

from engine.context import ExperimentContext, RegistrationPolicy, registering
from engine.errors import LabelTakenError


@contextmanager
def aside(*, overwrite: bool = False, register: bool = True) -> Iterator[ExperimentContext]:
    """What is made in the block is registered in the active context at its end, if all went well.

    Within the block a context of its own is active, in which the feature sets that there are can
    be found. Labels that are taken are treated as the active context's policy says, or replaced
    with `overwrite`; nothing is registered where the policy or `dont_register` forbids it.
    """
    target = ExperimentContext.active_or_default()
    register = register and registers(target)
    made = ExperimentContext(registration_policy=RegistrationPolicy.OVERWRITE)
    for feature_set in target.available_featuresets.values():
        made.register_experiment_node(feature_set)
    token = registering.set(True)
    try:
        with made.activate():
            yield made
    finally:
        registering.reset(token)
    if register:
        _move(made, target, overwrite=overwrite)


def registers(context: ExperimentContext) -> bool:
    """Whether nodes that are made now are registered there."""
    return context.registration_policy is not RegistrationPolicy.NO_REGISTER and registering.get()


def _move(made: ExperimentContext, target: ExperimentContext, *, overwrite: bool) -> None:
    before = target.get_state()
    policy = RegistrationPolicy.OVERWRITE if overwrite else target.registration_policy
    try:
        with target.use_policy(policy):
            for node in made.available_nodes.values():
                target.register_experiment_node(node)
            if made.model_graph is not None:
                target.register_model_graph(made.model_graph)
    except BaseException as error:
        target.set_state(before)
        if isinstance(error, LabelTakenError):
            raise LabelTakenError(f"{error} A file can be loaded with overwrite=True.") from error
        raise
