import os
import subprocess
import sys
from pathlib import Path

import pytest

from tracker.errors import InvalidError
from tracker.plots import show_figure

# A way to open windows that writes down what it shows.
BACKEND = """
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg


class FigureManager(FigureManagerBase):
    def show(self):
        pass

    @classmethod
    def start_main_loop(cls):
        from matplotlib._pylab_helpers import Gcf

        for manager in Gcf.get_all_fig_managers():
            figure = manager.canvas.figure
            manager.canvas.draw()
            print("shown", figure.axes[0].get_ylabel(), figure.canvas is manager.canvas)


class FigureCanvas(FigureCanvasAgg):
    manager_class = FigureManager
    required_interactive_framework = None
"""
PROGRAM = """
from matplotlib.figure import Figure
from tracker.plots import show_figure

figure = Figure()
figure.add_subplot().set_ylabel("loss")
show_figure(figure)
"""


def test_without_a_screen_it_says_so(picture, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")

    with pytest.raises(InvalidError, match=r"No window can be opened here.*-o FILE"):
        show_figure(picture({"a": [1.0]})[0])


def test_a_window_shows_the_figure_and_waits(tmp_path):
    (tmp_path / "windows.py").write_text(BACKEND)
    environment = os.environ | {"MPLBACKEND": "module://windows"}
    environment["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{Path.cwd()}"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout == "shown loss True\n"
