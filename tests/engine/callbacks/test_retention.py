"""Which checkpoints stay: agrees with a plain list of all that were made, whatever happens."""

import itertools
import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.callbacks.checkpointing import Checkpointing
from engine.callbacks.pins import make_room
from engine.callbacks.retention import Retention
from engine.errors import CheckpointError, PhaseError

LOSSES = {0: 0.5, 1: math.nan, 2: 0.2, 3: 0.9, 4: 0.2, 5: 0.4, 6: -math.inf, 7: math.inf}


def stays(losses=LOSSES, pinned=(), **rules):
    given = {"last": None, "best": None, "top": 1, **rules}
    values = {key: {"loss": loss} for key, loss in losses.items()}
    return sorted(Retention.of(**given).stays(values, pinned))


class TestRules:
    @pytest.mark.parametrize(
        ("rules", "expected"),
        [
            ({}, [0, 1, 2, 3, 4, 5, 6, 7]),
            ({"last": 3}, [5, 6, 7]),
            ({"last": 9}, [0, 1, 2, 3, 4, 5, 6, 7]),
            ({"best": "loss"}, [6, 7]),
            ({"best": "loss", "top": 3}, [2, 4, 6, 7]),
            ({"best": "loss", "top": 2, "last": 2}, [2, 6, 7]),
            ({"best": {"loss": "max"}, "top": 2}, [3, 7]),
            ({"last": 1, "pinned": [1, 3]}, [1, 3, 7]),
        ],
    )
    def test_what_one_of_them_keeps_stays(self, rules, expected):
        assert stays(**rules) == expected

    def test_nan_is_never_best_not_even_alone(self):
        assert stays({0: math.nan, 1: math.nan}, best="loss", top=2) == [1]

    def test_of_equals_the_older_is_better(self):
        assert stays({0: 0.2, 1: 0.2, 2: 0.2}, best="loss") == [0, 2]

    def test_one_without_a_value_stays_as_long_as_it_is_the_newest(self):
        rules = Retention.of(None, "loss", 1)
        assert rules.stays({0: {"loss": 3.0}, 1: {}, 2: {"accuracy": 1.0}}) == {0, 2}

    def test_several_metrics_keep_their_best_each(self):
        rules = Retention.of(1, {"loss": "min", "accuracy": "max"}, 1)
        values = {
            "a": {"loss": 0.1, "accuracy": 0.2},
            "b": {"loss": 0.3, "accuracy": 0.9},
            "c": {"loss": 0.2, "accuracy": 0.3},
            "d": {"loss": 0.4, "accuracy": 0.1},
        }
        assert rules.stays(values) == {"a", "b", "d"}

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"best": {"loss": "low"}}, "'loss' is best at its 'min' or 'max', not 'low'"),
            ({"best": "loss", "top": 0}, "top is a count of at least 1, not 0"),
            ({"top": 3}, "top=3 says how many of the best stay; name a metric"),
            ({"max_to_keep": 1.5}, "max_to_keep is a count of at least 1, not 1.5"),
        ],
    )
    def test_what_makes_no_sense_is_refused_at_once(self, options, message):
        with pytest.raises(PhaseError, match=message):
            Checkpointing(**options)


