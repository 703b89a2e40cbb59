"""What the tests of searches share: small networks, data, and comparisons with scikit-learn's results."""

import contextlib
import re
import warnings
from unittest import mock

import numpy as np
import pytest
import sklearn.model_selection
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import make_classification
from sklearn.preprocessing import scale

import skreg.model_selection
from skreg.adapters.skorch import RegularizedNet
from tests.helpers import KINDS

MODULES = (skreg.model_selection, sklearn.model_selection)
SHORT = {
    "hidden_layer_sizes": (8,),
    "max_iter": 4,
    "batch_size": 16,
    "learning_rate_init": 0.02,
    "tol": 0,
    "n_iter_no_change": np.inf,
    "random_state": 0,
}
N_ROWS = 85


def log_likelihood(model, X, y):
    """Return a score that, unlike the accuracy, shows the least difference between two classifiers."""
    shares = model.predict_proba(X)[np.arange(len(y)), np.searchsorted(model.classes_, y)]
    return float(np.log(shares).mean())


def share_of_zeros(model, X, y):
    """Return the share of zeros in the first layer, as a scorer."""
    return float(model.sparsity_[0])


def negative_error(model, X, y):
    """Return a score of regressors that takes less time than scikit-learn's."""
    return -float(np.abs(model.predict(X) - y).mean())


SCORING = {"classifier": log_likelihood, "regressor": negative_error}
WEIGHTED_SCORING = {"classifier": "neg_log_loss", "regressor": "neg_mean_absolute_error"}


def data(kind="classifier", n_classes=3, n_rows=N_ROWS):
    """Return inputs of six scaled columns, and labels or numbers."""
    X, labels = make_classification(
        n_rows, 6, n_informative=5, n_redundant=1, n_classes=n_classes, flip_y=0.1, random_state=0
    )
    X = scale(X)
    return X, labels if kind == "classifier" else scale(X[:, 0] * X[:, 1] + labels)


def make(kind="classifier", **options):
    """Return a small network."""
    return KINDS[kind](**{**SHORT, **options})


def uneven_weights(n_rows=N_ROWS):
    """Return weights, a few of which are zero."""
    weight = np.random.default_rng(0).uniform(0.1, 3, n_rows)
    weight[::9] = 0
    return weight


@contextlib.contextmanager
def single_fits():
    """Give a list to which every training of a network by itself is added."""
    fits, train = [], RegularizedNet.train

    def recorded(net, *args, **options):
        fits.append(net)
        return train(net, *args, **options)

    with mock.patch.object(RegularizedNet, "train", recorded):
        yield fits


def fitted_attributes(model):
    """Return what a fit has left."""
    return {name: value for name, value in vars(model).items() if name.endswith("_") and not name.startswith("_")}


def shown(estimator):
    """Return the text of an estimator, without the places in memory where its parameters are."""
    return re.sub(r"0x[0-9A-Fa-f]+", "", repr(estimator))


def assert_close(ours, theirs, tol, where=""):
    """Fail unless two nested structures are alike, numbers up to a tolerance; ``tol=None`` is bit for bit."""
    assert type(ours) is type(theirs), where
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs), where
        for name in theirs:
            assert_close(ours[name], theirs[name], tol, f"{where}[{name!r}]")
    elif isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs), where
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            assert_close(a, b, tol, f"{where}[{i}]")
    elif isinstance(theirs, np.ndarray | float):
        assert np.asarray(ours).dtype == np.asarray(theirs).dtype, where
        if tol is None or np.asarray(theirs).dtype.kind != "f":
            np.testing.assert_array_equal(ours, theirs, err_msg=where, strict=True)
        else:
            np.testing.assert_allclose(ours, theirs, rtol=tol, atol=tol, err_msg=where, strict=True)
    elif isinstance(theirs, BaseEstimator):
        assert shown(ours) == shown(theirs), where
    else:
        assert ours == theirs, where


