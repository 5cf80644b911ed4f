"""Rows and points that cannot be are refused whole, with the reason, and nothing is written."""

import numpy as np
import pytest
from safetensors.numpy import load, save


class TestRows:
    @pytest.mark.parametrize(
        ("table", "cells", "reason"),
        [
            ("runs", {"seed": "1"}, "not a whole number"),
            ("runs", {"seed": 1.5}, "not a whole number"),
            ("runs", {"seed": True}, "not a whole number"),
            ("runs", {"seed": 2**63}, "not a whole number"),
            ("runs", {"seed": [1]}, "not a whole number"),
            ("runs", {"name": 1}, "not text"),
            ("runs", {"note": {"a": 1}}, "not text"),
            ("runs", {"created": "yesterday"}, "not a moment"),
            ("runs", {"created": "2026-02-31 00:00:00.000000"}, "out of range|in range"),
            ("runs", {"created": 1}, "not a moment"),
            ("runs", {"created": None}, "NOT NULL"),
            ("runs", {"uuid": None}, "NOT NULL"),
            ("runs", {"status": "happy"}, "no status of runs"),
            ("runs", {"status": "running"}, "is running"),
            ("runs", {"deleted": "2026-01-01 00:00:00.000000"}, "in a trash"),
            ("sessions", {"ended": None}, "a process that works"),
            ("trials", {"status": "running"}, "a trial that is running"),
            ("params", {"number": "nan"}, "not a number"),
            ("params", {"kind": "pickle"}, "no kind of params"),
            ("series", {"total": "inf"}, "not a number"),
            ("series", {"headline": 2}, "neither 0 nor 1"),
            ("series", {"count": 99}, "not those that its metrics count"),
            ("checkpoints", {"bytes": "1"}, "not a whole number"),
            ("checkpoints", {"sha256": "../x"}, "no SHA-256"),
            ("checkpoints", {"sha256": "0" * 64}, "not the file that was registered"),
            ("checkpoints", {"kind": "pickle"}, "no kind of checkpoints"),
            ("pipelines", {"config": "{"}, "Expecting"),
            ("pipelines", {"config": 1}, "not text"),
            ("pipelines", {"config": "[" * 150_000 + "]" * 150_000}, "too deeply"),
            ("pipelines", {"config": "[" * 300 + "]" * 300}, "too deeply"),
            ("pipelines", {"config": "[]"}, "no mapping"),
            ("pipelines", {"config": '{"recipe": 5}'}, "not one of recipe"),
            ("environments", {"packages": "5"}, "no mapping"),
            ("params", {"kind": "json", "number": None, "text": "[[nope"}, "parameter .* is wrong"),
            ("params", {"kind": "json", "number": None, "text": "[" * 3000 + "]" * 3000},
             "too deeply"),
            ("params", {"kind": "json", "number": None, "text": None}, "of kind 'json' holds"),
            ("params", {"kind": "int", "number": 1.0, "text": "many"}, "parameter .* is wrong"),
            ("params", {"kind": "int", "number": 1.5, "text": None}, "of kind 'int' holds"),
            ("params", {"kind": "int", "number": "Infinity", "text": None}, "of kind 'int' holds"),
            ("params", {"kind": "bool", "number": 2.0, "text": None}, "of kind 'bool' holds"),
            ("params", {"kind": "str", "number": None, "text": None}, "of kind 'str' holds"),
            ("runs", {"pipeline_id": 99}, "refers to one of 'pipelines'"),
            ("runs", {"experiment_id": 99}, "refers to one of 'experiments'"),
            ("pipelines", {"current_run_id": 99}, "not its own"),
            ("pipelines", {"current_run_id": 3}, "not its own"),
            ("checkpoints", {"best_id": 9}, "not its own"),
            ("checkpoints", {"newest_phase_id": 5}, "not its own"),
            ("checkpoints", {"phase_result_id": 5}, "not its own"),
            ("phase_results", {"parent_id": 5}, "not its own"),
            ("series", {"phase_result_id": 5}, "not its own"),
            ("tags", {"pipeline_id": None}, "one_owner"),
            ("tags", {"name": "paper"}, "UNIQUE"),
            ("runs", {"id": 2}, "UNIQUE"),
        ],
    )  # fmt: skip
    def test_a_value_that_cannot_be(self, forged, refused, table, cells, reason):
        forged.change(table, cells)
        refused(reason)

    def test_a_column_too_few_and_one_too_many(self, forged, refused):
        rows = forged.table("runs")
        forged.set_table("runs", [{k: v for k, v in row.items() if k != "note"} for row in rows])
        refused("the columns of 'runs'")
        forged.set_table("runs", [row | {"evil": 1} for row in rows])
        refused("the columns of 'runs'")

    def test_a_column_that_is_more_than_a_name(self, forged, refused):
        rows = forged.table("runs")
        forged.set_table("runs", [{f"{k}) --" if k == "id" else k: v for k, v in row.items()}
                                  for row in rows])  # fmt: skip
        refused("the columns of 'runs'")

    @pytest.mark.parametrize(
        "line",
        [b"{}", b"[1]", b"[", b"", b"NaN", b"[NaN]", b"[" * 100_000, b"\xff", b'["\\ud800"]',
         b"[" + b"9" * 5000 + b"]"],
    )  # fmt: skip
    def test_a_line_that_is_no_row(self, forged, refused, line):
        forged.entries["tables/runs.jsonl"] += line + b"\n"
        refused("line 5 of the table 'runs'")

    def test_a_line_that_does_not_end(self, forged, refused, monkeypatch):
        monkeypatch.setattr("tracker.transfer.unpacking.LONGEST_LINE", 1000)
        forged.entries["tables/runs.jsonl"] += b"[" + b" " * 5000
        refused("longer than any")

    def test_the_last_line_is_not_finished(self, forged, refused):
        forged.entries["tables/runs.jsonl"] = forged.entries["tables/runs.jsonl"][:-1]
        refused("not finished")


class TestPoints:
    def test_points_that_are_missing(self, forged, refused):
        del forged.entries[forged.file(".safetensors")]
        refused("not those that its metrics count")

    def test_points_that_are_there_twice(self, forged, refused):
        data = forged.entries[forged.file(".safetensors")]
        forged.entries["metrics/000001.safetensors"] = data
        refused("contradict each other|not those")

    @pytest.mark.parametrize("data", [b"", b"\x08\0\0\0\0\0\0\0{}      ", b"\xff" * 100])
    def test_points_that_are_none(self, forged, refused, data):
        forged.entries[forged.file(".safetensors")] = data
        refused("safetensors")

    def test_points_of_another_type(self, forged, refused):
        name = forged.file(".safetensors")
        columns = load(forged.entries[name])
        for change in (
            {"value": columns["value"].astype(np.float32)},
            {"step": columns["step"][:-1].copy()},
            {"value": columns["value"].reshape(1, -1)},
            {"more": columns["step"]},
        ):
            forged.entries[name] = save(columns | change)
            refused("columns")

    def test_points_that_are_too_many_at_a_time(self, forged, refused, monkeypatch):
        monkeypatch.setattr("tracker.transfer.storing.LARGEST", 100)
        refused("larger than any")