class TestPins:
    @pytest.fixture
    def kept(self, tmp_path):
        checkpointing = Checkpointing(mode="disk", max_to_keep=2)
        for epoch in range(2):
            path = tmp_path / f"{epoch}.ckpt"
            path.write_text(f"state {epoch}")
            checkpointing.record_disk(epoch, path)
        return checkpointing

    def save(self, checkpointing, folder, epoch):
        path = folder / f"{epoch}.ckpt"
        path.write_text(f"state {epoch}")
        checkpointing.record_disk(epoch, path)

    def test_a_pinned_file_stays_until_it_is_unpinned(self, kept, tmp_path):
        kept.pin(0)
        self.save(kept, tmp_path, 2)
        self.save(kept, tmp_path, 3)
        assert kept.saved_keys == [0, 2, 3]
        assert kept.pinned_keys == [0]

        kept.unpin(0)
        assert kept.saved_keys == [0, 2, 3]
        self.save(kept, tmp_path, 4)

        assert kept.saved_keys == [3, 4]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["3.ckpt", "4.ckpt"]

    def test_another_object_on_the_same_files_sees_the_pin(self, kept, tmp_path):
        progress = kept.get_progress(tmp_path)
        kept.pin(1)  # after the checkpoint was written that is gone on from
        later = Checkpointing(mode="disk", max_to_keep=1)
        later.set_progress(progress, tmp_path)
        self.save(later, tmp_path, 2)

        assert later.saved_keys == [1, 2]
        assert later.pinned_keys == [1]

    def test_in_memory_too(self):
        checkpointing = Checkpointing(max_to_keep=1)
        checkpointing.record_memory(0, {"epoch": 0})
        checkpointing.pin(0)
        checkpointing.record_memory(1, {"epoch": 1})
        checkpointing.record_memory(2, {"epoch": 2})
        assert checkpointing.saved_keys == [0, 2]

        checkpointing.unpin(0)
        checkpointing.record_memory(3, {"epoch": 3})
        assert checkpointing.saved_keys == [3]

    def test_what_is_not_kept_cannot_be_pinned(self, kept):
        with pytest.raises(CheckpointError, match=r"kept under 7; kept are: 0, 1\."):
            kept.pin(7)
        kept.get_path(1).unlink()
        with pytest.raises(CheckpointError, match=r"no checkpoint .*1\.ckpt to be pinned"):
            kept.pin(1)
        assert not (kept.saved_paths[1].parent / "1.ckpt.pinned").exists()

    def test_a_pinned_name_is_taken_and_a_pin_without_its_file_is_none(self, kept, tmp_path):
        path = tmp_path / "0.ckpt"
        assert make_room(path) == path
        kept.pin(0)
        assert make_room(path) == tmp_path / "0-2.ckpt"

        path.unlink()
        assert make_room(path) == path
        assert not (tmp_path / "0.ckpt.pinned").exists()


class TestOthersFiles:
    def test_one_that_somebody_else_wrote_in_its_place_is_not_removed(self, tmp_path):
        checkpointing = Checkpointing(mode="disk", max_to_keep=1)
        path = tmp_path / "0.ckpt"
        path.write_text("ours")
        checkpointing.record_disk(0, path)
        path.write_text("theirs")
        (tmp_path / "1.ckpt").write_text("ours")
        checkpointing.record_disk(1, tmp_path / "1.ckpt")

        assert checkpointing.saved_keys == [1]
        assert path.read_text() == "theirs"

    def test_nor_is_it_taken_for_ours_when_the_run_goes_on(self, tmp_path):
        checkpointing = Checkpointing(mode="disk", max_to_keep=2)
        for name in "ab":
            (tmp_path / name).write_text(f"ours {name}")
            checkpointing.record_disk(name, tmp_path / name)
        progress = checkpointing.get_progress(tmp_path)
        (tmp_path / "a").write_text("theirs")

        checkpointing.set_progress(progress, tmp_path)

        assert checkpointing.saved_keys == ["b"]

    def test_a_name_that_is_used_again_is_one_file_and_stays(self, tmp_path):
        checkpointing = Checkpointing(mode="disk", max_to_keep=1)
        for epoch in range(3):
            (tmp_path / "last.ckpt").write_text(f"state {epoch}")
            checkpointing.record_disk(epoch, tmp_path / "last.ckpt")

        assert checkpointing.saved_paths == {2: tmp_path / "last.ckpt"}
        assert (tmp_path / "last.ckpt").read_text() == "state 2"

    def test_nor_is_it_counted_twice_where_everything_stays(self, tmp_path):
        checkpointing = Checkpointing(mode="disk")
        for epoch in range(3):
            (tmp_path / "last.ckpt").write_text(f"state {epoch}")
            checkpointing.record_disk(epoch, tmp_path / "last.ckpt")

        assert checkpointing.saved_keys == [2]

    def test_a_key_that_is_saved_again_is_the_youngest_after_a_resume_too(self, tmp_path):
        checkpointing = Checkpointing(mode="disk", max_to_keep=2)
        for name in "ab":
            (tmp_path / name).write_text(name)
            checkpointing.record_disk(name, tmp_path / name)
        with checkpointing.expecting("a", tmp_path / "a"):
            progress = checkpointing.get_progress(tmp_path)
        (tmp_path / "a").write_text("again")
        checkpointing.set_progress(progress, tmp_path)
        (tmp_path / "c").write_text("c")
        checkpointing.record_disk("c", tmp_path / "c")

        assert checkpointing.saved_keys == ["a", "c"]


values = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from([0.0, 1.0, 2.0, math.nan, math.inf]) for name in "ab"}
)


class Keeping(RuleBasedStateMachine):
    """Saves, pins, kills and strangers, beside a list of what was saved and should be there."""

    @initialize(
        last=st.none() | st.integers(1, 3),
        best=st.dictionaries(st.sampled_from("ab"), st.sampled_from(["min", "max"]), max_size=2),
        top=st.integers(1, 2),
    )
    def begin(self, last, best, top):
        self.directory = tempfile.TemporaryDirectory()
        self.folder = Path(self.directory.name)
        self.last = 1 if best and last is None else last
        self.best, self.top = best, top if best else 1
        self.rules = {"max_to_keep": last, "best": best or None, "top": self.top}
        self.checkpointing = Checkpointing(mode="disk", **self.rules)
        self.numbers = itertools.count()
        self.saved = []  # [key, values], the oldest first
        self.pinned, self.strangers = set(), {}
        self.progress = None, [], {}  # of the newest checkpoint, with what was saved by then

    def keys(self):
        return [key for key, _ in self.saved]

    def model(self):
        kept = set(self.keys() if self.last is None else self.keys()[-self.last :])
        for metric, goal in self.best.items():
            there = [row for row in self.saved if not math.isnan(row[1].get(metric, math.nan))]
            sign = 1 if goal == "min" else -1
            there.sort(key=lambda row: sign * row[1][metric])
            kept |= {key for key, _ in there[: self.top]}
        return [row for row in self.saved if row[0] in kept | self.pinned]

    @rule(values=values)
    def save(self, values):
        key = next(self.numbers)
        path = self.folder / f"{key}.ckpt"
        with self.checkpointing.expecting(key, path, values):
            progress = self.checkpointing.get_progress(self.folder)
        path.write_text(f"state {key} of {id(self)}")
        before = [*self.saved, [key, values]]
        self.progress = progress, before
        self.checkpointing.record_disk(key, path, values=values)
        self.saved = before
        self.saved = self.model()

    @precondition(lambda self: self.saved)
    @rule(data=st.data())
    def pin(self, data):
        key = data.draw(st.sampled_from(self.keys()))
        self.checkpointing.pin(key)
        self.pinned.add(key)

    @precondition(lambda self: self.pinned & set(self.keys()))
    @rule(data=st.data())
    def unpin(self, data):
        key = data.draw(st.sampled_from(sorted(self.pinned & set(self.keys()))))
        self.checkpointing.unpin(key)
        self.pinned.discard(key)

    @precondition(lambda self: self.progress[0] and self.progress[1][-1][0] not in self.strangers)
    @rule()
    def killed_and_resumed_from_the_newest(self):
        progress, saved = self.progress
        self.checkpointing = Checkpointing(mode="disk", **self.rules)
        self.checkpointing.set_progress(progress, self.folder)
        there = {int(path.stem) for path in self.folder.glob("*.ckpt")} - set(self.strangers)
        self.saved = [row for row in saved if row[0] in there]

    @precondition(lambda self: self.saved)
    @rule(data=st.data())
    def a_stranger_overwrites_one(self, data):
        key = data.draw(st.sampled_from(self.keys()))
        (self.folder / f"{key}.ckpt").write_text(f"stranger {key}")
        self.strangers[key] = f"stranger {key}"

    @invariant()
    def exactly_those_are_there(self):
        if not hasattr(self, "saved"):
            return
        assert self.checkpointing.saved_keys == sorted(self.keys())
        files = {int(path.stem): path.read_text() for path in self.folder.glob("*.ckpt")}
        assert {key: files.pop(key, None) for key in self.strangers} == self.strangers
        assert set(files) == set(self.keys()) - set(self.strangers)

    def teardown(self):
        if hasattr(self, "directory"):
            self.directory.cleanup()


TestAgainstAPlainList = Keeping.TestCase
TestAgainstAPlainList.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
