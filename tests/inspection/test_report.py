"""The report of a comparison: what its tables hold, and that nothing gets in or out."""

import base64
import hashlib
import html
import math
import os
import pickle
import re
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from skreg import RegularizedMLPClassifier
from skreg.inspection import _report, compare_regularizers
from skreg.inspection._report import _exact, _formatter, _p_values, _parameters, comparison_report, write_report
from tests.report_helpers import HOSTILE_NAMES, NAMES, VISIBLE_NAMES, comparison_of, hostile_comparison

MISSING = ("–", "")


class Page(HTMLParser):
    """What stands in a page: tags with their attributes, the cells of its tables, and its text."""

    def __init__(self, text):
        super().__init__()
        self.source, self.tags, self.tables, self.text = text, [], {}, ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        if tag == "table":
            self.rows = self.tables[attributes["id"]] = []
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append(["", attributes.get("data-value")])

    def handle_data(self, data):
        self.text += data
        # Within a table all text stands in cells.
        if self.tables and self.rows is not None and data.strip():
            self.rows[-1][-1][0] += data

    def handle_endtag(self, tag):
        if tag == "table":
            self.rows = None

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def header(self, table):
        return [text for text, _ in self.tables[table][0]]

    def body(self, table):
        return [[tuple(cell) for cell in row] for row in self.tables[table][1:]]

    def column(self, table, label):
        place = self.header(table).index(label)
        return [row[place] for row in self.body(table)]

    def figures(self):
        start = "data:image/svg+xml;base64,"
        sources = [image["src"] for image in self.all("img")]
        assert all(source.startswith(start) for source in sources)
        return [base64.b64decode(source.removeprefix(start)).decode() for source in sources]


@pytest.fixture(scope="module")
def comparison():
    return comparison_of(NAMES)


@pytest.fixture(scope="module")
def page(comparison):
    return Page(comparison_report(comparison))


@pytest.fixture(scope="module")
def hostile_page():
    return Page(comparison_report(hostile_comparison(), title=HOSTILE_NAMES[2]))


def numbers(cells):
    return [float(value) if value else math.nan for _, value in cells]


# -- Content -----------------------------------------------------------------------------------------------------------


def test_a_real_comparison(tmp_path):
    X, y = load_iris(return_X_y=True)
    network = RegularizedMLPClassifier((4,), penalty=None, max_iter=2, n_iter_no_change=np.inf)
    estimators = {
        "none": network,
        "l2": (network, {"penalty": ["l2"], "alpha": [0.001, 0.1]}),
        "linear": LogisticRegression(max_iter=1000),
    }
    comparison = compare_regularizers(X, y, estimators, cv=2, n_repeats=1, random_state=3)
    path = comparison.to_html(tmp_path / "report.html")
    assert path == tmp_path / "report.html"
    page = Page(path.read_text(encoding="utf-8"))
    assert [row[0][1] for row in page.body("results")] == list(comparison.frame().index)
    assert len(page.body("folds")) == 6
    chosen = dict(
        zip([row[0][0] for row in page.body("folds")], page.column("folds", "chosen parameters"), strict=True)
    )
    assert chosen["linear"] == MISSING
    assert re.fullmatch(r"alpha=0.(001|1), penalty='l2'", chosen["l2"][0])
    for line in comparison.summary().splitlines():
        assert line in page.text
    for name, value in comparison.settings.items():
        assert f"{name}{value}" in page.text


def test_results_are_the_frame(comparison, page):
    frame = comparison.frame()
    assert [text for text, _ in page.column("results", "regularizer")] == list(frame.index)
    labels = {
        "test accuracy": "test_score",
        "training accuracy": "train_score",
        "gap (training − test)": "gap",
        "log loss": "log_loss",
        "calibration error (top class)": "calibration_error",
        "calibration error (classwise)": "classwise_calibration_error",
        "share of exact zeros": "zeros",
        "parameters that are not zero": "parameters",
        "epochs": "epochs",
        "fit time, s": "fit_time",
        "tuning time, s": "tuning_time",
    }
    assert page.header("results") == ["regularizer", *labels]
    for label, name in labels.items():
        np.testing.assert_array_equal(numbers(page.column("results", label)), frame[f"mean_{name}"], err_msg=label)
    best = frame.iloc[0]
    expected = f"{best['mean_test_score']:.3f} ± {best['std_test_score']:.3f}"
    assert page.column("results", "test accuracy")[0][0] == expected
    assert page.body("results")[0][7] == MISSING  # the last of the names is no network


