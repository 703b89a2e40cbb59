"""Report of a comparison: one HTML page that loads nothing, no script, style or font."""

import base64
import hashlib
import io
import math
import textwrap
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import NamedTuple

import numpy as np
import pandas as pd

from skreg._files import path_of, replaced_file
from skreg._plotting import SHOWN, pyplot
from skreg._version import __version__
from skreg.inspection._differences import ComparisonDisplay
from skreg.inspection._gap import GeneralizationGapDisplay

TITLE = "Which regularization generalizes best?"
# What the measures are called on the page; others by their name, without underscores.
LABELS = {
    "test_score": "test {score}",
    "train_score": "training {score}",
    "gap": "gap (training − test)",
    "calibration_error": "calibration error (top class)",
    "classwise_calibration_error": "calibration error (classwise)",
    "zeros": "share of exact zeros",
    "parameters": "parameters that are not zero",
    "fit_time": "fit time, s",
    "tuning_time": "tuning time, s",
    "difference": "difference",
    "low": "95 % interval from",
    "high": "to",
    "statistic": "t",
    "pvalue": "p",
    "pvalue_adjusted": "p, adjusted",
}
# Characters that turn the direction of the text around them.
DIRECTIONS = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Figures on which every device agrees: outlines instead of fonts, and names that do not depend on chance.
FIGURE_STYLE = {"svg.fonttype": "path", "svg.hashsalt": "skreg", "font.size": 10}
FIGURE_WIDTH = 5.0  # inches, and so 480 CSS pixels: the letters stay readable on a phone


def write_report(comparison, path, *, title=None) -> Path:
    """Write a comparison into a file, as one page of HTML.

    Parameters
    ----------
    comparison : RegularizerComparison
        What to report.
    path : str, bytes or path-like
        The file, which is replaced as a whole, or not at all.
    title : str, default=None
        Headline. None: "Which regularization generalizes best?"

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    OSError
        If the file cannot be written.
    """
    path = path_of(path)
    with replaced_file(path) as file:
        file.write(comparison_report(comparison, title=title).encode())
    return Path(path)


def comparison_report(comparison, *, title=None) -> str:
    """Return a comparison as one page of HTML.

    The page loads nothing, and its security policy keeps it from doing so: the figures, the style and the script that
    sorts the tables are part of it. But for the time at its end, the same comparison gives the same page.

    Parameters
    ----------
    comparison : RegularizerComparison
        What to report.
    title : str, default=None
        Headline. None: "Which regularization generalizes best?"

    Returns
    -------
    str
        The page.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    style, script = _part("_report.css"), _part("_report.js")
    now = datetime.now(UTC)
    return Template(_part("_report.html")).substitute(
        title=_text(TITLE if title is None else title),
        style=style,
        style_hash=_policy_hash(style),
        script=script,
        script_hash=_policy_hash(script),
        summary=_summary(comparison),
        figures=_figures(comparison),
        results=_results(comparison),
        tests=_tests(comparison),
        folds=_folds(comparison),
        settings=_settings(comparison),
        version=__version__,
        time=f"{now:%Y-%m-%dT%H:%MZ}",
        time_text=f"{now:%Y-%m-%d %H:%M} UTC",
    )


def _part(name: str) -> str:
    return files("skreg.inspection").joinpath(name).read_text(encoding="utf-8")


def _policy_hash(text: str) -> str:
    """Return the name by which a Content-Security-Policy allows an inline style or script."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


# -- Text --------------------------------------------------------------------------------------------------------------


def _text(value) -> str:
    """Return HTML that shows a user's name or value literally.

    Control characters, and those that turn the text around them or cannot be encoded, are written as in Python's repr.
    """
    return escape("".join(map(_visible, str(value))))


def _visible(character: str) -> str:
    hidden = character in DIRECTIONS or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
    return character.encode("unicode_escape").decode() if hidden else character


def _label(measure: str, comparison) -> str:
    if measure in LABELS:
        return LABELS[measure].format(score=comparison.score_name)
    return measure.replace("_", " ")


def _summary(comparison) -> str:
    """Return the summary in paragraphs; if there is a conclusion, it is the first."""
    first, *others = comparison.summary().split("\n")
    marked = f"<p{_class('conclusion', comparison.has_tests)}>{_text(first)}</p>"
    return "\n".join([marked, *(f"<p>{_text(line)}</p>" for line in others)])


# -- In short ----------------------------------------------------------------------------------------------------------


