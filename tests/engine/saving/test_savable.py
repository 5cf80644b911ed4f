import re

import pytest

from engine.errors import FileFormatError, PackagedCodeError
from engine.samplers import BaseSampler, PairedSampler, SimilarityCondition, SimpleSampler
from engine.saving import foreign_code, locate, write_file
from engine.splitters import BaseSplitter, ConditionSplitter, RandomSplitter


def always(values):
    return values == values  # noqa: PLR0124 - as true as can be


class Halves(RandomSplitter):
    def __init__(self, **_):
        super().__init__({"a": 0.5, "b": 0.5})


def saved(path, **changes):
    form = {
        "class": "engine.splitters.random:RandomSplitter",
        "config": {"ratios": {"a": 1.0}},
        "state": {"seed": 3},
    }
    return write_file(path, "splitter", form | changes).path


class TestFiles:
    def test_are_found_with_and_without_their_suffix(self, tmp_path):
        splitter = RandomSplitter({"a": 0.5, "b": 0.5}, seed=4)
        path = splitter.save(tmp_path / "mine")
        assert splitter.save(tmp_path / "mine.splitter", overwrite=True) == path
        for name in ("mine", "mine.splitter"):
            back = RandomSplitter.load(tmp_path / name)
            assert back.get_config() == splitter.get_config()

    def test_are_not_replaced_unless_told(self, tmp_path):
        path = RandomSplitter({"a": 1}).save(tmp_path / "mine")
        before = path.read_bytes()
        with pytest.raises(FileExistsError, match=r"mine\.splitter exists; pass overwrite=True"):
            RandomSplitter({"b": 1}).save(tmp_path / "mine")
        assert path.read_bytes() == before
        RandomSplitter({"b": 1}).save(tmp_path / "mine", overwrite=True)
        assert list(RandomSplitter.load(path).ratios) == ["b"]

    def test_that_are_missing_damaged_or_of_another_kind_are_named(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            RandomSplitter.load(tmp_path / "none")
        path = RandomSplitter({"a": 1}).save(tmp_path / "mine")
        with pytest.raises(FileFormatError, match="holds a splitter, not a sampler"):
            SimpleSampler.load(path)
        with pytest.raises(FileFormatError, match=r"RandomSplitter, which is no ConditionSplitter"):
            ConditionSplitter.load(path)
        path.write_bytes(path.read_bytes()[:-2])
        with pytest.raises(FileFormatError, match=re.escape(str(path))):
            RandomSplitter.load(path)

    @pytest.mark.parametrize(
        "changes",
        [
            {"config": {"ratios": {"a": 0.4}}},
            {"config": {"ratio": {"a": 1}}},
            {"config": None},
            {"state": {"seed": "x"}},
            {"state": {}},
            {"class": 3},
        ],
    )
    def test_whose_parts_do_not_fit_are_named(self, changes, tmp_path):
        path = saved(tmp_path / "bad.splitter", **changes)
        with pytest.raises(
            FileFormatError, match=r"bad\.splitter cannot be read: its parts do not"
        ):
            RandomSplitter.load(path)


class TestForeignCode:
    def test_of_a_class_runs_only_if_allowed(self, tmp_path):
        path = Halves().save(tmp_path / "mine")
        with pytest.raises(PackagedCodeError, match=r"mine\.splitter.*Halves.*=True"):
            BaseSplitter.load(path)
        assert type(BaseSplitter.load(path, allow_packaged_code=True)) is Halves

    def test_of_a_predicate_or_a_metric_too(self, tmp_path):
        path = ConditionSplitter(all={"x": always}).save(tmp_path / "mine")
        with pytest.raises(PackagedCodeError, match="always in it is not ours to run"):
            BaseSplitter.load(path)
        back = BaseSplitter.load(path, allow_packaged_code=True)
        assert back.conditions == {"all": {"x": always}}
        near = SimilarityCondition(metric=always)
        path = PairedSampler({"x": near}).save(tmp_path / "pairs")
        with pytest.raises(PackagedCodeError, match="always in it is not ours to run"):
            BaseSampler.load(path)
        back = BaseSampler.load(path, allow_packaged_code=True)
        assert back.conditions == {"x": near}

    @pytest.mark.parametrize(
        "location", ["os:system", "engine.saving.files:os.system", "tests.nowhere:thing"]
    )
    def test_is_not_even_imported(self, location, tmp_path):
        path = saved(tmp_path / "bad.splitter", **{"class": location})
        with pytest.raises(PackagedCodeError, match="is not ours to run"):
            BaseSplitter.load(path)

    def test_that_cannot_be_imported_is_refused_when_saving(self, tmp_path):
        class Inner(RandomSplitter):
            pass

        with pytest.raises(PackagedCodeError, match="defined inside a function"):
            Inner({"a": 1}).save(tmp_path / "mine")
        assert not list(tmp_path.iterdir())

    def test_is_allowed_again_after_the_block(self):
        with pytest.raises(PackagedCodeError), foreign_code(allowed=False):
            locate("os:system")
        assert callable(locate("os:getcwd"))
