"""Parameters that would regularize or choose something, where they have no effect: one warning each."""

import warnings

import joblib
import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV as PlainGridSearchCV
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._warnings import warn_user
from skreg.inspection import compare_regularizers, default_regularizers
from skreg.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    RegularizedMLPClassifierCV,
    RegularizedMLPRegressorCV,
    alpha_max,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    regularization_path,
    validation_curve,
)

X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.arange(40) % 2
SHORT = {"max_iter": 2, "n_iter_no_change": np.inf, "random_state": 0}
CLASSIFIER, REGRESSOR = RegularizedMLPClassifier, RegularizedMLPRegressor


def make(kind, **options):
    return kind(**{"hidden_layer_sizes": (3,), **SHORT, **options})


def warned(call) -> list[str]:
    """Return the parameters without effect that a call warns of, all of them, about lines of this file."""
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        call()
    record = [warning for warning in record if "has no effect" in str(warning.message)]
    assert {warning.filename for warning in record} <= {__file__}
    return [str(warning.message) for warning in record]


SPLITTER = ShuffleSplit(1, random_state=0)
UNUSED = [
    (CLASSIFIER, {"scoring": "accuracy"}, "scoring='accuracy' has no effect with early_stopping=False."),
    (REGRESSOR, {"refit_on_all": True}, "refit_on_all=True has no effect with early_stopping=False."),
    (REGRESSOR, {"validation_fraction": 0.2}, "validation_fraction=0.2 has no effect with early_stopping=False."),
    (
        REGRESSOR,
        {"validation_fraction": 0.2, "early_stopping": SPLITTER},
        f"validation_fraction=0.2 has no effect with early_stopping={SPLITTER!r}.",
    ),
    (CLASSIFIER, {"penalty": None, "alpha": 0.1}, "alpha=0.1 has no effect with penalty=None."),
    (CLASSIFIER, {"penalty": None, "alpha": [0.1, 0.2]}, "alpha=[0.1, 0.2] has no effect with penalty=None."),
    (REGRESSOR, {"l1_ratio": 0.5}, "l1_ratio=0.5 has no effect with penalty='l2'."),
    (REGRESSOR, {"quantile": 0.9}, "quantile=0.9 has no effect with loss='squared_error'."),
    (REGRESSOR, {"quantile": [0.5], "loss": "huber"}, "quantile=[0.5] has no effect with loss='huber'."),
    (REGRESSOR, {"delta": 2.0}, "delta=2.0 has no effect with loss='squared_error'."),
]


@pytest.mark.parametrize(("kind", "options", "message"), UNUSED)
def test_each_fit_warns_once(kind, options, message):
    model = make(kind, **options)
    assert warned(lambda: model.fit(X, Y)) == [message]
    is_for_fit = "early_stopping" in message
    assert warned(lambda: model.partial_fit(X, Y)) == ([] if is_for_fit else [message])
    assert warned(lambda: make_pipeline(StandardScaler(), model).fit(X, Y)) == [message]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (CLASSIFIER, {}),
        # That it was given cannot be seen.
        (CLASSIFIER, {"scoring": "loss", "validation_fraction": 0.1, "refit_on_all": False, "early_stopping": False}),
        (CLASSIFIER, {"early_stopping": True, "scoring": "accuracy", "validation_fraction": 0.3, "refit_on_all": True}),
        (CLASSIFIER, {"early_stopping": SPLITTER, "scoring": "accuracy", "refit_on_all": True}),
        (REGRESSOR, {"loss": "quantile", "quantile": [0.1, 0.9]}),
        (REGRESSOR, {"loss": "huber", "delta": 2.0}),
        (REGRESSOR, {"hidden_layer_sizes": (), "dropout": 0.1, "normalization": "batch"}),
        (CLASSIFIER, {"penalty": "elasticnet", "alpha": 0.1, "l1_ratio": 0.2}),
        # What other solvers and schedules would read, as in scikit-learn's MLP.
        (CLASSIFIER, {"momentum": 0.5, "power_t": 0.3, "max_fun": 7, "nesterovs_momentum": False}),
        (CLASSIFIER, {"solver": "sgd", "learning_rate_init": 0.01, "beta_1": 0.5, "beta_2": 0.5, "epsilon": 1e-3}),
    ],
)
def test_what_has_an_effect_or_belongs_to_the_solver_does_not_warn(kind, options):
    assert warned(lambda: make(kind, **options).fit(X, Y)) == []


