import pytest

from tracker.lab import Lab


@pytest.fixture
def lab(lab_root):
    with Lab(lab_root) as lab:
        for name, rate in (("a", 0.1), ("b", 0.2), ("c", 0.1)):
            with lab.run(name, experiment="digits", params={"lr": rate, "depth": 3}) as run:
                run.log(val_loss=rate, epoch=0)
        yield lab


def test_diff_holds_what_differs_and_is_false_where_nothing_does(lab):
    found = lab.diff("a", "b")

    assert found
    assert found.parameters == {"lr": {"a": 0.1, "b": 0.2}}
    assert found.metrics["best(val_loss)"].better == ("a",)
    assert found.as_dict()["metrics"]["last(val_loss)"]["values"] == {"a": 0.1, "b": 0.2}
    assert not lab.diff("a", "c")


def test_matching_is_a_table_of_the_others(lab):
    table = lab.matching("a")

    assert table["name"].tolist() == ["c", "b"]
    assert table["shared"].tolist() == [2, 1]
    assert table["values"].tolist() == [{"depth": 3, "lr": 0.1}, {"depth": 3}]
    assert lab.matching("a", on=["lr"])["name"].tolist() == ["c"]
    assert lab.matching("a", filter="lr > 0.1")["name"].tolist() == ["b"]


def test_matching_by_value_is_a_table_of_the_values(lab):
    table = lab.matching("a", by="value")

    assert table.to_dict("records") == [
        {"key": "depth", "value": 3, "others": 2, "names": ["c", "b"]},
        {"key": "lr", "value": 0.1, "others": 1, "names": ["c"]},
    ]


def test_matching_nothing_is_an_empty_table(lab):
    with lab.run("alone"):
        pass

    assert lab.matching("alone").columns.tolist()[:2] == ["name", "experiment"]
    assert lab.matching("alone").empty
