"""Configuration files: what they mean, and what their errors say."""

import json
import math
import tomllib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tracker.errors import ConfigurationError, NotFoundError
from tracker.pipelines.documents import parse_document, read_document


def from_yaml(text):
    return parse_document(text, ".yaml", source="lab.yaml").data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        ("-2.5e+3", -2500.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("1_000", 1000),
        ("0x1F", 31),
        ("0o17", 15),
        ("-7", -7),
        ("true", True),
        ("null", None),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        # What YAML 1.1 makes something else of.
        ("12:30", "12:30"),
        ("2026-01-31", "2026-01-31"),
        ("010", "010"),
        ("1.2.3", "1.2.3"),
        ("e-3", "e-3"),
        ("1e", "1e"),
        ("y", "y"),
        ('"1e-3"', "1e-3"),
    ],
)
def test_a_scalar_is_what_python_would_call_it(text, value):
    found = from_yaml(f"key: {text}")["key"]

    assert found == value
    assert type(found) is type(value)


def test_nan_is_a_number():
    assert math.isnan(from_yaml("key: .nan")["key"])


@given(st.floats(allow_nan=False))
def test_every_float_that_python_writes_is_read_back(value):
    text = repr(value).replace("inf", ".inf")

    assert from_yaml(f"key: {text}")["key"] == value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), json_values, min_size=1, max_size=4))
def test_json_is_read_as_json_reads_it(data):
    text = json.dumps(data, indent=1)

    assert parse_document(text, ".json", source="a.json").data == json.loads(text)


def test_aliases_and_merged_mappings_are_written_out():
    text = """
base: &base {loc: torch.optim.Adam, args: &args {lr: 0.1, eps: 1.0e-8}}
other:
  <<: *base
  args: {<<: *args, lr: 0.2}
again: *base
same: {<<: *base, args: 1}
"""
    data = from_yaml(text)

    assert data["other"] == {"loc": "torch.optim.Adam", "args": {"lr": 0.2, "eps": 1e-8}}
    assert data["again"] == data["base"]


def test_an_alias_of_a_mapping_with_merged_keys_may_come_twice():
    text = "a: &a {x: 1}\nb: &b {<<: *a, x: 2}\nc: [*b, *b]\n"

    assert from_yaml(text)["c"] == [{"x": 2}, {"x": 2}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [1, 2\n", "lab.yaml, line 3: not valid YAML: while parsing a flow sequence"),
        ("a: 1\n\tb: 2\n", "lab.yaml, line 2: not valid YAML"),
        ("a: 1\nb: x: 3\n", "lab.yaml, line 2: not valid YAML: mapping values are not allowed"),
        ("a: 1\nb: 2\na: 3\n", "lab.yaml, line 3: the key 'a' stands twice"),
        ("a:\n  b: 1\n  b: 1\n", "lab.yaml, line 3: the key 'b' stands twice"),
        ("a: 1\n2: 3\n", "lab.yaml, line 2: a key must be text; write '2' in quotes."),
        ("yes: 3\n", "lab.yaml, line 1: a key must be text; write 'yes' in quotes."),
        ("a: !!python/name:os.system\n", "lab.yaml, line 1: the tag 'tag:yaml.org,2002:python"),
        ("a: !!int three\n", "lab.yaml, line 1: 'three' is not what its tag says."),
        ("a: !!bool three\n", "lab.yaml, line 1: 'three' is not what its tag says."),
        ("a: !!binary aGk=\n", "lab.yaml, line 1: the tag"),
        ("a: !!set {x, y}\n", "lab.yaml, line 1: the tag"),
        ("a: &a [1, *a]\n", "lab.yaml, line 1: an alias (*) refers to what it stands in."),
        ("a: *nowhere\n", "lab.yaml, line 1: not valid YAML: found undefined alias"),
        ("a: 1\n---\nb: 2\n", "lab.yaml, line 2: not valid YAML"),
        ("", "lab.yaml: the file holds no settings."),
        ("# nothing\n", "lab.yaml: the file holds no settings."),
        ("- a\n- b\n", "lab.yaml: the file must hold keys with values, not a list."),
        ("word\n", "lab.yaml: the file must hold keys with values, not just 'word'."),
        ("a: 1\nb: \x07\n", "lab.yaml, line 2: the character U+0007 cannot stand in YAML."),
    ],
)
def test_what_is_wrong_in_yaml_is_one_line_with_the_place(text, message):
    with pytest.raises(ConfigurationError) as caught:
        from_yaml(text)

    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "suffix", "message"),
    [
        ('{"a": 1,\n "b" 2}', ".json", "lab, line 2: Expecting ':' delimiter (column 6)."),
        ('{"a": 1,\n "a": 2}', ".json", "lab, line 2: the key 'a' stands twice; keep one of them."),
        ("", ".json", "lab: the file holds no settings."),
        ("a = 1\nb = = 2\n", ".toml", "lab, line 2: Invalid value."),
        ("a = 1\na = 2\n", ".toml", "lab, line 2: Cannot overwrite a value."),
        ("a = [1,", ".toml", "lab, last line: Invalid value."),
    ],
)
def test_what_is_wrong_in_json_and_toml_is_one_line_with_the_place(text, suffix, message):
    with pytest.raises(ConfigurationError) as caught:
        parse_document(text, suffix, source="lab")

    assert str(caught.value) == message