def test_scoring_scores_validation_rows_without_early_stopping_too():
    model = make(CLASSIFIER, scoring="accuracy")
    assert warned(lambda: model.fit(X, Y, X_val=X, y_val=Y)) == []
    assert model.best_validation_score_ == model.score(X, Y)


@pytest.mark.filterwarnings("ignore:No feature is selected:UserWarning")  # after so few epochs
def test_estimators_with_cross_validation_warn_once():
    options = {"alphas": [0.001, 0.01], "cv": 2}
    assert warned(lambda: make(RegularizedMLPClassifierCV, scoring="accuracy", **options).fit(X, Y)) == []
    unused = {"l1_ratio": 0.3, "validation_fraction": 0.2, "refit_on_all": True, "delta": 3.0}
    model = make(RegularizedMLPRegressorCV, **unused, **options)
    assert warned(lambda: model.fit(X, X[:, 0])) == [
        "l1_ratio=0.3 has no effect with penalty='group_lasso'.",
        "validation_fraction=0.2 has no effect with early_stopping=False.",
        "refit_on_all=True has no effect with early_stopping=False.",
        "delta=3.0 has no effect with loss='squared_error'.",
    ]
    assert {name: getattr(model, name) for name in unused} == unused
    plain = make(RegularizedMLPRegressorCV, **options).fit(X, X[:, 0])
    np.testing.assert_array_equal(model.predict(X), plain.predict(X))


def test_paths_warn_once():
    model = make(REGRESSOR, hidden_layer_sizes=(), penalty="l1", l1_ratio=0.3, scoring="r2", alpha=0.7)
    messages = [
        "l1_ratio=0.3 has no effect with penalty='l1'.",
        "scoring='r2' has no effect with early_stopping=False.",
    ]
    assert warned(lambda: regularization_path(model, X, X[:, 0], alphas=[0.01, 0.1, 0.2])) == messages
    assert warned(lambda: alpha_max(model, X, X[:, 0])) == messages


@pytest.mark.parametrize("search", [GridSearchCV, PlainGridSearchCV])
def test_searches_over_scoring_and_early_stopping_run(search):
    """Ours warn once; in scikit-learn's every fit does."""
    grid = {"early_stopping": [False, True], "scoring": ["loss", "accuracy"], "validation_fraction": [0.1, 0.3]}
    found = search(make(CLASSIFIER), grid, cv=2, error_score="raise", refit=False)
    messages = warned(lambda: found.fit(X, Y))
    assert sorted(messages if search is GridSearchCV else set(messages)) == [
        "scoring='accuracy' has no effect with early_stopping=False.",
        "validation_fraction=0.3 has no effect with early_stopping=False.",
    ]
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()


def test_searches_over_penalties_and_strengths_warn_once():
    grid = {"penalty": [None, "l1"], "alpha": [0.1]}
    search = GridSearchCV(make(CLASSIFIER), grid, cv=3, refit=False)
    assert warned(lambda: search.fit(X, Y)) == ["alpha=0.1 has no effect with penalty=None."]


@pytest.mark.parametrize("hidden_layer_sizes", [(), (3,)])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda network: network,
        lambda network: make_pipeline(StandardScaler(), network),
        lambda network: TransformedTargetRegressor(make_pipeline(StandardScaler(), network)),
    ],
)
def test_default_regularizers_do_not_warn(wrap, hidden_layer_sizes):
    stopping = {"early_stopping": GroupShuffleSplit(1), "validation_fraction": 0.3, "refit_on_all": True}
    network = make(REGRESSOR, hidden_layer_sizes=hidden_layer_sizes, scoring="r2", **stopping)
    regularizers = default_regularizers(wrap(network))
    for name, (estimator, grid) in regularizers.items():
        first = {parameter: values[0] for parameter, values in grid.items()}
        estimator.set_params(**first)
        assert warned(lambda estimator=estimator: estimator.fit(X, X[:, 0])) == [], name
    stopping = regularizers["early_stopping"][0].get_params()
    kept = {name.rpartition("__")[2]: value for name, value in stopping.items()}
    assert (kept["scoring"], kept["validation_fraction"], kept["refit_on_all"]) == ("r2", 0.3, True)