def assert_same_fit(ours, theirs, tol=1e-6):
    """Fail unless two networks have the same parameters and fitted attributes; ``tol=None`` is bit for bit."""
    assert type(ours) is type(theirs)
    assert shown(ours) == shown(theirs)
    mine, expected = fitted_attributes(ours), fitted_attributes(theirs)
    assert set(mine) == set(expected)
    for name, value in expected.items():
        assert_close(mine[name], value, tol, name)


def assert_same_results(ours, theirs, tol=1e-6):
    """Fail unless two results of searches or cross-validations agree in all but times; ``tol=None`` bit for bit."""
    assert list(ours) == list(theirs)
    for name, expected in theirs.items():
        found = ours[name]
        if name.endswith("_time"):
            assert found.shape == expected.shape
            assert (found >= 0).all()
        elif isinstance(expected, np.ma.MaskedArray):
            assert found.dtype == expected.dtype
            assert np.ma.getmaskarray(found).tolist() == np.ma.getmaskarray(expected).tolist()
            assert found.compressed().tolist() == expected.compressed().tolist()
        elif name == "estimator":
            for mine, one in zip(found, expected, strict=True):
                assert_same_fit(mine, one, tol)
        else:
            assert_close(found, expected, tol, name)


def both_searches(estimator, grid, X, y, *, fit=None, tol=1e-6, kind="GridSearchCV", n_single=None, **options):
    """Return our search and scikit-learn's, fitted, after a comparison of all that they found.

    With ``n_single``, that is how many networks our search must have trained by themselves.
    """
    searches = []
    for module in MODULES:
        with single_fits() as fits:
            searches.append(getattr(module, kind)(clone(estimator), grid, **options).fit(X, y, **(fit or {})))
        if module is skreg.model_selection and n_single is not None:
            assert len(fits) == n_single, f"{len(fits)} single fits instead of {n_single}"
    ours, theirs = searches
    assert_same_results(ours.cv_results_, theirs.cv_results_, tol)
    assert set(fitted_attributes(ours)) == set(fitted_attributes(theirs))
    for name in ("n_splits_", "multimetric_", "best_index_", "best_params_", "best_score_"):
        assert hasattr(ours, name) == hasattr(theirs, name), name
        if hasattr(theirs, name):
            assert_close(getattr(ours, name), getattr(theirs, name), tol, name)
    if hasattr(theirs, "best_estimator_"):
        assert type(ours.best_estimator_) is type(theirs.best_estimator_)
        assert shown(ours.best_estimator_) == shown(theirs.best_estimator_)
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    return ours, theirs


def both_warn(estimator, grid, X, y, *, fit=None, **options):
    """Return our search, fitted, and its warnings, after a comparison of results and warnings with scikit-learn's."""
    searches, warned = [], []
    for module in MODULES:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            searches.append(module.GridSearchCV(clone(estimator), grid, **options).fit(X, y, **(fit or {})))
        # Tracebacks of failed fits differ in their calls.
        warned.append({(w.category, re.split("Below are more|Details:", str(w.message))[0]) for w in caught})
    assert_same_results(*(search.cv_results_ for search in searches))
    assert warned[0] == warned[1]
    return searches[0], warned[0]


def both_raise(run):
    """Return the error that a function of our module raises, which is that of scikit-learn's module."""
    errors = []
    for module in MODULES:
        with pytest.raises(Exception) as info:  # noqa: PT011 - which one is compared
            run(module)
        errors.append(info.value)
    ours, theirs = errors
    same = [(type(error), str(error).split("Below are more")[0]) for error in errors]
    assert same[0] == same[1], f"{ours!r} instead of {theirs!r}"
    return ours


def both(name, *args, tol=1e-6, **options):
    """Return what our function and scikit-learn's of the same name give, after a comparison."""
    ours, theirs = (getattr(module, name)(*args, **options) for module in MODULES)
    if isinstance(theirs, dict):
        assert_same_results(ours, theirs, tol)
    else:
        assert_close(ours, theirs, tol, name)
    return ours, theirs