def test_differences_are_the_tests_best_first(comparison, page):
    tests = comparison.tests().sort_values("difference", ascending=False)
    assert [value for _, value in page.column("tests", "regularizer")] == list(tests.index)
    labels = ["difference", "95 % interval from", "to", "t", "p", "p, adjusted"]
    for label, name in zip(labels, tests.columns, strict=True):
        np.testing.assert_array_equal(numbers(page.column("tests", label)), tests[name], err_msg=label)
    texts = [text for text, _ in page.column("tests", "p")]
    assert texts == ["< 0.001" if p < 0.001 else f"{p:.3f}" for p in tests["pvalue"]]


def test_folds_stand_best_first(comparison, page):
    order = list(comparison.frame().index)
    keys = [(name, fold) for (_, name), (_, fold) in (row[:2] for row in page.body("folds"))]
    assert keys == [(name, str(float(fold))) for name in order for fold in range(4)]
    folds = comparison.folds.set_index(["regularizer", "fold"]).loc[[(name, int(float(fold))) for name, fold in keys]]
    for label, name in (
        ("test accuracy", "test_score"),
        ("share of exact zeros", "zeros"),
        ("fit time, s", "fit_time"),
    ):
        np.testing.assert_array_equal(numbers(page.column("folds", label)), folds[name], err_msg=label)
    assert page.column("folds", "chosen parameters")[0][0] == "alpha=0.001, dropout=0.1"


def test_sorted_columns_say_so(page):
    headers = [attributes for attributes in page.all("th") if attributes.get("scope") == "col"]
    assert len(headers) == sum(len(page.header(table)) for table in page.tables)
    marked = [number for number, attributes in enumerate(headers) if attributes.get("aria-sort") == "descending"]
    assert marked == [1, len(page.header("results")) + 1]  # the test score, and the difference


def test_a_regressor(page):
    other = Page(comparison_report(comparison_of(NAMES, classifier=False, score_name="R²")))
    assert "test R²" in other.header("results")
    assert "mean squared error" in other.header("results")
    assert "log loss" not in other.header("results")


@pytest.mark.parametrize(("names", "n_folds"), [(NAMES, 1), (NAMES[:1], 4)], ids=["one fold", "one regularizer"])
def test_nothing_to_test(names, n_folds):
    page = Page(comparison_report(comparison_of(names, n_folds=n_folds)))
    assert list(page.tables) == ["results", "folds"]
    assert "at least two regularizers on at least two folds" in page.text
    assert len(page.figures()) == 1
    assert len(page.body("results")) == len(names)
    if n_folds == 1:
        assert "±" not in page.column("results", "test accuracy")[0][0]


def test_failed_fits_come_last():
    comparison = comparison_of(NAMES)
    comparison.folds.loc[4, ["test_score", "train_score", "gap"]] = np.nan  # a fold of l1
    page = Page(comparison_report(comparison))
    for table in ("results", "tests"):
        *_, last = page.body(table)
        assert last[0][0] == "l1"
        assert last[1] == MISSING
    assert len(page.body("folds")) == 16


def test_the_conclusion_stands_first(comparison, page):
    paragraphs = re.findall(r"<p( class=\"conclusion\")?>(.*)</p>", page.source)
    assert [bool(mark) for mark, _ in paragraphs[:2]] == [True, False]
    assert html.unescape(paragraphs[0][1]) == comparison.summary().splitlines()[0]


# -- In short ----------------------------------------------------------------------------------------------------------


def test_notebooks_show_the_conclusion_and_a_table(comparison):
    short = pickle.loads(pickle.dumps(comparison))._repr_html_()
    page = Page(short.replace("<table>", '<table id="short">'))
    frame, pvalues = comparison.frame(), comparison.tests()["pvalue_adjusted"]
    assert comparison.summary().splitlines()[0] in page.text
    header = ["regularizer", "test accuracy", "gap (training − test)", "log loss", "share of exact zeros"]
    assert page.header("short") == [*header, "p against none"]
    best = frame.index[0]
    row = {name: text for name, (text, _) in zip(page.header("short"), page.body("short")[0], strict=True)}
    assert row["regularizer"] == best
    assert row["test accuracy"] == f"{frame.loc[best, 'mean_test_score']:.3f} ± {frame.loc[best, 'std_test_score']:.3f}"
    assert row["p against none"] == ("< 0.001" if pvalues[best] < 0.001 else f"{pvalues[best]:.3f}")
    assert len(page.body("short")) == 4
    assert short == comparison._repr_html_()


