import subprocess
import sys

import pytest

import engine
from engine import callbacks, experiment, graph, models, phases, results, samplers, scalers


def printed_by(program):
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_every_listed_name_is_there_and_the_list_is_sorted():
    assert engine.__all__ == sorted(engine.__all__)
    assert set(engine.__all__) == set(engine._ROOM_OF)
    for name in engine.__all__:
        assert getattr(engine, name).__name__ == name


@pytest.mark.parametrize(
    "room", [callbacks, experiment, graph, models, phases, results, samplers, scalers]
)
def test_a_room_lists_what_it_exports(room):
    assert room.__all__
    assert all(hasattr(room, name) for name in room.__all__)


def test_every_known_scaler_can_be_imported():
    assert set(scalers.supported_scalers) < set(scalers.__all__)
    for name, scaler in scalers.supported_scalers.items():
        assert getattr(scalers, name) is scaler


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Modelgraph'"):
        engine.Modelgraph  # noqa: B018 - looking is the test


def test_rooms_need_no_import_of_their_own():
    shown = printed_by("import engine; print(engine.samplers.NSampler, engine.models.torch)")

    assert "NSampler" in shown
    assert "inspect_packaged_code" in printed_by(
        "import engine; print(engine.utils.inspect_packaged_code)"
    )


def test_importing_the_package_imports_nothing_heavy():
    modules = printed_by("import sys, engine; print(*sys.modules)").split()

    assert {"torch", "numpy", "pandas", "pyarrow", "sklearn"}.isdisjoint(modules)
    assert not any(name.startswith("engine.") for name in modules)
