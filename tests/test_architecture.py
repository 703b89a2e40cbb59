"""Imports point one way, scikit-learn's private names come in at one place, tests share neither generators nor time."""

import ast
from pathlib import Path

import pytest

import skreg

PACKAGE = Path(skreg.__file__).parent
# Each module may import those before it.
ORDER = [
    "_version",
    "_docs",
    "_warnings",
    "_seeds",
    "_plotting",
    "_sklearn_private",
    "_hashing",
    "proximal",
    "penalties",
    "constraints",
    "losses",
    "network",
    "_axis_parameter",
    "augmentation",
    "gradients",
    "averaging",
    "solvers",
    "_axes",
    "stopping",
    "callbacks",
    "engine",
    "backends",
    "adapters",
    "_estimator",
    "classifier",
    "regressor",
    "_composition",
    "compose",
    "model_selection",
    "inspection",
    "datasets",
    "__init__",
]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module, [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, []


def module_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    own = module_of(path)
    assert own in ORDER, "a new module has a place in the order"
    for module, _ in imports(path):
        if module and module.startswith("skreg."):
            other = module.split(".")[1]
            assert other == own or ORDER.index(other) < ORDER.index(own), f"{own} imports {other}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_private_names_of_scikit_learn_have_one_door(path):
    if path.name == "_sklearn_private.py":
        return
    for module, names in imports(path):
        if module and module.split(".")[0] == "sklearn":
            private = [part for part in (*module.split("."), *names) if part.startswith("_")]
            assert not private, f"{path.name} imports {private} from {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_filters_for_warnings_are_left_alone(path):
    """Those of Python are those of all threads: two blocks that overlap leave them as neither has found them."""
    if path.name == "_elsewhere.py":  # in a process of its own
        return
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    names = {ast.unparse(call.func).split(".")[-1] for call in calls}
    assert not names & {"catch_warnings", "simplefilter", "filterwarnings", "resetwarnings"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_there_are_no_context_variables(path):
    """What a function does follows from its arguments."""
    assert "contextvars" not in {module for module, _ in imports(path)}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_object_changes_its_class(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        is_set = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        assert not (is_set and node.attr == "__class__"), f"line {node.lineno}"
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {"setattr", "__setattr__"}:
            assert "__class__" not in [part.value for part in node.args if isinstance(part, ast.Constant)]


FOLDER = Path(__file__).parent
TESTS = sorted(path for path in FOLDER.rglob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("path", TESTS, ids=lambda p: str(p.relative_to(FOLDER)))
def test_tests_read_no_clock(path):
    assert not {module for module, _ in imports(path)} & {"time", "timeit"}, "what is fast is shown by benchmarks"


@pytest.mark.parametrize("path", TESTS, ids=lambda p: str(p.relative_to(FOLDER)))
def test_tests_draw_from_no_generator_that_they_share(path):
    """What one draws would depend on how many have drawn before it; generators of modules make their data alone."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    makers = {"default_rng", "RandomState", "Generator", "check_random_state"}
    shared = {
        target.id
        for statement in module.body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call)
        for target in statement.targets
        if isinstance(target, ast.Name) and ast.unparse(statement.value.func).split(".")[-1] in makers
    }
    functions = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.Lambda)]
    drawn = {node.lineno for function in functions for node in ast.walk(function) if is_use_of(node, shared)}
    assert not drawn, f"{path.name}: lines {sorted(drawn)}"


def is_use_of(node, names):
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names
