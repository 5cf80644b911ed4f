import pytest

from tracker.errors import InvalidError
from tracker.pipelines.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("2d", 172800),
        ("1h 5m 3s", 3903),
        ("45", 45),
        (45, 45),
        (0.5, 0.5),
        ("1H", 3600),
    ],
)
def test_a_length_of_time_is_read_in_seconds(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "10 minutes", "-3s", "0", 0, -1, "1h30", "nan", float("nan"), True, "1e3s"]
)
def test_what_is_no_length_of_time_is_refused(text):
    with pytest.raises(InvalidError, match="write it as 90s, 10m or 1h30m"):
        parse_duration(text)
