"""Whatever is not a filter is refused, in one line that shows where."""

import re
import sqlite3
from contextlib import suppress

import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st

from tracker.database import functions
from tracker.database.tables import Pipeline, Run
from tracker.errors import FilterError
from tracker.filters import Filters, compile_filter, compile_value

METRICS = ("loss", "val/loss", "m", "gain")


@pytest.fixture(scope="module")
def lab(scratch, store):
    """A lab that knows `lr`, `depth`, `a.x`, `b.x` and the metrics METRICS."""
    with scratch.write() as session:
        store(
            session,
            {
                "params": {"lr": 0.1, "depth": 3, "a": {"x": 1}, "b": {"x": 2}, "m": 1},
                "phases": [{(name, "epoch"): {0: 1.0} for name in METRICS}],
            },
        )
    return scratch


def refusal(lab, text, of="runs"):
    with lab.read() as session, pytest.raises(FilterError) as caught:
        compile_filter(text, session, of)
    return str(caught.value)


# The column, and the filter that goes wrong there. First Python that means something else
# than a comparison, and other languages.
STRANGE = r"""
 1 3
 1 'text'
 1 name
 1 best(loss)
 5 not 3
 4 lr = 3
 4 lr := 3
 2 (lr := 3)
 4 lr <> 3
 9 lr < 3 && m > 1
 1 (lr < 1) & (m > 1)
 6 lr < 1 | m > 1
 1 lr < 1, m > 1
 7 lr < 1; m > 1
 8 lr < 3 # and more
 1 (lr < 3
 7 lr < 3)
 5 lr <
 6 lr < 'x
11 'ä' == lr = 3
 1 lambda: lr
 1 (lambda: 3)() < lr
 1 [lr for lr in name]
 1 {lr: 1} == 1
 1 {x for x in name} == 1
 1 (x for x in name) == 1
 1 f'{lr}' == name
 9 name == f'{lr}'
 1 lr if m else depth
 1 await lr
 1 *lr
 1 ... == lr
 1 b'x' == name
 6 lr < 1j
 1 lr ** 2 < 1
 1 lr // 2 < 1
 1 lr % 2 < 1
 1 lr @ m < 1
 1 ~lr < 1
 1 lr << 1 < 2
 1 lr[0] < 1
 1 name[1:2] == 'a'
 2 (lr < 1) < 2
 1 like(name, 'a') == 1
 3 -(lr < 1) == 1
"""
ATTACKS = r"""
 1 __import__('os').system('x') == 1
 1 name.__class__ == 'str'
 1 name.__class__.__mro__[1] == 1
 1 ().__class__ == 1
 1 eval('1') == 1
 1 open('/etc/passwd') == 1
 1 exec('x')
 1 getattr(name, 'x') == 1
 1 name.upper() == 'A'
 1 params.__init__ == 1
 1 params.lr.__class__ == 1
 1 metrics['loss'].__class__ == 1
 1 best.__globals__ == 1
 1 lr.lr.lr == 1
11 lr < 1 -- comment
 9 lr < 1 /* x */
 1 '; DROP TABLE runs; --
 8 lr < 1 UNION SELECT 1
 3 1 = 1 OR 1
13 name == 'a' OR 'a'
 1 randomblob(1e9) == 1
 1 load_extension('x') == 1
 7 lr < (SELECT 1)
 9 name == 'a\0b'
 9 name == '\ud800'
 1 “name” == 1
 6 best('loss\0') < 1
 8 params['\udfff'] == 1
"""
MEANINGLESS = r"""
 7 lr == None
 1 None < lr
11 lr in (1, None)
 7 lr is 3
 7 lr is lr
 6 lr < [1]
 1 lr in depth
 8 'a' in best(loss)
 8 'a' in seed
 6 3 in 3
11 lr == [1, depth]
11 lr in [1, depth]
 2 -'a' < lr
 6 lr + 'a' < 1
 6 lr + [1] < 1
 6 lr + name < 1
 2 -created < 1
 1 1/0 < lr
 1 inf - inf < lr
 1 nan < lr
12 like(name, 3)
 1 like(name)
 1 like(name, 'a', 'b')
 6 like(seed, 'a')
 9 matches(best(loss), 'a')
15 matches(name, '(')
15 matches(name, '[a-')
15 matches(name, 'a{99999999999}')
 1 matches(name, pattern='a')
 7 isnan(3)
 1 isnan()
 1 best() < 1
 1 best(loss, m) < 1
 6 best(3) < 1
 6 best(val/loss) < 1
 6 best(*loss) < 1
 1 at(loss) < 1
10 at(loss, 'a') < 1
10 at(loss, 1.5) < 1
10 at(loss, lr) < 1
10 at(loss, 99999999999999999999) < 1
 1 params
 1 params < 1
 1 metrics == 1
 8 params[lr] < 1
 8 params[0] < 1
 1 tags == 'a'
 1 tags < 'a'
 1 tags
11 status == 'finnished'
23 status in ('running', 'x')
 1 'x' != status
11 created < 'soon'
11 created < '2026-13'
 1 '2026-02-30' > created
21 created in ('2026', 'x')
12 duration > 'long'
12 duration > '3 months'
"""
UNKNOWN = r"""
 1 lrr < 1
 1 params.lrr < 1
 1 metrics.los < 1
 6 best(los) < 1
12 lr > 1 and x < 1
17 'ä' in tags and lrr < 1
12 lr < 1 and m < 1
 6 best(gain) > 1
 1 bset(loss) < 1
 1 val/loss < 1
 1 a.y < 1
 1 params['a'] < 1
 1 x.a < 1
"""
UNPRINTABLE = [
    ("", 1),
    ("   ", 1),
    ("lr\n< 1 and\nm = 3", 14),
    ("  lr = 3", 6),
    ("lr < 1\x00", 7),
    ("name == '\ud800'", 10),
    ("lr \u200b< 1", 4),
    ("lr < 1" + "0" * 400, 6),
]
REFUSED = [
    (line[3:], int(line[:2]))
    for table in (STRANGE, ATTACKS, MEANINGLESS, UNKNOWN)
    for line in table.strip("\n").splitlines()
]