# -- one search, one warning -------------------------------------------------------------------------------------------

NO_PENALTY = {"penalty": None, "alpha": 0.1}
MESSAGE = "alpha=0.1 has no effect with penalty=None."


@pytest.mark.parametrize("options", [{"solver": "lbfgs"}, {"warm_start": True}, {"early_stopping": True}])
def test_each_call_of_fit_warns_once(options):
    model = make(CLASSIFIER, **NO_PENALTY, **options, tol=1e9)
    for _ in range(2):
        assert warned(lambda: model.fit(X, Y)) == [MESSAGE]


def test_a_second_fit_on_all_rows_does_not_warn_again():
    model = make(CLASSIFIER, **NO_PENALTY, early_stopping=True, refit_on_all=True)
    assert warned(lambda: model.fit(X, Y)) == [MESSAGE]


def in_both(network):
    return TransformedTargetRegressor(make_pipeline(StandardScaler(), network), transformer=StandardScaler())


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize(
    ("kind", "wrap", "prefix"),
    [(CLASSIFIER, lambda network: network, ""), (REGRESSOR, in_both, "regressor__regularizedmlpregressor__")],
)
def test_fits_that_are_trained_together_warn_once(kind, wrap, prefix, n_jobs):
    model, options = wrap(make(kind, **NO_PENALTY)), {"cv": 2, "n_jobs": n_jobs}
    values = [0.01, 0.02]
    grid, curve = {f"{prefix}learning_rate_init": values}, {"param_name": f"{prefix}learning_rate_init"}
    random = {"n_iter": 2, "random_state": 0}
    comparison = {"n_repeats": 1, "random_state": 0, "verbose": 0, **options}
    calls = [
        lambda: GridSearchCV(model, grid, refit=False, **options).fit(X, Y),
        lambda: RandomizedSearchCV(model, grid, refit=False, **random, **options).fit(X, Y),
        lambda: cross_validate(model, X, Y, **options),
        lambda: cross_val_score(model, X, Y, **options),
        lambda: cross_val_predict(model, X, Y, **options),
        lambda: learning_curve(model, X, Y, train_sizes=[0.5, 1.0], **options),
        lambda: validation_curve(model, X, Y, param_range=values, **curve, **options),
    ]
    assert [warned(call) for call in calls] == [[MESSAGE]] * len(calls)
    assert warned(lambda: compare_regularizers(X, Y, {"a": (model, grid)}, **comparison)) == [f"'a': {MESSAGE}"]


@pytest.mark.filterwarnings("ignore:No feature is selected:UserWarning")  # after so few epochs
@pytest.mark.parametrize("options", [{"relax": True, "adaptive": True}, {"early_stopping": True, "n_jobs": 2}])
def test_estimators_with_cross_validation_warn_once_in_whatever_way_they_fit(options):
    model = make(RegularizedMLPClassifierCV, l1_ratio=0.3, alphas=[0.001, 0.01], cv=2, **options)
    assert warned(lambda: model.fit(X, Y)) == ["l1_ratio=0.3 has no effect with penalty='group_lasso'."]


@pytest.mark.filterwarnings("ignore:No feature is selected:UserWarning")  # after so few epochs
def test_fits_of_estimators_with_cross_validation_warn_once():
    """They are trained one by one, but say what they have in common once, as networks that train together do."""
    unused, message = {"validation_fraction": 0.2}, "validation_fraction=0.2 has no effect with early_stopping=False."
    network = make(CLASSIFIER, **unused)
    model = make(RegularizedMLPClassifierCV, alphas=[0.001, 0.01], cv=2, **unused)
    options = {"cv": 2, "n_repeats": 1, "inner_cv": 2, "random_state": 0, "verbose": 0}
    grid = {"selection": ["best", "one_se"]}
    named = [f"'cv': {message}"]
    assert warned(lambda: compare_regularizers(X, Y, {"cv": (model, grid)}, **options)) == named
    assert warned(lambda: compare_regularizers(X, Y, {"a": network, "cv": model}, **options)) == [f"'a': {message}"]
    search = GridSearchCV(make_pipeline(StandardScaler(), model), {"standardscaler__with_mean": [True, False]}, cv=2)
    assert warned(lambda: search.fit(X, Y)) == [message]
    for backend in ("threading", "loky"):
        with joblib.parallel_config(backend, n_jobs=2):
            assert warned(lambda: cross_val_score(model, X, Y, cv=2)) == [message], backend


