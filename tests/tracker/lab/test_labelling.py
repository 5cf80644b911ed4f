import pytest

from tracker.errors import InvalidError, NotFoundError, TakenError
from tracker.lab import Lab


@pytest.fixture
def lab(lab_root):
    with Lab(lab_root) as lab:
        for name, rate in (("a", 0.1), ("b", 0.2)):
            with lab.run(name, params={"lr": rate}):
                pass
        yield lab


def column(lab, name):
    table = lab.runs(sort="name", columns=["name", name])
    return dict(zip(table["name"], table[name], strict=True))


def test_tags_of_one_and_of_many(lab):
    assert lab.tag("a", "x") == 1
    assert lab.tag(tags=["y", "z"], runs="lr < 1") == 2
    assert lab.tag(["a", "b"], remove="z") == 2

    assert column(lab, "tags") == {"a": ("x", "y"), "b": ("y",)}


def test_notes(lab):
    assert lab.note("a", "good") == 1
    assert lab.note(text="both", runs="lr > 0.1") == 1
    assert column(lab, "note") == {"a": "good", "b": "both"}
    lab.note("a", None)
    assert lab.runs("note is None")["name"].tolist() == ["a"]


def test_favourites_have_a_tag(lab):
    lab.mark(["a", "b"])
    lab.unmark("b")

    assert lab.runs("'favourite' in tags")["name"].tolist() == ["a"]


def test_names_of_one_and_of_many(lab):
    assert lab.rename("a", "first") == 1
    assert lab.rename(to="lr-{lr}", runs="lr < 1") == 2
    assert sorted(column(lab, "lr")) == ["lr-0.1", "lr-0.2"]
    with pytest.raises(TakenError):
        lab.rename("lr-0.1", "lr-0.2")
    with pytest.raises(NotFoundError):
        lab.rename("zzz", "x")


def test_what_fails_changes_nothing(lab):
    with pytest.raises(InvalidError):
        lab.tag(["a", "b"], ["good", ""])
    with pytest.raises(InvalidError):
        lab.rename(to="same", runs="lr < 1")

    assert column(lab, "tags") == {"a": (), "b": ()}
    with pytest.raises(InvalidError, match="by name, or by --pipelines or --runs"):
        lab.mark()


def test_group_is_a_table(lab):
    table = lab.group("lr > 0.1", ["lr", "seed"])

    assert table.columns.tolist()[:4] == ["lr > 0.1", "metric", "runs", "count"]
    assert table["mean"].iloc[0] == 0.1
    assert lab.group(metrics="lr", filter="lr > 0.1")["max"].tolist() == [0.2]
    assert lab.group("lr", "lr", sort="mean", descending=True)["lr"].tolist() == [0.2, 0.1]
    assert lab.group("lr", "lr", pipelines=True).empty