def comparison_in_short(comparison) -> str:
    """Return a comparison as a piece of HTML, for notebooks: the conclusion, and a table of means.

    Parameters
    ----------
    comparison : RegularizerComparison
        What to show.

    Returns
    -------
    str
        HTML without style, script and ids, so that several can stand on one page.
    """
    frame = comparison.frame()
    columns = [_texts("regularizer", frame.index)]
    columns += [
        _numbers(_label(measure, comparison), frame[f"mean_{measure}"], frame[f"std_{measure}"])
        for measure in ("test_score", "gap", "log_loss", "mean_squared_error", "zeros")
        if f"mean_{measure}" in frame
    ]
    if comparison.has_tests:
        pvalues = comparison.tests()["pvalue_adjusted"].reindex(frame.index)
        columns.append(_p_values(f"p against {comparison.reference()}", pvalues))
    header = "".join(f"<th>{_text(column.label)}</th>" for column in columns)
    rows = "\n".join(
        "<tr>" + "".join(f"<td>{_text(text)}</td>" for text, _ in cells) + "</tr>"
        for cells in zip(*(column.cells for column in columns), strict=True)
    )
    conclusion, *_ = comparison.summary().split("\n")
    return (
        f"<div>\n<p><b>{_text(conclusion)}</b></p>\n"
        f"<table>\n<thead><tr>{header}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n"
        "<p>Means ± standard deviations over the outer folds. In words: <code>print(comparison.summary())</code></p>\n"
        "</div>"
    )


# -- Tables ------------------------------------------------------------------------------------------------------------


class Column(NamedTuple):
    """A column of a table: its header, whether it holds numbers, and for each row the text and what it is sorted by."""

    label: str
    numeric: bool
    cells: list[tuple[str, str]]


MISSING = ("–", "")
SORTED = ' aria-sort="descending"'


def _results(comparison) -> str:
    frame = comparison.frame()
    columns = [_texts("regularizer", frame.index)]
    for name in frame.columns:
        measure = name.removeprefix("mean_").removeprefix("std_")
        if name != f"std_{measure}":
            columns.append(_numbers(_label(measure, comparison), frame[name], frame.get(f"std_{measure}")))
    note = "Mean ± standard deviation over the folds; the best comes first. Press a header to sort by it."
    return _table("results", note, columns, best_first=_label("test_score", comparison))


def _tests(comparison) -> str:
    if not comparison.has_tests:
        return '<p class="note">Differences are tested between at least two regularizers on at least two folds.</p>'
    frame = comparison.tests().sort_values("difference", ascending=False, kind="stable")
    scores = ["difference", "low", "high"]
    alike = pd.concat([frame[name] for name in scores])
    columns = [
        _texts("regularizer", frame.index),
        *(_numbers(LABELS[name], frame[name], like=alike) for name in scores),
        _numbers(LABELS["statistic"], frame["statistic"]),
        *(_p_values(LABELS[name], frame[name]) for name in ("pvalue", "pvalue_adjusted")),
    ]
    note = (
        f"Mean difference in {comparison.score_name}: each regularizer minus “{comparison.reference()}” on the same "
        "folds, with Nadeau and Bengio’s corrected t-test. Where the interval holds 0, chance alone may explain it. "
        "Interval and p are those of a single line; the adjusted p (max-t) allows for looking at all of them."
    )
    return _table("tests", note, columns, best_first=LABELS["difference"])


def _folds(comparison) -> str:
    folds = comparison.folds
    best_first = folds["regularizer"].map({name: rank for rank, name in enumerate(comparison.frame().index)})
    folds = folds.iloc[np.lexsort((folds["fold"], best_first))]
    columns = [_texts("regularizer", folds["regularizer"])]
    measures = folds.columns.drop(["regularizer", "chosen"])
    columns += [_numbers(_label(name, comparison), folds[name]) for name in measures]
    columns.append(_texts("chosen parameters", [_parameters(chosen) for chosen in folds["chosen"]]))
    note = "One line for each regularizer and fold, with the parameters that were chosen on the fold’s training rows."
    return _table("folds", note, columns)


def _parameters(chosen: Mapping) -> str:
    """Return parameters as text, without the steps of a pipeline, unless that would make two names one."""
    short = {name: name.rpartition("__")[2] for name in chosen}
    names = short if len(set(short.values())) == len(short) else {name: name for name in chosen}
    return ", ".join(f"{names[name]}={value!r}" for name, value in chosen.items())


def _texts(label: str, values) -> Column:
    return Column(label, False, [(str(value), str(value)) if value else MISSING for value in values])


def _numbers(
    label: str, values: pd.Series, spread: pd.Series | None = None, *, like: pd.Series | None = None
) -> Column:
    """Return a column of numbers, with their spread if there is one, and as many decimals as numbers `like` need."""
    written = _formatter(values if like is None else like)
    spread = pd.Series(math.nan, index=values.index) if spread is None else spread
    cells = []
    for value, deviation in zip(values, spread, strict=True):
        text = written(value) if math.isnan(deviation) else f"{written(value)} ± {written(deviation)}"
        cells.append(MISSING if math.isnan(value) else (text, _exact(value)))
    return Column(label, True, cells)