def test_hostile_names_add_nothing_to_notebooks(comparison):
    plain, hostile = (
        Page(re.sub("<table>", '<table id="short">', c._repr_html_())) for c in (comparison, hostile_comparison())
    )
    assert {tag for tag, _ in hostile.tags} == {tag for tag, _ in plain.tags}
    assert not [attributes for tag, attributes in hostile.tags if attributes and tag != "table"]
    assert sorted(row[0][0] for row in hostile.body("short")) == sorted(VISIBLE_NAMES)


@pytest.mark.parametrize(("names", "n_folds"), [(NAMES, 1), (NAMES[:1], 4)], ids=["one fold", "one regularizer"])
def test_notebooks_without_tests(names, n_folds):
    short = comparison_of(names, n_folds=n_folds, classifier=False)._repr_html_()
    assert "p against" not in short
    assert "mean squared error" in short


def test_title(comparison, page):
    assert page.text.count("Which regularization generalizes best?") == 2  # in the head and on the page
    assert Page(comparison_report(comparison, title="Iris & co.")).text.count("Iris & co.") == 2


def test_settings(page):
    for words in ("scoreaccuracy", "rows120", "random_state0"):
        assert words in page.text


def test_versions_of_the_comparison_count():
    page = Page(comparison_report(comparison_of(NAMES[:1], settings={"versions": "skreg 0.0.1"})))
    assert page.text.count("versions") == 1
    assert "versionsskreg 0.0.1" in page.text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.95, 0.5, -0.1], ["0.950", "0.500", "−0.100"]),
        ([1.0, 0.95], ["1.000", "0.950"]),
        ([0.05, 0.0], ["0.0500", "0.0000"]),
        ([7510.0, 12.0], ["7510", "12"]),
        ([7510.4, 12.0], ["7510", "12"]),
        ([49.71, 3.0], ["49.7", "3.0"]),
        ([1e-7, 2e-5], ["1.00e−07", "2.00e−05"]),
        ([2.5e9, 1.0], ["2.50e+09", "1.00e+00"]),
        ([0.0, 0.0], ["0", "0"]),
        ([np.inf, -np.inf, 0.5], ["∞", "−∞", "0.500"]),
        ([np.nan, 0.5], ["nan", "0.500"]),
    ],
)
def test_decimals(values, expected):
    assert list(map(_formatter(pd.Series(values)), values)) == expected


def test_numbers_are_exact_and_in_the_words_of_javascript():
    assert [_exact(x) for x in (0.1 + 0.2, 3, np.float32(0.5), np.inf, -np.inf)] == [
        "0.30000000000000004",
        "3.0",
        "0.5",
        "Infinity",
        "-Infinity",
    ]


def test_small_p_values():
    column = _p_values("p", pd.Series([1.0, 0.05, 0.00101, 0.00099, 0.0, np.nan]))
    assert [text for text, _ in column.cells] == ["1.000", "0.050", "0.001", "< 0.001", "< 0.001", "–"]
    assert [value for _, value in column.cells] == ["1.0", "0.05", "0.00101", "0.00099", "0.0", ""]


def test_parameters_are_short_where_that_is_clear():
    assert _parameters({"mlp__alpha": 0.1, "mlp__penalty": "l1"}) == "alpha=0.1, penalty='l1'"
    assert _parameters({"mlp__alpha": 0.1, "mlp__penalty__alpha": 2}) == "mlp__alpha=0.1, mlp__penalty__alpha=2"
    assert _parameters({}) == ""


# -- What must not happen ----------------------------------------------------------------------------------------------


def test_hostile_names_add_no_markup(page, hostile_page):
    assert {tag for tag, _ in hostile_page.tags} == {tag for tag, _ in page.tags}
    attributes = [{(tag, name) for tag, given in each.tags for name in given} for each in (page, hostile_page)]
    assert attributes[0] == attributes[1]
    assert len(hostile_page.all("script")) == len(hostile_page.all("style")) == len(hostile_page.all("title")) == 1


def test_hostile_names_are_shown(hostile_page):
    assert sorted(text for text, _ in hostile_page.column("results", "regularizer")) == sorted(VISIBLE_NAMES)
    attack, image = HOSTILE_NAMES[:2]
    assert f"test {attack}" in hostile_page.header("results")
    assert hostile_page.column("folds", "chosen parameters")[0][0] == f"<b>alpha</b>={image!r}"
    assert f"{image}{attack}" in hostile_page.text
    assert hostile_page.text.count(HOSTILE_NAMES[2]) >= 2
    assert all(attack in image["alt"] for image in hostile_page.all("img"))


