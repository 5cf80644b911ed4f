import math
from datetime import date
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import select

from tracker.database.kinds import ParamKind
from tracker.database.tables import Param
from tracker.errors import InvalidError
from tracker.registry.params import read_params, store_params
from tracker.registry.runs import create_run

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.lists(st.one_of(st.integers(), st.text(st.characters(exclude_categories=["Cs"])))),
)


@given(params=st.dictionaries(st.sampled_from("abcABC"), leaves))
@example(params={"a": 2**53, "b": 2**53 + 1, "c": -(10**400), "d": math.inf})
def test_values_come_back_as_they_were(scratch, params):
    with scratch.write() as session:
        run = create_run(session, name="any", experiment="any", params=params)
        found = read_params(session, [run.id])[run.id]
        session.rollback()

    assert found == params
    assert {key: type(value) for key, value in found.items()} == {
        key: type(value) for key, value in params.items()
    }


class Size(Enum):
    LARGE = "large"


def double(value):
    return 2 * value


class TestStoreParams:
    def store(self, session, run_id, **params):
        store_params(session, run_id, params)
        return read_params(session, [run_id])[run_id]

    def test_nested_mappings_have_dotted_keys(self, database, run_id):
        with database.write() as session:
            found = self.store(
                session,
                run_id,
                model={"args": {"hidden": 64, "sizes": [1, 2]}, "extra": {}},
                lr=0.1,
            )

        assert found == {
            "lr": 0.1,
            "model.args.hidden": 64,
            "model.args.sizes": [1, 2],
            "model.extra": {},
        }

    def test_nan_is_a_float_without_a_number(self, database, run_id):
        with database.write() as session:
            found = self.store(session, run_id, threshold=math.nan)
            row = session.scalars(select(Param)).one()

        assert math.isnan(found["threshold"])
        assert (row.kind, row.number, row.text) == (ParamKind.FLOAT, None, None)

    def test_an_integer_beyond_a_float_has_its_nearest_and_its_digits(self, database, run_id):
        with database.write() as session:
            self.store(session, run_id, seed=2**64 + 1, huge=10**400)
            rows = {row.key: (row.number, row.text) for row in session.scalars(select(Param))}

        assert rows == {"seed": (2.0**64, str(2**64 + 1)), "huge": (math.inf, str(10**400))}

    def test_what_stands_for_a_plain_value_is_one(self, database, run_id):
        with database.write() as session:
            found = self.store(
                session,
                run_id,
                path=Path("data/x.csv"),
                size=Size.LARGE,
                day=date(2026, 1, 31),
                function=double,
                number=np.float32(0.5),
                count=np.int64(3),
                shape=(np.int64(2), np.arange(2)),
            )

        assert found == {
            "path": "data/x.csv",
            "size": "large",
            "day": "2026-01-31",
            "function": f"{__name__}.double",
            "number": 0.5,
            "count": 3,
            "shape": [2, [0, 1]],
        }

    def test_a_later_value_replaces_an_earlier_one(self, database, run_id):
        with database.write() as session:
            self.store(session, run_id, lr=0.1, depth=3)
            assert self.store(session, run_id, lr="auto") == {"lr": "auto", "depth": 3}

    @pytest.mark.parametrize("value", [object(), {1, 2}, [object()], b"bytes"])
    def test_a_value_that_is_no_parameter_names_its_key(self, database, run_id, value):
        with database.write() as session, pytest.raises(InvalidError, match=r"'model\.extra' is a"):
            self.store(session, run_id, model={"extra": value})

    def test_the_same_dotted_key_twice_is_refused(self, database, run_id):
        with database.write() as session, pytest.raises(InvalidError, match=r"'a\.b' is given tw"):
            store_params(session, run_id, {"a.b": 1, "a": {"b": 2}})

    def test_a_key_without_letters_is_refused(self, database, run_id):
        with database.write() as session, pytest.raises(InvalidError, match="has no name"):
            store_params(session, run_id, {" ": 1})

    def test_other_runs_keep_their_own(self, database, run_id):
        with database.write() as session:
            other = create_run(session, name="b", experiment="digits", params={"lr": 1})
            self.store(session, run_id, lr=2)

            assert read_params(session, [other.id, run_id]) == {
                other.id: {"lr": 1},
                run_id: {"lr": 2},
            }
