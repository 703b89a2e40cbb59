"""The report of a comparison in a browser: it sorts, it fits, and nothing gets in or out."""

import math

import pytest

from tests.browser.conftest import WIDTHS
from tests.report_helpers import NAMES, VISIBLE_NAMES, comparison_of, hostile_comparison


@pytest.fixture(scope="module")
def comparison():
    return comparison_of(NAMES)


@pytest.fixture(scope="module")
def reports(comparison, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    made = {"plain": comparison, "hostile": hostile_comparison(), "one_fold": comparison_of(NAMES, n_folds=1)}
    return {name: of.to_html(folder / f"{name}.html") for name, of in made.items()}


def header(tab, table, label):
    return tab.page.locator(f"#{table} thead th", has=tab.page.get_by_role("button", name=label, exact=True))


def names(tab, table="results"):
    return tab.page.locator(f"#{table} tbody th").all_inner_texts()


def ranked(values, *, ascending):
    """Return names by value, those without one last."""
    missing = [name for name, value in values.items() if math.isnan(value)]
    return sorted(values.dropna().index, key=values.get, reverse=not ascending) + missing


@pytest.mark.parametrize("report", ["plain", "hostile", "one_fold"])
def test_pages_are_quiet_and_fetch_nothing(tab, reports, report):
    tab.open(reports[report].as_uri())
    assert tab.errors == []
    assert tab.evaluate("window.violations") == []
    assert [url for url in tab.requests if not url.startswith("data:")] == [reports[report].as_uri()]
    loaded = tab.evaluate("[...document.images].map((image) => image.complete && image.naturalWidth > 0)")
    assert loaded == [True] * (1 if report == "one_fold" else 2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("report", ["plain", "hostile"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_pages_fit_the_window(tab, reports, report, width, scheme):
    tab.page.emulate_media(color_scheme=scheme)
    tab.open(reports[report].as_uri())
    assert tab.excess_width(width) == 0
    background = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")


def test_tables_scroll_in_their_own_box(tab, reports):
    tab.page.set_viewport_size({"width": WIDTHS["phone"], "height": 900})
    tab.open(reports["plain"].as_uri())
    box = tab.page.get_by_role("region").first
    assert box.evaluate("(box) => box.scrollWidth > box.clientWidth")
    name = tab.page.locator("#results tbody th").first
    before = name.bounding_box()["x"]
    box.evaluate("(box) => box.scrollTo(10000, 0)")
    assert box.evaluate("(box) => box.scrollLeft") > 0
    assert name.bounding_box()["x"] == before  # stays in sight


def test_paper_is_white(tab, reports):
    tab.page.emulate_media(color_scheme="dark", media="print")
    tab.open(reports["plain"].as_uri())
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.page.locator("figure img").first.evaluate("(image) => getComputedStyle(image).filter") == "none"
    # All rows are printed, none is hidden in a box.
    boxes = tab.page.locator(".scroll").evaluate_all("(all) => all.map((box) => getComputedStyle(box).overflow)")
    assert boxes == ["visible"] * 3


def test_rows_stand_best_first(tab, reports, comparison):
    tab.open(reports["plain"].as_uri())
    assert names(tab) == list(comparison.frame().index)
    assert header(tab, "results", "test accuracy").get_attribute("aria-sort") == "descending"


def test_clicks_sort_up_and_down(tab, reports, comparison):
    tab.open(reports["plain"].as_uri())
    frame = comparison.frame()
    for label, column in (("log loss", "mean_log_loss"), ("parameters that are not zero", "mean_parameters")):
        of_column = header(tab, "results", label)
        for direction in ("ascending", "descending", "ascending"):
            of_column.get_by_role("button").click()
            assert of_column.get_attribute("aria-sort") == direction
            # 'linear' has no parameters of ours, and is last in either direction.
            assert names(tab) == ranked(frame[column], ascending=direction == "ascending")
        assert tab.page.locator("#results [aria-sort]").count() == 1
    assert header(tab, "tests", "difference").get_attribute("aria-sort") == "descending"  # the other tables stay


def test_keys_sort(tab, reports, comparison):
    tab.open(reports["plain"].as_uri())
    box = tab.page.get_by_role("region").first
    box.focus()
    tab.page.keyboard.press("Tab")  # the first header is next
    assert tab.evaluate("document.activeElement.textContent") == "regularizer"
    tab.page.keyboard.press("Enter")
    assert names(tab) == sorted(NAMES)
    tab.page.keyboard.press("Space")
    assert names(tab) == sorted(NAMES, reverse=True)
    tab.page.keyboard.press("Tab")
    tab.page.keyboard.press("Enter")
    assert names(tab) == ranked(comparison.frame()["mean_test_score"], ascending=True)
    assert tab.evaluate("document.activeElement.textContent") == "test accuracy"


def test_numbers_sort_as_numbers(tab, reports, comparison):
    tab.open(reports["plain"].as_uri())
    label = "95 % interval from"  # some are negative, and 10 would come before 9 as text
    header(tab, "tests", label).get_by_role("button").click()
    assert names(tab, "tests") == ranked(comparison.tests()["low"], ascending=True)


def test_ties_keep_their_order(tab, reports, comparison):
    tab.open(reports["plain"].as_uri())
    header(tab, "folds", "fold").get_by_role("button").click()
    assert names(tab, "folds") == list(comparison.frame().index) * 4


def test_infinities_and_missing_numbers(tab, reports):
    tab.open(reports["plain"].as_uri())
    values = ["2", "Infinity", "", "-Infinity", "10", "Infinity"]
    tab.evaluate(
        "(values) => { const body = document.querySelector('#results tbody');"
        " const row = body.rows[0];"
        " body.replaceChildren(...values.map((value) => { const copy = row.cloneNode(true);"
        " copy.cells[1].dataset.value = value; return copy; })); }",
        values,
    )
    button = header(tab, "results", "test accuracy").get_by_role("button")
    numbers = ["-Infinity", "2", "10", "Infinity", "Infinity"]
    for expected in ([*numbers, ""], [*reversed(numbers), ""]):
        button.click()
        cells = tab.page.locator("#results tbody td:nth-child(2)")
        assert cells.evaluate_all("(all) => all.map((cell) => cell.dataset.value)") == expected


def test_hostile_names_are_shown_and_do_not_run(tab, reports):
    tab.open(reports["hostile"].as_uri())
    tab.page.mouse.move(700, 400)
    assert sorted(names(tab)) == sorted(VISIBLE_NAMES)
    header(tab, "results", "regularizer").get_by_role("button").click()
    assert sorted(names(tab)) == sorted(VISIBLE_NAMES)
    assert tab.evaluate("typeof window.__pwned") == "undefined"
    assert tab.evaluate("document.querySelectorAll('script').length") == 1


def test_the_policy_stops_what_is_smuggled_in(tab, reports, tmp_path):
    """Nothing of this is in the page; if it came in, it would not run or load."""
    smuggled = {
        "script-src-elem": "<script>window.__pwned = 1</script>",
        "script-src-attr": '<p onclick="window.__pwned = 2" id="attack">',
        "img-src": '<img src="https://127.0.0.1:9/x.png">',
        "style-src-attr": '<p style="color: red">',
        "style-src-elem": "<style>p { color: red }</style>",
    }
    path = tmp_path / "tampered.html"
    text = reports["plain"].read_text(encoding="utf-8")
    path.write_text(text.replace("<main>", "<main>" + "".join(smuggled.values())), encoding="utf-8")
    tab.open(path.as_uri())
    tab.page.locator("#attack").dispatch_event("click")
    assert tab.evaluate("typeof window.__pwned") == "undefined"
    assert set(tab.evaluate("window.violations")) == set(smuggled)
    assert len(tab.errors) >= len(smuggled)