def test_no_character_is_hidden_or_turns_the_text(hostile_page):
    allowed = {"\n"}
    assert not {c for c in hostile_page.source if ord(c) < 32} - allowed
    assert not re.search("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", hostile_page.source)
    hostile_page.source.encode()


@pytest.mark.parametrize("which", ["page", "hostile_page"])
def test_nothing_comes_from_elsewhere(which, request):
    page = request.getfixturevalue(which)
    for words in ("http:", "https:", "//www", "url(", "@import", "javascript:"):
        assert words not in page.source
    for _, attributes in page.tags:
        assert not {"href", "srcset", "style", "action", "background"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("src", "data:").startswith("data:image/svg+xml;base64,") or "src" not in attributes


def test_policy_allows_this_style_and_this_script_alone(page):
    (policy,) = (meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules.pop("default-src") == rules.pop("base-uri") == rules.pop("form-action") == "'none'"
    assert rules.pop("img-src") == "data:"
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page.source, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules.pop(f"{tag}-src") == f"'sha256-{digest}'"
    assert not rules


@pytest.mark.parametrize("which", ["page", "hostile_page"])
def test_figures_are_drawn_without_fonts(which, request):
    figures = request.getfixturevalue(which).figures()
    assert len(figures) == 2
    for figure in figures:
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(figure).iter()}
        assert not {"text", "tspan", "script", "image", "foreignObject"} & tags
        assert "font-family" not in figure
        references = re.findall(r'href="([^"]*)"', figure)
        assert references
        assert all(reference.startswith("#") for reference in references)


def test_figures_show_names_literally_on_no_background():
    for figure in Page(comparison_report(comparison_of(["none", "$x$"]))).figures():
        (label,) = re.findall(r"<!-- \$x\$ -->.*?</g>", figure, re.DOTALL)
        assert label.count("<use") == 3  # a formula would be one letter
        # The first patches are the backgrounds of figure and axes.
        backgrounds = re.findall(r'<g id="patch_[12]">\s*<path [^>]*style="([^"]*)"', figure)
        assert backgrounds
        assert all("fill: none" in style for style in backgrounds)


def test_figures_show_names_without_characters_of_our_own():
    for figure in Page(comparison_report(comparison_of(["none", "_a"]))).figures():
        assert "<!-- _a -->" in figure


def test_everything_is_labelled(page):
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    regions = [attributes for attributes in page.all("div") if attributes.get("role") == "region"]
    assert len(regions) == 3
    assert all(region["aria-labelledby"] in ids and region["tabindex"] == "0" for region in regions)
    assert all(image["alt"] for image in page.all("img"))
    assert page.all("html") == [{"lang": "en"}]


def test_the_same_comparison_gives_the_same_page(comparison, page):
    def without_time(text):
        text, n_times = re.subn("<time.*?</time>", "", text)
        assert n_times == 1
        return text

    assert without_time(comparison_report(comparison)) == without_time(page.source)


def test_settings_and_figures_of_the_user_stay_as_they_are(comparison, page):
    own = plt.figure()
    with plt.style.context("dark_background"):
        before = plt.rcParams.copy()
        figures = Page(comparison_report(comparison)).figures()
        assert plt.rcParams == before
    assert plt.get_fignums() == [own.number]
    assert plt.gcf() is own
    assert figures == page.figures()


def test_no_matplotlib(comparison, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="To draw, skreg needs matplotlib"):
        write_report(comparison, tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


def test_paths(tmp_path, monkeypatch):
    monkeypatch.setattr(_report, "comparison_report", lambda comparison, *, title: f"{comparison}\n{title}: ü\n")
    path = tmp_path / "report ü.html"
    path.write_text("something longer than the page that replaces it")
    assert write_report("comparison", str(path), title="title") == path
    assert path.read_bytes() == "comparison\ntitle: ü\n".encode()
    with pytest.raises(FileNotFoundError):
        write_report("comparison", tmp_path / "nowhere" / "report.html")
    with pytest.raises(IsADirectoryError):
        write_report("comparison", tmp_path)
    assert write_report("other", os.fsencode(path)) == path
    assert path.read_bytes() == "other\nNone: ü\n".encode()


def test_a_report_that_cannot_be_written_leaves_the_one_that_was_there(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr(_report, "comparison_report", lambda comparison, *, title: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report("comparison", path)
    monkeypatch.chdir(tmp_path)
    for wrong in (None, 1, "", b"", "a\0b"):
        with pytest.raises((TypeError, ValueError), match="The 'path' parameter must be .*; got "):
            write_report("comparison", wrong)
    assert os.listdir() == [path.name]
    assert path.read_text() == "old"
