"""A program that saves all it has, and another that loads it."""

from pathlib import Path

from tests.engine.saving.programs import run_file

HERE = Path(__file__).parent


def test_everything_is_saved_and_comes_back_elsewhere(tmp_path):
    said = run_file(tmp_path, HERE / "saver.py")
    assert len(said.split()) == 9, said
    assert not list(tmp_path.glob("plain-*"))
    assert run_file(tmp_path, HERE / "loader.py") == "all there"
