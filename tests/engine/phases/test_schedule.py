import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import PhaseError
from engine.phases.schedule import BatchSchedulingPolicy

# The batches b1 b2 b3 of one sampler and c1 c2 of another, by number; None waits.
DOCUMENTED = {
    "zip_strict": [(0, 0), (1, 1)],
    "zip_cycle": [(0, 0), (1, 1), (2, 0)],
    "alternate_strict": [(0, None), (None, 0), (1, None), (None, 1)],
    "alternate_cycle": [(0, None), (None, 0), (1, None), (None, 1), (2, None), (None, 0)],
}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_policy_orders_the_batches_as_documented(name):
    policy = BatchSchedulingPolicy.from_value(name)

    steps = [policy.batches_at(step, (3, 2)) for step in range(policy.n_steps((3, 2)))]

    assert steps == DOCUMENTED[name]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.sampled_from(BatchSchedulingPolicy))
def test_cycling_uses_every_batch_and_a_strict_policy_uses_each_at_most_once(counts, policy):
    steps = [policy.batches_at(step, counts) for step in range(policy.n_steps(counts))]

    for sampler, count in enumerate(counts):
        used = [step[sampler] for step in steps if step[sampler] is not None]
        if policy.cycles:
            assert set(used) == set(range(count))
        else:
            assert used == list(range(min(counts)))


def test_a_sampler_without_batches_leaves_nothing_to_do():
    assert [policy.n_steps((3, 0)) for policy in BatchSchedulingPolicy] == [0, 0, 0, 0]


def test_a_misspelt_policy_names_the_nearest():
    with pytest.raises(PhaseError, match="Did you mean 'zip_strict'"):
        BatchSchedulingPolicy.from_value("zip_strikt")
