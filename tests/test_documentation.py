"""What the pages promise: the quickstart runs on a reader's own file, and every public name has its place."""

import ast
import functools
import importlib
import re
import runpy
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.datasets import load_diabetes, load_wine

from skreg import RegularizedMLPClassifier
from skreg.inspection import default_regularizers
from skreg.tabular._members import default_members
from skreg.tabular._summary import describe

ROOT = Path(__file__).parent.parent
DOCS, EXAMPLES = ROOT / "docs", ROOT / "examples"
MODULES = (
    "skreg",
    "skreg.penalties",
    "skreg.constraints",
    "skreg.averaging",
    "skreg.augmentation",
    "skreg.gradients",
    "skreg.model_selection",
    "skreg.ensemble",
    "skreg.preprocessing",
    "skreg.compose",
    "skreg.inspection",
    "skreg.datasets",
)
EXPORTED = [(module, name) for module in MODULES for name in importlib.import_module(module).__all__ if name[0] != "_"]
# An object that two modules export has one page, under the first of them.
PUBLIC = list({id(getattr(importlib.import_module(m), name)): (m, name) for m, name in reversed(EXPORTED)}.values())

pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the documentation is not part of a wheel")


def quickstart(part: str) -> str:
    """Return a block of code of the quickstart page."""
    text = (DOCS / "quickstart.rst").read_text(encoding="utf-8")
    (code,) = re.findall(rf"\.\. code-block:: python\n    :name: quickstart-{part}\n\n((?:    .*\n|\n)+)", text)
    return textwrap.dedent(code).strip()


def test_the_quickstart_has_at_most_8_lines():
    assert len([line for line in quickstart("code").splitlines() if line]) <= 8


def test_the_quickstart_runs_on_a_file(tmp_path, monkeypatch, capsys):
    # Numbers, a category, missing values and classes with names.
    data = load_wine(as_frame=True)
    table = data.data.iloc[::2, :5].assign(target=np.array(["red", "rosé", "white"])[data.target.iloc[::2]])
    table["region"] = np.where(np.arange(len(table)) % 3, "north", "south")
    table.iloc[3, 1] = table.iloc[5, -1] = np.nan
    table.to_csv(tmp_path / "data.csv", index=False)
    monkeypatch.chdir(tmp_path)
    # One round of folds, and a tenth of the epochs.
    monkeypatch.setattr("skreg.inspection._design.N_REPEATS", 1)
    monkeypatch.setattr("skreg.inspection._regularizers.EPOCHS", (6, 6))
    monkeypatch.setattr("skreg.tabular._members.MIN_STEPS", 60)
    monkeypatch.setattr("skreg.tabular._members.MIN_EPOCHS", 12)
    names = {}
    exec(compile(quickstart("code"), "quickstart", "exec"), names)
    new = names["X"].assign(region="west")
    assert len(names["X"]) == len(table)
    assert set(names["model"].predict(new)) <= {"red", "rosé", "white"}
    assert names["model"].oof_score_ > 0.6
    assert f"5 folds of {len(table)} rows and 6 columns" in capsys.readouterr().out
    for part in ("comparison", "results"):
        exec(compile(quickstart(part), "quickstart", "exec"), names)
    assert len(names["comparison"].folds) == 8 * 5
    assert set(names["best"].predict(new)) <= {"red", "rosé", "white"}
    assert "Highest mean test score" in capsys.readouterr().out
    assert "group_lasso" in (tmp_path / "report.html").read_text(encoding="utf-8")
    (figure,) = map(plt.figure, plt.get_fignums())
    assert len(figure.axes[0].get_yticklabels()) == 7


@functools.cache
def figures() -> dict:
    """Return the names of the script that draws figures."""
    return runpy.run_path(str(DOCS / "make_figures.py"))


def test_pages_open_with_what_the_example_computes():
    readme, landing_page = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/index.rst"))
    example = (EXAMPLES / "plot_tabular.py").read_text(encoding="utf-8")
    lines = re.search(r"```python\n(.*?)```", readme, flags=re.DOTALL).group(1)
    assert textwrap.indent(lines, "    ").replace("\n    \n", "\n\n") in landing_page
    *table, fit = lines.partition("X =")[2].splitlines()
    assert "\n".join(table) in example
    assert fit == "model = TabularMLPClassifier().fit(X, y)"
    assert figures()["BEGIN"] + figures()["markdown_of"](figures()["TABLE"].read_text("utf-8")) in readme


def test_figure_and_table_at_the_top_agree_and_say_what_the_pages_do():
    losses = figures()["numbers_in"](figures()["TABLE_FIGURE"])
    scores = pd.read_csv(figures()["TABLE"], index_col="model")
    np.testing.assert_allclose(losses.mean()[scores.index], scores["log-loss"], atol=6e-4)
    assert (losses.idxmin(axis=1) == "TabularMLPClassifier").all()
    assert scores["log-loss"].idxmin() == scores["accuracy"].idxmax() == "TabularMLPClassifier"


def test_what_the_guide_says_about_costs_is_in_its_tables():
    titanic, pbc = (
        pd.read_csv(DOCS / "_static" / f"which_estimator{name}.csv", index_col="model") for name in ("", "_pbc")
    )
    for table in (titanic, pbc):
        assert table["log-loss"].idxmin() == "TabularMLPClassifier"
        assert table["time"].idxmin() == "LogisticRegression"
        assert table.loc["RegularizedMLPClassifier", "time"] == 1
    loss = titanic["log-loss"]
    assert loss["RegularizedMLPClassifier"] - loss["TabularMLPClassifier"] < 0.01
    assert pbc["log-loss"]["RegularizedMLPClassifier"] > pbc["log-loss"]["LogisticRegression"]
    assert titanic["time"].idxmax() == "compare_regularizers"


