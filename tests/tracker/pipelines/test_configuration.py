"""Configurations from files and pipelines, and what is set on the command line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.errors import ConfigurationError
from tracker.pipelines.configuration import parse_overrides, read_configuration
from tracker.registry.params import flat

BASE = {
    "experiment": "digits",
    "optimizer": {"loc": "torch.optim.Adam", "args": {"lr": 0.001, "eps": 1e-8}},
    "layers": [16, 8],
}


def read(overrides=(), source=None, base=BASE):
    return read_configuration(source, overrides=overrides, base=base, base_name="first")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("3", 3),
        ("true", True),
        ("'3'", "3"),
        ("[1, 2]", [1, 2]),
        ("{a: 1}", {"a": 1}),
        ("a=b", "a=b"),
        ("my_models:MLP", "my_models:MLP"),
        ("", None),
        ("null", None),
    ],
)
def test_an_override_is_typed_as_yaml(text, value):
    data = read([f"optimizer.args.lr={text}"]).data

    assert data["optimizer"]["args"] == {"lr": value, "eps": 1e-8}
    assert type(data["optimizer"]["args"]["lr"]) is type(value)


def test_overrides_reach_into_lists_and_make_what_is_not_there():
    data = read(["layers.1=4", "scheduler.args.step_size=2", "layers.0=32"]).data

    assert data["layers"] == [32, 4]
    assert data["scheduler"] == {"args": {"step_size": 2}}
    assert BASE["layers"] == [16, 8]


def test_an_override_reaches_into_a_component_written_as_its_location():
    data = read(["model.args.hidden=4"], base={"model": "my_models:MLP"}).data

    assert data == {"model": {"loc": "my_models:MLP", "args": {"hidden": 4}}}


def test_overrides_from_python_are_values():
    data = read({"optimizer.args.lr": 0.5, "tags": ("a", "b")}).data

    assert data["optimizer"]["args"]["lr"] == 0.5
    assert data["tags"] == ["a", "b"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("lr", "-s lr: an override is written key=value."),
        ("=3", "-s =3: '' is no key; write it as optimizer.args.lr."),
        ("a..b=3", "-s a..b=3: 'a..b' is no key; write it as optimizer.args.lr."),
        ("layers.2=3", "-s layers.2=3: there is a list of 2 here"),
        ("layers.x=3", "-s layers.x=3: there is a list of 2 here"),
        ("experiment.name=3", "-s experiment.name=3: 'name' cannot be set inside 'digits'."),
        ("a=[1", "-s a=[1, line 1: not valid YAML"),
    ],
)
def test_an_override_that_makes_no_sense_is_shown(override, message):
    with pytest.raises(ConfigurationError) as caught:
        read([override])

    assert str(caught.value).startswith(message)


def test_an_error_in_an_override_names_it_and_not_the_file(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("model:\n  loc: m:MLP\n  args: {hidden: 3}\n")
    document = read_configuration(path, overrides=["model.args.hidden=x"])

    assert document.place(("model", "args", "hidden")) == "-s model.args.hidden=x"
    assert document.place(("model", "loc")) == f"{path}, line 2"


def test_a_file_over_a_pipeline_joins_mappings_and_replaces_the_rest(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("optimizer: {args: {lr: 0.1}}\nlayers: [4]\n")
    document = read(source=path)

    assert document.data == {
        "experiment": "digits",
        "optimizer": {"loc": "torch.optim.Adam", "args": {"lr": 0.1, "eps": 1e-8}},
        "layers": [4],
    }
    assert document.place(("experiment",)) == "pipeline 'first'"
    assert document.place(("layers",)) == f"{path}, line 2"


def test_another_component_over_a_pipeline_brings_its_own_arguments():
    data = read(source={"optimizer": {"loc": "torch.optim.SGD", "args": {"lr": 1}}}).data

    assert data["optimizer"] == {"loc": "torch.optim.SGD", "args": {"lr": 1}}


def test_without_a_file_and_without_a_pipeline_there_is_nothing():
    with pytest.raises(ConfigurationError, match="give a file"):
        read_configuration(None, overrides=["a=1"])


keys = st.text(st.characters(categories=["L"]), min_size=1)
nested = st.recursive(
    st.integers() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(keys, inner, max_size=3),
)


@given(st.dictionaries(keys, nested))
def test_a_flat_configuration_set_key_by_key_is_the_configuration_again(config):
    leaves = dict(flat(config))
    again = read_configuration({}, overrides=leaves).data

    assert again == config
    assert [origin for *_, origin in parse_overrides(leaves)] == [f"-s {key}" for key in leaves]
