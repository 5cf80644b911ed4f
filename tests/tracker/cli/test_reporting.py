import pytest

pytestmark = pytest.mark.usefixtures("three_runs")


def test_a_page_about_the_runs_that_a_filter_describes(labkeeper, tmp_path):
    path = tmp_path / "report.html"
    result = labkeeper("report", "lr < 0.05", "-o", str(path), "--metric", "val_loss")

    assert (result.exit_code, result.stdout) == (0, f"The report is in {path}.\n")
    text = path.read_text()
    assert "<td>mlp-2</td>" in text
    assert "<td>mlp</td>" not in text
    assert "val_accuracy" not in text.partition("<h2>Differences")[0]


def test_names_choose(labkeeper, tmp_path):
    path = tmp_path / "report.html"
    labkeeper("report", "--run", "mlp", "-o", str(path), "--title", "One")

    assert "<h1>One</h1>" in path.read_text()
    assert "mlp-2" not in path.read_text()


def test_nothing_meant_is_refused(labkeeper, tmp_path):
    result = labkeeper("report", "lr > 7", "-o", str(tmp_path / "report.html"))

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: There is nothing to report: no run is meant.\n"
    assert not (tmp_path / "report.html").exists()
