"""Every table has a rule, and every rule speaks of columns that there are."""

import pytest

from tracker.database.tables import Base
from tracker.transfer.rules import RULES, references, travelling

TABLES = Base.metadata.tables


def test_every_table_has_a_rule():
    assert set(RULES) == set(TABLES)


@pytest.mark.parametrize("name", sorted(RULES))
def test_rules_name_columns_that_are_there(name):
    rule, columns = RULES[name], set(TABLES[name].columns.keys())
    named = {*rule.owners, *rule.key, *rule.order, *rule.refers, *rule.derived, *rule.loose}

    assert named | ({rule.file} if rule.file else set()) <= columns


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_table_comes_in_one_way(name):
    rule = RULES[name]
    ways = [bool(rule.owners), bool(rule.key), bool(rule.order), rule.left_out is not None]

    assert ways.count(True) == 1


def test_every_column_with_a_path_is_a_file():
    """A column that is called so and that no rule knows would leave a file behind."""
    found = {
        (table.name, column.name)
        for table in travelling()
        for column in table.columns
        if column.name in {"path", "log"} or column.name.endswith("_path")
    }

    assert found == {(name, rule.file) for name, rule in RULES.items() if rule.file}


def test_every_number_of_another_row_is_a_reference():
    """One that no rule knows would be copied as it is, and mean another row."""
    for table in travelling():
        numbers = {column.name for column in table.columns if column.name.endswith("_id")}
        assert numbers - {"boot_id"} == set(references(table)), table.name
