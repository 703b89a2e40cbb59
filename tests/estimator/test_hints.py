"""What errors about X advise: lines that work when they are copied."""

import re

import numpy as np
import pandas as pd
import polars
import pytest
import scipy.sparse
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

import skreg
from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.inspection import compare_regularizers
from skreg.model_selection import GridSearchCV, RegularizedMLPClassifierCV, RegularizedMLPRegressorCV, cross_val_score
from tests.helpers import BOTH, TINY

KINDS_WITH_CV = {
    RegularizedMLPClassifier: RegularizedMLPClassifierCV,
    RegularizedMLPRegressor: RegularizedMLPRegressorCV,
}

X = np.random.default_rng(0).normal(size=(60, 3))
Y = np.arange(60) % 2
PREPARATIONS = {"skreg": skreg, **{kind.__name__: kind for kind in (make_pipeline, SimpleImputer, MaxAbsScaler)}}


def advised(error: Exception, kind):
    """Return the pipeline that a message shows, with the user's network at its end."""
    line = re.search(rf"(skreg\.table_|make_)pipeline\(.*{kind.__name__}\(\.\.\.\)\)", str(error))
    assert line is not None, str(error)
    return eval(line[0].replace("(...)", "(**options)"), {**PREPARATIONS, kind.__name__: kind, "options": TINY})


def with_gaps(library):
    values = X.copy()
    values[::7, 1] = np.nan
    if library == "numpy":
        return values
    if library == "sparse":
        values[np.random.default_rng(1).uniform(size=values.shape) < 0.3] = 0
        return scipy.sparse.csr_array(values)
    if library == "polars":
        return polars.DataFrame(values, schema=list("abc")).fill_nan(None)
    frame = pd.DataFrame(values, columns=list("abc"))
    if library == "nullable":
        return frame.astype("Float64")
    if library == "integers":
        return frame.round().astype("Int64")
    return frame


@pytest.mark.parametrize("library", ["numpy", "pandas", "nullable", "integers", "polars", "sparse"])
@BOTH
def test_missing_values_get_a_line_that_takes_them(kind, library):
    data = with_gaps(library)
    with pytest.raises(ValueError, match=r"^Input X contains NaN\. Use .*, or leave out rows with missing v") as error:
        kind(**TINY).fit(data, Y)
    assert "HistGradientBoosting" not in str(error.value)
    model = advised(error.value, kind).fit(data, Y)
    assert np.isfinite(model.predict(data)).all()
    sparse_ones = scipy.sparse.issparse(model[:-1].transform(data))
    assert sparse_ones == (library == "sparse")


def test_missing_values_are_told_of_wherever_they_come():
    gaps, model = with_gaps("numpy"), RegularizedMLPClassifier(**TINY).fit(X, Y)
    search = GridSearchCV(RegularizedMLPClassifier(**TINY), {"alpha": [0.1, 0.2]}, cv=2)
    cv = {**TINY, "alphas": [0.1, 1.0], "cv": 2}
    calls = {
        "RegularizedMLPClassifier": [
            lambda: model.predict(gaps),
            lambda: model.transform(gaps),
            lambda: model.partial_fit(gaps, Y),
            lambda: model.fit(X, Y, X_val=gaps, y_val=Y),
            lambda: search.fit(gaps, Y),
            lambda: search.set_params(error_score="raise").fit(gaps, Y),
        ],
        "RegularizedMLPClassifierCV": [lambda: RegularizedMLPClassifierCV(**cv).fit(gaps, Y)],
        "RegularizedMLPRegressorCV": [lambda: RegularizedMLPRegressorCV(**cv).fit(gaps, X[:, 0])],
    }
    for name, group in calls.items():
        for call in group:
            with pytest.raises(ValueError, match=rf"skreg\.table_pipeline\({name}\(\.\.\.\)\), or ") as error:
                call()
            assert "HistGradientBoosting" not in str(error.value)