@pytest.mark.filterwarnings("ignore:No feature is selected:UserWarning")  # after so few epochs
def test_fits_of_estimators_with_cross_validation_say_of_the_last_fit_alone_that_it_has_not_converged():
    """The fits that choose the strength are meant to be short, whoever keeps their warnings.

    Without a last fit there is no warning; with it, one for all folds around it.
    """
    model = RegularizedMLPClassifierCV((3,), alphas=2, cv=2, max_iter=6, random_state=0)
    constant = {"scoring": lambda estimator, X, y: 1.0, "error_score": "raise"}
    calls = {
        "a fit": lambda: model.fit(X[:20], Y[:20]),
        "in turn": lambda: cross_validate(model, X, Y, cv=2, **constant),
        "threads": lambda: cross_validate(model, X, Y, cv=2, n_jobs=2, **constant),
    }
    for has_last_fit in (True, False):
        model.set_params(refit=has_last_fit)
        for name, call in calls.items():
            with joblib.parallel_config("threading"), warnings.catch_warnings(record=True) as record:
                warnings.simplefilter("always")
                call()
            n_warnings = sum(warning.category is ConvergenceWarning for warning in record)
            assert n_warnings == (1 if has_last_fit else 0), name


class Filtered(RegularizedMLPClassifier):
    """A user's class with a filter for warnings of its own."""

    action = "ignore"

    def fit(self, X, y):
        with warnings.catch_warnings():
            warnings.filterwarnings(self.action, "alpha=.* has no effect", UserWarning)
            return super().fit(X, y)


class Unfiltered(Filtered):
    action = "always"


@pytest.mark.parametrize(
    ("backend", "once", "named"), [("sequential", set, MESSAGE), ("loky", list, f"'b': {MESSAGE}")]
)
def test_what_a_block_silences_is_not_said_later(backend, once, named):
    """Fits of a user's class warn as Python does; what they say in other processes is collected, and said once."""
    silent, loud = make(Filtered, **NO_PENALTY), make(Unfiltered, **NO_PENALTY)
    options = {"cv": 2, "n_repeats": 1, "random_state": 0, "verbose": 0}
    with joblib.parallel_config(backend, n_jobs=2):
        assert warned(lambda: cross_validate(silent, X, Y, cv=2, error_score="raise")) == []
        assert once(warned(lambda: cross_validate(loud, X, Y, cv=2, error_score="raise"))) == once([MESSAGE])
        compared = warned(lambda: compare_regularizers(X, Y, {"a": silent, "b": loud}, **options))
        assert once(compared) == once([named])


@pytest.mark.parametrize(
    ("filters", "is_given"),
    [
        ([], True),
        ([{}], False),
        ([{"category": ConvergenceWarning}], True),
        ([{"message": "alpha=.* no effect"}], False),
        ([{"message": "no effect"}], True),
        ([{"message": "'a': alpha"}], False),
        ([{"module": __name__}], False),
        ([{"module": "another"}], True),
        ([{"lineno": 1}], True),
        ([{}, {"action": "always", "message": "alpha"}, {"action": "always", "message": "'a'"}], True),
        ([{"action": "always"}, {"message": "alpha"}], False),
    ],
)
def test_filters_hold_for_warnings_with_the_name_of_an_estimator(filters, is_given):
    """The first one that matches the warning of the estimator counts, as for a fit of its own."""
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        for options in filters:  # the last comes first
            warnings.filterwarnings(**{"action": "ignore"} | options)
        # As Python itself has some: the name of a module that is no pattern.
        warnings.filters.insert(0, ("ignore", None, UserWarning, "__main__", 0))
        warn_user(MESSAGE, prefix="'a': ")
    assert [str(warning.message) for warning in record] == ([f"'a': {MESSAGE}"] if is_given else [])