def test_what_pages_say_about_other_models_is_in_the_scores(tmp_path, monkeypatch):
    scores = pd.read_csv(DOCS / "_static" / "standing_folds.csv")
    assert scores.groupby(["table", "model"])["fold"].nunique().eq(5).all()
    assert scores["table"].nunique() == scores["model"].nunique() == 13
    losses = scores.pivot_table(index="table", columns="model", values="log-loss")
    assert (losses["tabular"] / losses["linear"]).max().round(3) == 0.98
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    runpy.run_path(str(ROOT / "benchmarks" / "bench_standing.py"))["write_pages"](scores, tmp_path)
    for name in ("log_loss", "accuracy", "r2"):
        page = (DOCS / "_static" / f"standing_{name}.csv").read_text(encoding="utf-8")
        assert page == (tmp_path / f"standing_{name}.csv").read_text(encoding="utf-8")
        assert page.splitlines()[1].startswith("TabularMLP,")


def test_the_summary_in_the_quickstart_is_that_of_the_default_networks():
    text = figures()["SUMMARY"].read_text(encoding="utf-8")
    members = default_members(RegularizedMLPClassifier, 700, 5)
    described = re.findall(r"^  (\S+) .*?log-loss \S+  (.*)$", text, flags=re.MULTILINE)
    assert dict(described) == {name: describe(network) for name, network in members}


def test_the_figure_of_a_comparison_is_what_the_lines_beside_it_draw(monkeypatch):
    lines = figures()["comparison_lines"]()
    readme, landing_page = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/index.rst"))
    assert textwrap.indent(lines, "    ").replace("\n    \n", "\n\n") in landing_page
    drawn = figures()["numbers_in"](figures()["FIGURE"]).set_index("regularizer")
    span = f"by {drawn['difference'].min():.2f} to {drawn['difference'].max():.2f}"
    for text in (readme, landing_page):
        assert text.count(span) == 2
        assert f"{len(load_diabetes().target)} rows" in text
    # The networks of a regularizer do not depend on the other regularizers, and these two have nothing to tune.
    names = ["none", "early_stopping"]
    monkeypatch.setattr(
        "skreg.inspection._design.default_regularizers",
        lambda network: {name: default_regularizers(network)[name] for name in names},
    )
    computed = figures()["display_of"](lines).frame()[drawn.columns]
    # Other processors round otherwise.
    pd.testing.assert_frame_equal(drawn.loc[names[1:]], computed, check_exact=False, rtol=0, atol=0.01)


@functools.cache
def text_of(path: Path) -> str:
    """Return the text of a file."""
    return path.read_text(encoding="utf-8")


@functools.cache
def names_in(path: Path) -> set[str]:
    """Return the names that a script imports from the package."""
    nodes = ast.walk(ast.parse(text_of(path)))
    imports = (node for node in nodes if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("skreg"))
    return {alias.name for node in imports for alias in node.names}


@pytest.mark.parametrize(("module", "name"), PUBLIC, ids=[name for _, name in PUBLIC])
def test_every_public_name_has_a_page_and_an_example(module, name):
    section = (
        text_of(DOCS / "api.rst").partition(f".. currentmodule:: {module}\n")[2].partition(".. currentmodule::")[0]
    )
    assert re.search(rf"^   {name}$", section, flags=re.MULTILINE), f"docs/api.rst does not list {module}.{name}"
    in_gallery = [path.name for path in EXAMPLES.glob("plot_*.py") if name in names_in(path)]
    # What is returned or inherited from is not imported where it is used.
    mentioned = [path.name for path in EXAMPLES.glob("plot_*.py") if re.search(rf"`~?{module}\.{name}`", text_of(path))]
    assert in_gallery or mentioned, f"no example uses {module}.{name}"


def test_no_object_has_two_pages():
    # Sphinx calls that a duplicate description, and references to it ambiguous.
    sections = (DOCS / "api.rst").read_text(encoding="utf-8").split(".. currentmodule:: ")[1:]
    pages = [(section.split()[0], name) for section in sections for name in re.findall(r"^   (\w+)$", section, re.M)]
    of_object = {}
    for module, name in pages:
        of_object.setdefault(id(getattr(importlib.import_module(module), name)), []).append(f"{module}.{name}")
    assert [names for names in of_object.values() if len(names) > 1] == []


@pytest.mark.parametrize(
    "page", ["CONTRIBUTING.md", "docs/extending/adding_a_penalty.rst", "docs/extending/adding_an_axis.rst"]
)
def test_paths_that_contributors_are_sent_to_exist(page):
    paths = set(re.findall(r"`((?:skreg|tests|docs|examples|benchmarks)/[\w/.]*)`", (ROOT / page).read_text("utf-8")))
    assert paths
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("plot_*.py")), ids=lambda path: path.stem)
def test_no_cell_of_an_example_ends_with_a_part_of_a_figure(path):
    """The gallery prints what the last line of a cell returns."""
    for cell in re.split("^# %%.*$", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
        match ast.parse(cell).body:
            case [*_, ast.Expr(ast.Call(ast.Attribute(owner, name)))] if ast.unparse(owner) != "plt":
                assert not any(hasattr(kind, name) for kind in (Axes, Figure)), ast.unparse(owner) + "." + name
