import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.errors import InvalidError
from tracker.files.contained import contained, relative_to


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "lab"
    (root / "files").mkdir(parents=True)
    return root


@pytest.mark.parametrize("path", ["files/a.bin", "files/b/c/d", "a b", ".hidden", "..a/b"])
def test_plain_paths_lie_inside_and_come_back(root, path):
    assert contained(root, path) == root / path
    assert relative_to(root, root / path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "..",
        "../lab2/a",
        "files/../../a",
        "files//a",
        "./a",
        "files/",
        "a\\..\\b",
        "C:/a",
        "C:a",
        "a\0b",
    ],
)
def test_paths_that_could_lie_elsewhere_are_refused(root, path):
    with pytest.raises(InvalidError):
        contained(root, path)


def test_a_link_that_leads_out_is_refused(root, tmp_path):
    (root / "files" / "out").symlink_to(tmp_path)
    (root / "files" / "in").symlink_to(root / "files")

    with pytest.raises(InvalidError, match="symbolic link"):
        contained(root, "files/out/a")
    with pytest.raises(InvalidError, match="symbolic link"):
        contained(root, "files/out")
    assert contained(root, "files/in/a") == root / "files/in/a"


def test_a_lab_behind_a_link_is_the_lab(root, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(root)

    assert contained(link, "files/a") == link / "files/a"
    assert relative_to(link, root / "files" / "a") == "files/a"
    assert relative_to(root, link / "files" / "a") == "files/a"


def test_a_path_outside_has_no_name_inside(root, tmp_path):
    with pytest.raises(InvalidError, match="does not lie inside the lab"):
        relative_to(root, tmp_path / "a")


@given(path=st.text(st.sampled_from("./\\:ab\0 "), max_size=8))
def test_whatever_passes_stays_inside(tmp_path_factory, path):
    root = tmp_path_factory.getbasetemp().resolve() / "never made"
    try:
        found = contained(root, path)
    except InvalidError:
        return
    assert found.resolve().is_relative_to(root)
    assert found.resolve() != root