@pytest.mark.parametrize(("text", "column"), REFUSED + UNPRINTABLE)
def test_what_is_no_filter_is_refused_where_it_goes_wrong(lab, text, column):
    message = refusal(lab, text)

    found = re.search(r", column (\d+): [^\n]+[.?]$", message)
    assert found, message
    assert int(found[1]) == column
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lrr < 1", "There is no column, parameter or metric named 'lrr'. Did you mean 'lr'?"),
        (
            "statsu == 'x'",
            "There is no column, parameter or metric named 'statsu'. Did you mean 'status'?",
        ),
        ("params.lrr < 1", "There is no parameter named 'lrr'. Did you mean 'lr'?"),
        ("best(losss) < 1", "There is no metric named 'losss'. Did you mean 'loss'?"),
        ("bets(loss) < 1", "There is no function named 'bets'. Did you mean 'best'?"),
        (
            "val/loss < 1",
            (
                "There is no column, parameter or metric named 'val'. Did you mean "
                'metrics["val/loss"]?'
            ),
        ),
        ("x < 1", "'x' could be params.a.x or params.b.x; say which."),
        ("m < 1", "'m' could be params.m or metrics.m; say which."),
        ("status == 'finnished'", "It is never 'finnished'. Did you mean 'finished'?"),
        (
            "best(gain) > 1",
            (
                "Is 'gain' better low or high? Say `labkeeper goal gain max` (or min) once, or "
                "write max(...) or min(...) instead of best(...)."
            ),
        ),
    ],
)
def test_what_is_not_known_is_named_with_what_could_be_meant(lab, text, message):
    assert refusal(lab, text).endswith(f": {message}")


def test_a_long_filter_is_shown_around_the_place(lab):
    text = " and ".join(["lr < 1"] * 20 + ["lrr < 1"] + ["lr < 1"] * 20)

    shown, _, _ = refusal(lab, text).partition(", column ")
    assert shown == "'...< 1 and lr < 1 and lr < 1 and lrr < 1 and lr < 1 and lr < 1 ...'"


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("lr < 1" + " " * 9_995, 10_001, "At most 10000 characters"),
        ("-" * 9_000 + "lr < 1", None, "nested too deeply"),
        ("not " * 2_000 + "lr < 1", 49, "At most 12 levels"),
        ("(" * 3_000 + "lr < 1", None, "nested"),
        ("lr" + "+lr" * 3_000 + " < 1", 1, "nested"),
        ("lr" + ".lr" * 3_000 + " < 1", 1, "nested"),
        (" and ".join(["lr < 1"] * 201), 2_201, "At most 200 comparisons"),
        ("lr < " * 300 + "1", None, "At most 200 comparisons"),
        ("lr in (" + "1, " * 501 + ")", 1_508, "At most 500 items"),
    ],
)
def test_what_is_too_much_is_refused(lab, text, column, message):
    found = refusal(lab, text)

    assert message in found
    assert column is None or f"column {column}:" in found


def deepest():
    """The deepest expressions that pass."""
    yield "not " * 10 + "lr < 1"
    yield "lr + (" * 9 + "lr" + ")" * 9 + " < depth"
    yield "depth < " + "-" * 9 + "lr"
    yield "lr in (" + ", ".join(map(str, range(500))) + ")"
    yield "created in (" + ", ".join(["'2026-01'"] * 500) + ")"
    yield " or ".join(f"lr < {number}" for number in range(200))
    condition = "lr < depth"
    for number in range(5):
        condition = f"({condition} or last(loss) < {number}) and not lr > 1"
    yield condition


@pytest.mark.parametrize("of", ["runs", "pipelines"])
@pytest.mark.parametrize("text", list(deepest()), ids=lambda text: text[:20])
def test_what_is_not_refused_runs_on_every_sqlite(lab, of, text):
    table = Run if of == "runs" else Pipeline
    with lab.read() as session:
        statement = sa.select(table.id).where(compile_filter(text, session, of))
        session.execute(statement)
        # Older ones take less depth, and may be all that there is for a machine.
        sql = statement.compile(session.bind, compile_kwargs={"literal_binds": True})
    connection = sqlite3.connect(lab.path)
    functions.register(connection)
    connection.execute(str(sql))
    connection.close()


@given(st.text(max_size=60))
@example("\\")
@example("a\\\nb")
def test_any_text_is_a_filter_or_refused(lab, text):
    with lab.read() as session:
        filters = Filters(session)
        for compiled in (filters.condition, filters.value):
            with suppress(FilterError):
                compiled(text)


def test_nothing_of_a_refused_text_is_run(lab):
    with lab.read() as session, pytest.raises(FilterError):
        compile_value("__import__('sys').exit(3)", session)