def test_NA_among_objects_is_a_missing_value():  # noqa: N802
    frame = pd.DataFrame(X, columns=list("abc")).astype(object)
    frame.loc[3, "a"] = pd.NA
    with pytest.raises(ValueError, match=r"^Input X contains NaN\. Use .* Found in the columns \['a'\]\.$") as error:
        RegularizedMLPRegressor(**TINY).fit(frame, X[:, 0])
    model = advised(error.value, RegularizedMLPRegressor).fit(frame, X[:, 0])
    assert np.isfinite(model.predict(frame)).all()


@pytest.mark.parametrize(("value", "name"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_targets_have_no_line_to_fill_them_in(value, name):
    y = X[:, 0].copy()
    y[3] = value
    with pytest.raises(ValueError, match=f"Input y contains {name}") as error:
        RegularizedMLPRegressor(**TINY).fit(X, y)
    assert "pipeline" not in str(error.value)
    with pytest.raises(ValueError, match=f"y_val .*cannot be used: .*contains {name}"):
        RegularizedMLPRegressor(**TINY).fit(X, X[:, 0], X_val=X, y_val=y)
    bad = np.where(np.arange(3) == 1, value, X)
    if name == "infinity":  # no gap, and no matter of an imputer
        with pytest.raises(ValueError, match="Input X contains infinity") as error:
            RegularizedMLPRegressor(**TINY).fit(bad, X[:, 0])
        assert "pipeline" not in str(error.value)


def with_text(library):
    town = np.array(["Rome", "Oslo", "Bonn", "Lima"])[np.arange(60) % 4]
    if library == "array of objects":
        return np.column_stack([X.astype(object), town])
    if library == "array of text":
        return np.column_stack([town, town[::-1]])
    if library == "list":
        return [[*row, name] for row, name in zip(X.tolist(), town.tolist(), strict=True)]
    if library == "polars":
        return polars.DataFrame(X, schema=list("abc")).with_columns(polars.Series("town", town.tolist()))
    frame = pd.DataFrame(X, columns=list("abc"))
    if library == "many columns":
        return frame.assign(**{f"town {i}": np.roll(town, i) for i in range(12)})
    frame["town"] = town
    if library == "categories":
        return frame.astype({"town": "category"}).assign(yes=town == "Oslo")
    if library == "numbers as names":
        return frame.set_axis([10, 20, 30, 40], axis=1)
    return frame


LIBRARIES = ["pandas", "categories", "many columns", "numbers as names", "polars"]
LIBRARIES += ["array of objects", "array of text", "list"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_text_gets_a_line_that_encodes_it(library):
    data = with_text(library)
    with pytest.raises(ValueError, match=r"X holds strings, in the columns \[.*\]( and 4 more)?\. Use ") as error:
        RegularizedMLPClassifier(**TINY).fit(data, Y)
    model = advised(error.value, RegularizedMLPClassifier).fit(data, Y)
    encoded = model[:-1].transform(data)
    assert encoded.shape[1] > 3
    assert np.abs(encoded).max() <= 3
    np.testing.assert_array_equal(model.predict(data).shape, (60,))


def test_towns_that_were_not_seen_are_no_error():
    data = with_text("pandas")
    with pytest.raises(ValueError, match="X holds strings") as error:
        RegularizedMLPClassifier(**TINY).fit(data, Y)
    model = advised(error.value, RegularizedMLPClassifier).fit(data, Y)
    assert len(model.predict(data.assign(town="Quito"))) == 60


@pytest.mark.parametrize("kind", [RegularizedMLPClassifier, RegularizedMLPRegressorCV])
def test_importances_say_what_they_cannot_tell(kind):
    text = kind.__doc__.split("\nfeature_importances_ : ")[1].split("\nselected_features_ : ")[0]
    assert "permutation_importance" in text
    assert "permutation_importance" in kind.feature_importances_.__doc__


DAYS = pd.date_range("2020-01-01", periods=60)
OTHER_COLUMNS = {
    "dates": (DAYS, r"dates or times, in the columns \['when it was'\]"),
    "dates with a zone": (DAYS.tz_localize("UTC"), r"dates or times, in the columns \['when it was'\]"),
    "durations": (DAYS - DAYS[0], r"dates or times, in the columns \['when it was'\]"),
    "periods": (DAYS.to_period("D"), r"dates or times, in the columns \['when it was'\]"),
    "objects of dates": (DAYS.date, r"dates or times, in the columns \['when it was'\]"),
    "dicts": (np.array([{}] * 60), r"objects that are no numbers, in the columns \['when it was'\]"),
    "lists": (pd.Series([[1]] * 60), r"objects that are no numbers, in the columns \['when it was'\]"),
    "intervals": (pd.interval_range(0, 60), r"objects that are no numbers, in the columns \['when it was'\]"),
    "integers beyond float": (
        pd.Series([10**400] + [1] * 59, dtype=object),
        r"must hold numbers in the range of float64; got larger integers in the columns \['when it was'\]",
    ),
}


@pytest.mark.parametrize("name", OTHER_COLUMNS)
def test_columns_that_hold_no_numbers_are_named(name):
    column, match = OTHER_COLUMNS[name]
    frame = pd.DataFrame(X, columns=list("abc"))
    fitted = RegularizedMLPClassifier(**TINY).fit(frame.assign(**{"when it was": 0.0}), Y)
    frame["when it was"] = column
    for kind, call in (
        (RegularizedMLPClassifier, lambda: RegularizedMLPClassifier(**TINY).fit(frame, Y)),
        (RegularizedMLPClassifier, lambda: fitted.predict(frame)),
        (
            RegularizedMLPClassifierCV,
            lambda: RegularizedMLPClassifierCV(**TINY, alphas=[0.1, 1.0], cv=2).fit(frame, Y),
        ),
    ):
        with pytest.raises((ValueError, TypeError), match=match) as error:
            call()
        if "dates or times" in match:
            assert f"Use skreg.table_pipeline({kind.__name__}(...)), which encodes them." in str(error.value)
    if "dates or times" in match:
        model = skreg.table_pipeline(RegularizedMLPClassifier(**TINY)).fit(frame, Y)
        assert model[0].kinds_["when it was"] in ("date", "duration")


@pytest.mark.parametrize(
    "data",
    [
        np.full((60, 2), np.datetime64("2020-01-01")),
        pd.DataFrame({"a": DAYS}),
        pd.DataFrame({"a": DAYS - DAYS[0], "b": DAYS - DAYS[0]}),
        polars.DataFrame({"a": DAYS.date.tolist(), "b": [1.0] * 60}),
    ],
    ids=["array", "dates alone", "durations alone", "polars"],
)
def test_dates_are_not_taken_for_counts_of_some_unit(data):
    with pytest.raises(ValueError, match=r"X holds dates or times, in the columns \["):
        RegularizedMLPClassifier(**TINY).fit(data, Y)


@pytest.mark.parametrize("kind", ["string", "str", "category"])
@pytest.mark.parametrize("beside", ["float64", "Int64", "Float64"])
@pytest.mark.parametrize("with_scaler", [False, True])
def test_types_of_text_of_pandas_get_the_line_beside_every_type_of_numbers(kind, beside, with_scaler):
    frame = with_text("pandas").round().astype({"a": beside, "town": kind})
    model = RegularizedMLPClassifier(**TINY)
    search = GridSearchCV(make_pipeline(StandardScaler(), model) if with_scaler else model, {}, cv=2)
    for call in ([] if with_scaler else [lambda: model.fit(frame, Y)]) + [lambda: search.fit(frame, Y)]:
        with pytest.raises(
            (ValueError, TypeError), match=r"X holds strings, in the columns \['town'\]\. Use "
        ) as error:
            call()
    line = advised(error.value, RegularizedMLPClassifier)
    assert len(line.fit(frame, Y).predict(frame)) == 60


@pytest.mark.parametrize("library", ["pandas", "nullable", "integers", "polars", "objects"])
def test_columns_with_missing_values_are_named(library):
    data = with_gaps("pandas").astype(object) if library == "objects" else with_gaps(library)
    model = RegularizedMLPClassifier(**TINY).fit(pd.DataFrame(X, columns=list("abc")), Y)
    for call in (lambda: RegularizedMLPClassifier(**TINY).fit(data, Y), lambda: model.predict(data)):
        with pytest.raises(ValueError, match=r"^Input X contains NaN\..* Found in the columns \['b'\]\.$"):
            call()


def test_columns_with_infinity_are_named():
    frame = pd.DataFrame(np.where(X == X[3, 1], -np.inf, X), columns=["a", "b c", "d"])
    with pytest.raises(ValueError, match=r"^Input X contains infinity.* Found in the columns \['b c'\]\.$"):
        RegularizedMLPClassifier(**TINY).fit(frame, Y)
    with pytest.raises(ValueError, match=r"^Input X contains infinity.* Found in the columns \['b c'\]\.$"):
        RegularizedMLPClassifier(**TINY).fit(polars.from_pandas(frame), Y)


def test_few_of_many_columns_are_listed():
    frame = pd.DataFrame(np.full((60, 12), np.nan)).rename(columns=str)
    with pytest.raises(ValueError, match=r"columns \['0', .*, '7'\] and 4 more\."):
        RegularizedMLPClassifier(**TINY).fit(frame, Y)


TARGETS = {
    "None": np.array([0, 1, None] * 20, dtype=object),
    "NA": pd.Series([0, 1, pd.NA] * 20, dtype=object),
    "NaN among objects": np.array([0, 1, np.nan] * 20, dtype=object),
    "list": [0, 1, None] * 20,
    "None among strings": np.array(["0", "1", None] * 20, dtype=object),
}


@pytest.mark.parametrize("name", TARGETS)
@BOTH
def test_missing_targets_are_told_of_by_their_rows(kind, name):
    y, cv = TARGETS[name], KINDS_WITH_CV[kind]
    calls = [
        lambda: kind(**TINY).fit(X, y),
        lambda: kind(**TINY).fit(X, Y, X_val=X, y_val=y),
        lambda: cv(**TINY, alphas=[0.1, 1.0], cv=2).fit(X, y),
        lambda: kind(**TINY).partial_fit(X, y, **({"classes": [0, 1]} if kind is RegularizedMLPClassifier else {})),
    ]
    model = kind(**TINY)
    calls += [
        lambda: kind(**TINY).fit(X, Y).score(X, y),
        lambda: GridSearchCV(model, {"alpha": [0.1, 1.0]}, cv=2).fit(X, y),
        lambda: cross_val_score(model, X, y, cv=2),
        lambda: compare_regularizers(X, y, {"a": model, "b": model}, cv=2, n_repeats=1, random_state=0),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="holds missing values .* in 20 of 60 rows, .* is row 2") as error:
            call()
    assert "diverged" not in str(error.value)


def test_missing_labels_and_targets_that_are_no_numbers():
    with pytest.raises(ValueError, match="holds missing values"):
        RegularizedMLPClassifier(**TINY).fit(X, np.array(["a", "b", None] * 20, dtype=object))
    with pytest.raises(ValueError, match="holds missing values"):
        RegularizedMLPClassifier(**TINY).fit(X, pd.Series(["a", "b", pd.NA] * 20, dtype="string"))
    with pytest.raises(ValueError, match="holds missing values"):
        RegularizedMLPRegressor(**TINY).fit(X, np.array([[0, 1.0], [1, None]] * 30, dtype=object))
    for y in (np.array(["a", 1.0] * 30, dtype=object), np.array([10**400] + [1] * 59, dtype=object)):
        with pytest.raises(ValueError, match="y must be an array of numbers in the range of float64"):
            RegularizedMLPRegressor(**TINY).fit(X, y)
    with pytest.raises(ValueError, match="sample_weight must hold numbers in the range of float64"):
        RegularizedMLPRegressor(**TINY).fit(X, X[:, 0], np.array([10**400] + [1] * 59, dtype=object))