CASES = {
    ".yaml": "seed: 3\nmodel:\n  loc: m:MLP\n  args:\n    hidden: 8\nsizes: [1, {a: 2}]\n",
    ".json": json.dumps(
        {
            "seed": 3,
            "model": {"loc": "m:MLP", "args": {"hidden": 8}},
            "sizes": [1, {"a": 2}],
        },
        indent=1,
    ),
    ".toml": 'seed = 3\nsizes = [1, {a = 2}]\n[model]\nloc = "m:MLP"\n[model.args]\nhidden = 8\n',
}


@pytest.mark.parametrize(("suffix", "line"), [(".yaml", 5), (".json", 6), (".toml", 6)])
def test_three_formats_say_the_same_and_know_where_it_stands(tmp_path, suffix, line):
    path = tmp_path / f"digits{suffix}"
    path.write_text(CASES[suffix])
    document = read_document(path)

    assert document.data == yaml.safe_load(CASES[".yaml"])
    assert document.place(("model", "args", "hidden")) == f"{path}, line {line}"


def test_a_place_that_is_unknown_is_that_of_what_it_stands_in():
    document = parse_document(CASES[".yaml"], ".yaml", source="lab.yaml")

    assert document.place(("model", "optimizer")) == "lab.yaml, line 2"
    assert document.place(("nothing",)) == "lab.yaml"


def test_toml_keys_written_twice_have_no_line_rather_than_a_wrong_one():
    text = "[a]\nx = 1\n[b]\nx = 2\n"
    document = parse_document(text, ".toml", source="lab.toml")

    assert document.data == tomllib.loads(text)
    assert document.place(("b", "x")) == "lab.toml, line 3"


def test_a_missing_file_suggests_its_neighbour(tmp_path):
    (tmp_path / "digits.yaml").write_text("a: 1\n")

    with pytest.raises(NotFoundError, match=r"no file named .*digit\.yaml.*digits\.yaml"):
        read_document(tmp_path / "digit.yaml")


def test_what_cannot_be_read_as_text_is_named(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"a: \xff\xfe\n")
    (tmp_path / "b.yaml").mkdir()

    with pytest.raises(ConfigurationError, match="not text in UTF-8"):
        read_document(tmp_path / "a.yaml")
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        read_document(tmp_path / "b.yaml")
    with pytest.raises(ConfigurationError, match=r"not in '\.ini'"):
        read_document(tmp_path / "c.ini")


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    for suffix, text in ((".yaml", "seed: 1"), (".toml", "seed = 1"), (".json", '{"seed": 1}')):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(text.encode("utf-8-sig"))

        assert read_document(path).data == {"seed": 1}
