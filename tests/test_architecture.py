"""Imports point one way, scikit-learn's private names come in at one place, tests share neither generators nor time."""

import ast
import functools
import graphlib
from pathlib import Path

import pytest

import skreg

PACKAGE = Path(skreg.__file__).parent
# Each module may import those before it.
ORDER = [
    "_version",
    "_doc_link",
    "_files",
    "_parameter",
    "_warnings",
    "_seeds",
    "_plotting",
    "_numbers",
    "_progress",
    "_sklearn_private",
    "_hashing",
    "preprocessing",
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
    "stopping",
    "engine",
    "backends",
    "adapters",
    "_estimator",
    "_fitted",
    "classifier",
    "regressor",
    "presets",
    "_composition",
    "pipeline",
    "compose",
    "model_selection",
    "ensemble",
    "tabular",
    "inspection",
    "datasets",
    "__init__",
]


# What no class, no function (but for constructors, which store many parameters) and no module goes beyond.
MAX_METHODS, MAX_LINES_OF_CODE, MAX_LINES = 25, 50, 500


def imports(path):
    """Return the modules that a file imports, in functions and for type checkers too, and names from them."""
    return imports_of_text(path.read_text(encoding="utf-8"))


@functools.cache
def imports_of_text(text):
    return tuple(found_imports(text))


def found_imports(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: imports are absolute"
            yield node.module, [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, []
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            yield from ((name.value, []) for name in node.args[:1] if isinstance(name, ast.Constant))


def module_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def import_graph(package):
    """Return which modules of a package each of them imports; a folder is the module of its __init__.py."""
    modules = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    graph = {}
    for name, path in modules.items():
        found = [(f"{module}.{part}", module) for module, names in imports(path) for part in names or [""]]
        graph[name] = {full if full in modules else module for full, module in found} & set(modules)
    return graph


FILES = sorted(PACKAGE.rglob("*.py"))


def test_no_module_imports_itself_around_corners():
    """Neither in functions nor for type checkers: what two modules need of each other is a third one."""
    graph = import_graph(PACKAGE)
    assert len(graph) == len(FILES)
    tuple(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, which says where the circle is


@pytest.mark.parametrize(
    "text",
    [
        "from package.a import f",
        "import package.a",
        "def g():\n    from package import a",
        "if TYPE_CHECKING:\n    from package.a import f",
        "import_module('package.a')",
        "from package.folder import f",
    ],
)
def test_circles_are_found_wherever_they_are(text, tmp_path):
    files = {"__init__": "", "a": "from package.folder.b import g", "folder/__init__": "from package.folder.b import g"}
    (tmp_path / "package" / "folder").mkdir(parents=True)
    for name, content in {**files, "folder/b": "import os"}.items():
        (tmp_path / "package" / f"{name}.py").write_text(content)
    tuple(graphlib.TopologicalSorter(import_graph(tmp_path / "package")).static_order())
    (tmp_path / "package" / "folder" / "b.py").write_text(text)
    with pytest.raises(graphlib.CycleError):
        tuple(graphlib.TopologicalSorter(import_graph(tmp_path / "package")).static_order())


def functions_in(node):
    return [item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]


def lines_of_code(function, lines):
    """Return how many lines a function has, from its signature on, without docstring, comments and empty lines."""
    first = function.body[0] if ast.get_docstring(function, clean=False) is not None else None
    docstring = set() if first is None else set(range(first.lineno, first.end_lineno + 1))
    numbers = [n for n in range(function.lineno, function.end_lineno + 1) if n not in docstring]
    return sum(bool(lines[n - 1].strip()) and not lines[n - 1].lstrip().startswith("#") for n in numbers)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_sizes_have_limits(path):
    text = path.read_text(encoding="utf-8")
    lines, nodes = text.splitlines(), list(ast.walk(ast.parse(text)))
    assert len(lines) <= MAX_LINES
    methods = [(len(functions_in(node)), node.name) for node in nodes if isinstance(node, ast.ClassDef)]
    assert not [item for item in methods if item[0] > MAX_METHODS]
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    sizes = [(lines_of_code(node, lines), node.name) for node in functions if node.name != "__init__"]
    assert not [item for item in sizes if item[0] > MAX_LINES_OF_CODE]


def test_lines_of_code_are_counted_without_words():
    text = """def f(
    x,
):
    '''Words,

    and more.
    '''
    # why

    def g():
        return x
    return g
"""
    assert lines_of_code(ast.parse(text).body[0], text.splitlines()) == 6


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
    if path.name == "_processes.py":  # in a process of its own
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
