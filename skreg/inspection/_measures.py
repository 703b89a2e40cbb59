"""Scores, losses and sizes of a fitted estimator on the rows of a fold."""

import numpy as np
from sklearn.metrics import mean_squared_error

from skreg._estimator.scoring import number_of
from skreg.compose import pinball_loss, quantile_levels
from skreg.inspection._metrics import calibration_error, log_loss_of
from skreg.inspection._networks import fitted_network


def names_of_measures(classifier: bool, has_quantiles: bool = False) -> list[str]:
    """Return the names of the measures of :func:`measures_of`, in order."""
    losses = ["pinball_loss" if has_quantiles else "mean_squared_error"]
    if classifier:
        losses = ["log_loss", "calibration_error", "classwise_calibration_error"]
    return ["test_score", "train_score", "gap", *losses, "zeros", "parameters", "epochs"]


def measures_of(estimator, scorer, train: tuple, test: tuple, *, classifier: bool) -> dict[str, float]:
    """Return scores, losses and sizes; NaN for what an estimator does not have.

    Parameters
    ----------
    estimator : estimator
        Fitted to the training rows.
    scorer : callable
        Score to report.
    train, test : tuple
        X and y of the training and of the test rows.
    classifier : bool
        Whether the estimator classifies.

    Returns
    -------
    dict of str to float
        One number for each name.
    """
    of_test, of_train = number_of(scorer(estimator, *test)), number_of(scorer(estimator, *train))
    has_quantiles = quantile_levels(estimator) is not None
    measures = dict.fromkeys(names_of_measures(classifier, has_quantiles), np.nan)
    measures |= {"test_score": of_test, "train_score": of_train, "gap": of_train - of_test}
    if has_quantiles:
        measures["pinball_loss"] = pinball_loss(estimator, *test)
    elif not classifier:
        measures["mean_squared_error"] = mean_squared_error(test[1], estimator.predict(test[0]))
    elif hasattr(estimator, "predict_proba"):
        proba = _probabilities(estimator, test[0])
        measures["log_loss"] = _log_loss(estimator, test[1], proba)
        for kind, name in (("confidence", "calibration_error"), ("classwise", "classwise_calibration_error")):
            measures[name] = _calibration_error(estimator, test[1], proba, kind)
    return measures | _of_network(estimator)


def minus_pinball_loss(estimator, X, y) -> float:
    """Return minus the mean pinball loss of several quantiles: a scorer."""
    return -pinball_loss(estimator, X, y)


def minus_log_loss(estimator, X, y) -> float:
    """Return minus the mean log-loss, summed over labels if there are several: a scorer."""
    return -_log_loss(estimator, y, _probabilities(estimator, X))


def _probabilities(estimator, X) -> np.ndarray:
    """Return a column for each class, or for each label the probability that it holds."""
    proba = estimator.predict_proba(X)
    if isinstance(proba, list):  # one array for each label, as scikit-learn's forests return them
        labels = zip(proba, estimator.classes_, strict=True)
        # A label that all training rows lack, or have, has a single column.
        proba = np.column_stack([of_label[:, classes == 1].sum(axis=1) for of_label, classes in labels])
    return proba


def _log_loss(estimator, y, proba: np.ndarray) -> float:
    if y.ndim == 1:
        return log_loss_of(estimator.classes_, y, proba)
    return sum(log_loss_of(np.arange(2), y[:, j], np.column_stack([1 - p, p])) for j, p in enumerate(proba.T))


def _calibration_error(estimator, y, proba: np.ndarray, kind: str) -> float:
    """Return the calibration error of the classes; of labels, that of all probabilities, or the mean of each."""
    if y.ndim == 2:
        labels = zip(y.T, proba.T, strict=True) if kind == "classwise" else [(y.ravel(), proba.ravel())]
        return float(np.mean([calibration_error(*of_label, labels=[0, 1]) for of_label in labels]))
    # A class that the training rows did not have has no column.
    labels = np.union1d(estimator.classes_, y)
    complete = np.zeros((len(y), len(labels)))
    complete[:, np.searchsorted(labels, estimator.classes_)] = proba
    return calibration_error(y, complete, labels=labels, kind=kind)


def _of_network(estimator) -> dict[str, float]:
    """Return sizes and epochs of a network of skreg; an empty dict for other estimators."""
    network = fitted_network(estimator)
    if network is None:
        return {}
    weights = network.coefs_ + ([] if network.skip_coef_ is None else [network.skip_coef_])
    others = network.intercepts_ + [p[name] for p in network.normalization_params_ for name in ("gain", "shift")]
    n_weights, n_used = sum(W.size for W in weights), sum(np.count_nonzero(W) for W in weights)
    return {
        "zeros": 1 - n_used / n_weights,
        "parameters": n_used + sum(np.count_nonzero(values) for values in others),
        "epochs": network.n_iter_,
    }