def _p_values(label: str, values: pd.Series) -> Column:
    texts = ["< 0.001" if value < 0.001 else f"{value:.3f}" for value in values]
    cells = [MISSING if math.isnan(value) else (text, _exact(value)) for value, text in zip(values, texts, strict=True)]
    return Column(label, True, cells)


def _formatter(values: pd.Series):
    """Return a function that writes numbers with equally many decimals: three digits of the largest of these."""
    finite = np.abs(values[np.isfinite(values)].to_numpy(dtype=np.float64))
    largest = finite.max(initial=0.0)
    if 0 < largest < 1e-3 or largest >= 1e7:
        code = ".2e"
    elif (finite == np.round(finite)).all():
        code = ".0f"
    else:
        code = f".{max(3 - math.ceil(math.log10(largest)), 0)}f"
    return lambda value: format(value, code).replace("inf", "∞").replace("-", "−")


def _exact(value) -> str:
    """Return a number as JavaScript reads it, without rounding."""
    return str(float(value)).replace("inf", "Infinity")


def _table(name: str, note: str, columns: list[Column], *, best_first: str | None = None) -> str:
    """Return a table in a box of its own; `best_first` is the label of the column that its rows are sorted by."""
    header = "".join(
        f'<th scope="col"{_class("number", column.numeric)}{SORTED if column.label == best_first else ""}>'
        f"{_text(column.label)}</th>"
        for column in columns
    )
    rows = "\n".join(
        "<tr>" + "".join(map(_cell, range(len(columns)), columns, cells)) + "</tr>"
        for cells in zip(*(column.cells for column in columns), strict=True)
    )
    return (
        f'<p class="note" id="{name}-note">{_text(note)}</p>\n'
        f'<div class="scroll" role="region" aria-labelledby="{name}-note" tabindex="0">\n'
        f'<table id="{name}">\n<thead><tr>{header}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</div>'
    )


def _cell(position: int, column: Column, cell: tuple[str, str]) -> str:
    """Return one cell; the first of a row is its header."""
    text, value = map(_text, cell)
    if position == 0:
        return f'<th scope="row" data-value="{value}"><div class="name">{text}</div></th>'
    return f'<td{_class("number", column.numeric)} data-value="{value}">{text}</td>'


def _class(name: str, given: bool) -> str:
    return f' class="{name}"' if given else ""


def _settings(comparison) -> str:
    settings = {"score": comparison.score_name, **comparison.settings}
    lines = (f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in settings.items())
    return "<dl>\n" + "\n".join(lines) + "\n</dl>"


# -- Figures -----------------------------------------------------------------------------------------------------------


def _figures(comparison) -> str:
    score, figures = comparison.score_name, []
    if comparison.has_tests:
        caption = f"Differences in {score} from “{comparison.reference()}”, with 95 % intervals"
        figures.append((ComparisonDisplay, caption, "The table of differences has the numbers."))
    caption = f"Mean {score} on training rows and on test rows, and on those of single folds"
    figures.append((GeneralizationGapDisplay, caption, "The table of results has the numbers."))
    return "\n".join(
        f'<figure>\n<img src="{_drawing(display, comparison)}" alt="{_text(f"{caption}. {where}")}">\n'
        f"<figcaption>{_text(caption)}.</figcaption>\n</figure>"
        for display, caption, where in figures
    )


def _drawing(display, comparison) -> str:
    """Return a display as an image within the page; the settings and figures of the user stay as they are."""
    plt = pyplot()
    image = io.BytesIO()
    with plt.style.context(["default", FIGURE_STYLE]):
        # Not plt.figure, which would stay open.
        figure = plt.Figure(figsize=(FIGURE_WIDTH, 1.5 + 0.4 * len(comparison.names)), layout="constrained")
        axes = figure.subplots()
        display.from_comparison(comparison, ax=axes)
        names = [_lines(label.get_text(), width=20, n_lines=2) for label in axes.get_yticklabels()]
        axes.set_yticks(axes.get_yticks(), names, parse_math=False)
        words = [_lines(line, width=56, n_lines=3) for line in axes.get_xlabel().split("\n")]
        axes.set_xlabel("\n".join(words), parse_math=False)
        # "tight" widens the image where a label is wider than the figure.
        no_metadata = {"Date": None, "Creator": None}
        figure.savefig(image, format="svg", transparent=True, bbox_inches="tight", metadata=no_metadata)
    return f"data:image/svg+xml;base64,{base64.b64encode(image.getvalue()).decode()}"


def _lines(label: str, *, width: int, n_lines: int) -> str:
    r"""Return a label of a figure in short lines of literal text: dollars, which displays write as \$, are dollars."""
    literal = "".join(map(_visible, label.removeprefix(SHOWN).replace(r"\$", "$")))
    return "\n".join(textwrap.wrap(literal, width, max_lines=n_lines, placeholder="…"))