def test_a_filter_for_the_text_of_a_warning_holds_in_comparisons():
    networks = {"a": make(CLASSIFIER, **NO_PENALTY), "b": make(CLASSIFIER, penalty="l2", alpha=1.0)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="alpha=.* no effect")
        compare_regularizers(X, Y, networks, cv=2, n_repeats=1, random_state=0, refit=False, verbose=0)


@pytest.mark.parametrize("options", [{}, {"solver": "lbfgs"}])
@pytest.mark.parametrize(
    ("kind", "wrap", "prefix"),
    [(CLASSIFIER, lambda network: network, ""), (REGRESSOR, in_both, "regressor__regularizedmlpregressor__")],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_fit_to_all_rows_does_not_say_again_what_the_folds_have_said(kind, wrap, prefix, options):
    search = GridSearchCV(wrap(make(kind, **NO_PENALTY, **options)), {f"{prefix}learning_rate_init": [0.01]}, cv=2)
    assert warned(lambda: search.fit(X, Y)) == [MESSAGE]
    assert hasattr(search, "best_estimator_")


@pytest.mark.filterwarnings("ignore:No feature is selected:UserWarning")  # after so few epochs
def test_the_fit_to_all_rows_of_estimators_with_cross_validation_does_not_say_it_again():
    model = make(RegularizedMLPClassifierCV, l1_ratio=0.3, alphas=[0.001, 0.01], cv=2)
    message = "l1_ratio=0.3 has no effect with penalty='group_lasso'."
    assert warned(lambda: GridSearchCV(model, {"max_iter": [2]}, cv=2).fit(X, Y)) == [message]


def of_ones(y, Z):
    raise ArithmeticError("no loss")


@pytest.mark.parametrize("options", [{}, {"solver": "lbfgs"}])
@pytest.mark.parametrize("wrap", [lambda network: network, in_both])
def test_what_was_found_before_an_error_is_said(wrap, options):
    """Also by fits that are made before they are asked for."""
    gaps = X.copy()
    gaps[3, 1] = np.nan
    calls = [
        (gaps, wrap(make(REGRESSOR, **NO_PENALTY, **options)), ValueError),
        (X, wrap(make(REGRESSOR, **NO_PENALTY, **options, loss=of_ones)), ArithmeticError),
    ]
    for rows, model, kind in calls:

        def fails(rows=rows, model=model, kind=kind):
            with pytest.raises(kind):
                model.fit(rows, X[:, 0])

        def fails_in_folds(rows=rows, model=model, kind=kind):
            with pytest.raises(kind):
                cross_validate(model, rows, X[:, 0], cv=2, error_score="raise")

        # StandardScaler lets gaps pass.
        assert warned(fails) == [MESSAGE]
        assert warned(fails_in_folds) == [MESSAGE]


def test_a_warning_that_is_an_error_leaves_the_estimator_as_it_was():
    model = make(CLASSIFIER, **NO_PENALTY)
    before = dict(vars(model))
    for unfinished in (model, model.set_params(alpha=None, max_iter=2, n_iter_no_change=5)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises((UserWarning, ConvergenceWarning)):
                unfinished.fit(X, Y)
        assert vars(model).keys() == before.keys()


class Counted(RegularizedMLPRegressor):
    """A user's class that counts its fits."""

    n_fits = 0

    def fit(self, X, y, sample_weight=None):
        type(self).n_fits += 1
        return super().fit(X, y, sample_weight)


def test_fits_of_a_users_class_along_a_path_are_its_own():
    options = {"penalty": "l1", "random_state": 0, "max_iter": 2, "n_iter_no_change": np.inf}
    models = [kind((3,), **options) for kind in (Counted, RegularizedMLPRegressor)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own, plain = (regularization_path(model, X, X[:, 0], alphas=[0.001, 0.01, 0.1]) for model in models)
    assert Counted.n_fits >= 5  # three along the path, and two from scratch
    for first, second in zip(own.estimators, plain.estimators, strict=True):
        np.testing.assert_allclose(first.coefs_[0], second.coefs_[0], rtol=1e-10)
