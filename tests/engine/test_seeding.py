import multiprocessing
import random
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.models.comparing import same_values
from engine.seeding import (
    capture_generators,
    derive_seed,
    generators,
    permutation,
    restore_generators,
)

PART = st.integers(0, 2**40) | st.text(max_size=5)


def draw():
    return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002 - global on purpose


class TestDeriveSeed:
    def test_is_the_same_on_every_machine(self):
        assert derive_seed(7, "train", "sampler") == 1623375809225952053
        assert derive_seed(None, "epoch", 3) == 8144724257671008667

    @given(st.none() | st.integers(), st.lists(PART, max_size=4), st.lists(PART, max_size=4))
    def test_other_labels_give_another_seed(self, seed, some, others):
        assert 0 <= derive_seed(seed, *some) < 2**63
        assert (derive_seed(seed, *some) == derive_seed(seed, *others)) == (some == others)

    def test_other_seeds_give_another_seed(self):
        assert len({derive_seed(seed, "a") for seed in (None, 0, 1, -1)}) == 4


class TestPermutation:
    def test_is_the_same_on_every_machine(self):
        assert permutation(8, 3).tolist() == [6, 7, 2, 1, 4, 5, 3, 0]
        assert permutation(8, 2**63 - 1).tolist() == [6, 3, 2, 5, 0, 7, 1, 4]

    @given(st.integers(0, 300), st.integers(0, 2**63 - 1))
    def test_has_every_number_once(self, length, seed):
        order = permutation(length, seed)
        assert order.dtype == np.int64
        assert sorted(order.tolist()) == list(range(length))

    def test_leaves_the_global_generators_alone(self):
        with generators(1):
            first = draw()
        with generators(1):
            permutation(100, 5)
            assert draw() == first


class TestGenerators:
    def test_draw_the_same_again_for_the_same_seed(self):
        with generators(5):
            first = draw()
        with generators(5):
            assert draw() == first
        with generators(6):
            assert all(one != other for one, other in zip(draw(), first, strict=True))

    def test_are_put_back_afterwards_also_after_an_error(self):
        state = capture_generators()
        expected = draw()
        restore_generators(state)
        with suppress(ZeroDivisionError), generators(5):
            draw()
            raise ZeroDivisionError
        assert draw() == expected

    @given(st.integers(0, 2**63 - 1))
    def test_go_on_from_a_captured_state(self, seed):
        with generators(seed):
            random.gauss(0, 1)  # Python keeps a second draw for later.
            np.random.standard_normal()  # noqa: NPY002 - and so does numpy
            state = capture_generators()
            expected = (random.gauss(0, 1), np.random.standard_normal(), draw())  # noqa: NPY002
            restore_generators(state)
            assert (random.gauss(0, 1), np.random.standard_normal(), draw()) == expected  # noqa: NPY002

    def test_agree_between_processes(self):
        program = (
            "import sys; sys.path.insert(0, '.'); from engine.seeding import *\n"
            "import random, numpy, torch\n"
            "with generators(11): print(random.random(), numpy.random.rand(), torch.rand(1).item())"
        )
        outputs = {subprocess.check_output([sys.executable, "-c", program]) for _ in range(2)}
        with generators(11):
            here = "{} {} {}\n".format(*draw()).encode()
        assert outputs == {here}


class TestThreads:
    def test_wait_for_each_other(self):
        def work(_):
            with generators(5):
                drawn = []
                for _ in range(5):
                    drawn.append(draw())
                    time.sleep(0.002)
            return drawn

        expected = work(0)
        before = capture_generators()
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(work, range(8))) == [expected] * 8
        assert same_values(capture_generators(), before)

    def test_may_come_to_a_block_within_a_block(self):
        with generators(5):
            first = draw()
        with generators(5):
            with generators(6):
                draw()
            assert draw() == first

    def test_of_another_process_are_not_waited_for(self):
        inside, done = threading.Event(), threading.Event()

        def hold():
            with generators(1):
                inside.set()
                done.wait(30)

        def enter():
            with generators(2):
                pass

        thread = threading.Thread(target=hold)
        thread.start()
        inside.wait(30)
        forked = multiprocessing.get_context("fork").Process(target=enter)
        with warnings.catch_warnings():
            # Python warns of what is tested here.
            warnings.simplefilter("ignore", DeprecationWarning)
            forked.start()
        forked.join(20)
        code = forked.exitcode
        forked.kill()
        done.set()
        thread.join()
        assert code == 0
