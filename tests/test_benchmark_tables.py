"""The tables of the benchmarks: enough of each kind, fixed roles, none that is kept for independent checks."""

import importlib.util
import re
from pathlib import Path

import pytest

PATH = Path(__file__).parents[1] / "benchmarks" / "tables.py"


@pytest.fixture(scope="module")
def tables():
    """Return the module, which is not part of a package."""
    spec = importlib.util.spec_from_file_location("tables", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("role", "fewest"), [("choosing", 16), ("reporting", 8)])
def test_there_are_enough_tables_of_both_tasks(tables, role, fewest):
    tasks = [table.task for table in tables.TABLES.values() if table.role == role]
    assert len(tasks) >= fewest
    assert 0.5 <= tasks.count("classification") / len(tasks) <= 0.7
    assert tasks.count("classification") + tasks.count("regression") == len(tasks)


def test_each_table_has_one_role(tables):
    assert {table.role for table in tables.TABLES.values()} == {"choosing", "reporting"}
    names = re.findall(r'^    Table\(\s*"\w+",\s*"(\w+)"', PATH.read_text("utf-8"), flags=re.MULTILINE)
    assert names == list(tables.TABLES), "a table is in the list twice, or two have one name"


def test_tables_are_small_and_none_is_kept_away(tables):
    for name, table in tables.TABLES.items():
        assert 100 <= table.shape[0] <= 10_000, name
        assert name.lower().replace("_", "") not in {other.replace("_", "") for other in tables.KEPT_AWAY}
        assert table.target not in table.dropped


def test_the_loader_takes_out_the_target_and_what_equals_it(tables):
    table = tables.TABLES["breast_cancer"]
    X, y = table.load()
    assert X.shape == table.shape
    assert len(y) == len(X)
    assert table.target not in X
    assert not y.isna().any()
