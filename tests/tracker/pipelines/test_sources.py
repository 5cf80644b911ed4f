"""The fingerprint of the source that components consist of."""

import pytest

from tracker.pipelines.components import Component
from tracker.pipelines.sources import fingerprints


@pytest.fixture
def lab(tmp_path):
    package = tmp_path / "parts"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text("from . import layers\n\nclass MLP: pass\n")
    (package / "layers.py").write_text(
        "import torch\n\ndef f():\n    from top_level import helper\n"
    )
    (tmp_path / "top_level.py").write_text("def helper(): pass\n")
    (tmp_path / "unrelated.py").write_text("x = 1\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "__init__.py").write_text("")
    (tmp_path / "other" / "deep.py").write_text("")
    (tmp_path / "reaching.py").write_text("import other.deep\n\nclass A: pass\n")
    return tmp_path


def take(lab, loc="parts.models:MLP"):
    return fingerprints([Component(loc)], lab)


def test_it_covers_what_the_component_imports_and_nothing_installed(lab):
    assert sorted(take(lab)) == ["parts", "parts.layers", "parts.models", "top_level"]
    assert take(lab, "torch.optim.Adam") == {}
    assert take(lab, "engine.errors:EngineError") == {}


@pytest.mark.parametrize(
    "name", ["parts/models.py", "parts/layers.py", "parts/__init__.py", "top_level.py"]
)
def test_it_changes_with_each_module_it_covers(lab, name):
    before = take(lab)
    path = lab / name
    path.write_text(path.read_text() + "y = 2\n")
    after = take(lab)

    changed = [module for module in after if after[module] != before[module]]
    assert [module.replace(".", "/") for module in changed] == [
        name.removesuffix(".py").removesuffix("/__init__")
    ]


def test_a_package_that_an_import_runs_is_covered(lab):
    assert sorted(take(lab, "reaching:A")) == ["other", "other.deep", "reaching"]


def test_it_does_not_change_with_line_ends_or_other_files(lab):
    before = take(lab)
    path = lab / "parts" / "models.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"  \r\n") + b"\r\n\r\n")
    (lab / "unrelated.py").write_text("x = 2\n")

    assert take(lab) == before


def test_it_is_the_same_before_and_after_lazy_imports_ran(lab):
    from tracker.pipelines.components import locate

    before = take(lab)
    locate("parts.layers:f", lab)()

    assert take(lab) == before


def test_a_component_imported_from_elsewhere_brings_both_modules(lab):
    (lab / "front.py").write_text("from parts.models import MLP\n")

    assert set(take(lab, "front:MLP")) == {
        "front", "parts", "parts.layers", "parts.models", "top_level"
    }  # fmt: skip
