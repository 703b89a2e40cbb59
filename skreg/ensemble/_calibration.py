"""Calibration of probabilities on rows that were not trained on: temperature, isotonic regression, sigmoid."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, log_softmax, logit
from sklearn.isotonic import IsotonicRegression

from skreg._sklearn_private import SigmoidCalibration

CALIBRATIONS = ("temperature", "isotonic", "sigmoid")

# Where all rows are right, the loss has no minimum: it falls until the temperature is 0. Where the probabilities are
# worse than none, it falls until the temperature is infinite.
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.1, 100.0
# Smaller probabilities count as this one, as in scikit-learn: a probability of 0 would have an infinite loss.
MIN_PROBABILITY = 1e-12


def make_calibrator(name: str, *, multilabel: bool = False) -> "Temperature | OneVersusRest":
    """Return an unfitted calibrator.

    Parameters
    ----------
    name : {'temperature', 'isotonic', 'sigmoid'}
        Kind of calibration.
    multilabel : bool, default=False
        Whether columns are labels, each with a probability of its own, rather than classes, whose probabilities sum
        to 1.

    Returns
    -------
    Temperature or OneVersusRest
        A calibrator with ``fit(probabilities, targets, sample_weight=None)`` and ``predict(probabilities)``.

    Raises
    ------
    ValueError
        If there is no calibration of this name.
    """
    if not isinstance(name, str) or name not in CALIBRATIONS:
        allowed = ", ".join(map(repr, CALIBRATIONS))
        raise ValueError(f"The 'calibration' parameter must be one of {allowed}; got {name!r}.")
    return Temperature(multilabel=multilabel) if name == "temperature" else OneVersusRest(name, multilabel=multilabel)


class Temperature:
    r"""One temperature for all classes, :math:`p_T = \mathrm{softmax}(\log(p) / T)`.

    `fit` finds the temperature with the smallest mean log-loss on the rows that it gets; see :func:`temperature_of`.
    The order of the classes stays as it is. For two classes, and for each label of multilabel targets, this divides
    the logit by T.

    Parameters
    ----------
    multilabel : bool, default=False
        Whether columns are labels rather than classes.

    Attributes
    ----------
    temperature_ : float
        The temperature T, from 0.1 to 100; above 1 for probabilities that were too sure.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger (2017), "On calibration of modern neural networks", section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skreg.ensemble._calibration import Temperature
    >>> sure = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.1, 0.9]])
    >>> calibrator = Temperature().fit(sure, np.array([0, 0, 1, 1]))  # one of four is wrong
    >>> calibrator.predict(sure).round(2)
    array([[0.75, 0.25],
           [0.75, 0.25],
           [0.75, 0.25],
           [0.25, 0.75]])
    """

    def __init__(self, *, multilabel=False):
        self.multilabel = multilabel

    def fit(self, probabilities, targets, sample_weight=None):
        """Find the temperature.

        Parameters
        ----------
        probabilities : ndarray of shape (n_rows, n_classes) or (n_rows, n_labels)
            Probabilities of rows that were not trained on. Those below 1e-12 count as 1e-12.
        targets : ndarray of shape (n_rows,) or (n_rows, n_labels)
            Columns of the true classes; of multilabel targets zeros and ones.
        sample_weight : ndarray of shape (n_rows,), default=None
            Weights of the rows.

        Returns
        -------
        self
            The calibrator itself.

        Raises
        ------
        ValueError
            If no row has a positive weight, or a probability is not between 0 and 1.
        """
        probabilities, targets, weights = _checked(probabilities, targets, sample_weight)
        self.temperature_ = temperature_of(_logs(probabilities, self.multilabel), targets, weights)
        return self

    def predict(self, probabilities):
        """Return calibrated probabilities.

        Parameters
        ----------
        probabilities : ndarray of shape (n_rows, n_classes) or (n_rows, n_labels)
            Probabilities.

        Returns
        -------
        ndarray of float64 of the same shape
            Calibrated probabilities.
        """
        scaled = _logs(np.asarray(probabilities, dtype=np.float64), self.multilabel) / self.temperature_
        return expit(scaled) if self.multilabel else np.exp(log_softmax(scaled, axis=1))


def temperature_of(logs, targets, weights=None) -> float:
    r"""Return the temperature with the smallest mean log-loss.

    The loss is convex in 1/T. Its minimum is sought for T from 0.1 to 100: where all rows are right it has none, and
    where probabilities are worse than none it is at infinity. It is never above the loss at T = 1.

    Parameters
    ----------
    logs : ndarray of shape (n_rows, n_classes) or (n_rows, n_labels)
        Log-probabilities of classes, or other logits of the softmax; with targets of two dimensions logits of labels.
    targets : ndarray of shape (n_rows,) or (n_rows, n_labels)
        Columns of the true classes; of multilabel targets zeros and ones.
    weights : ndarray of shape (n_rows,), default=None
        Weights of the rows.

    Returns
    -------
    float
        The temperature T.
    """
    # Differences from the true class: the loss of a row is log(sum(exp(differences / T))).
    if targets.ndim == 2:
        signed = np.where(targets > 0, logs, -logs)

        def losses(inverse):
            return -log_expit(inverse * signed).mean(axis=1)
    else:
        rows = np.arange(len(logs))

        def losses(inverse):
            return -log_softmax(inverse * logs, axis=1)[rows, targets]

    def mean_loss(inverse):
        return np.average(losses(inverse), weights=weights)

    lowest, highest = 1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE
    found = minimize_scalar(mean_loss, bounds=(lowest, highest), method="bounded", options={"xatol": 1e-10}).x
    # The search within bounds does not try the bounds themselves. The first of equals is taken, 1 before all.
    return float(1 / min((1.0, lowest, highest, found), key=mean_loss))


class OneVersusRest:
    """A calibrator for each class against the rest, or for each label: isotonic regression or a sigmoid.

    The probabilities of the classes are then divided by their sum, as by
    :class:`~sklearn.calibration.CalibratedClassifierCV`; with two classes there is one calibrator, of the second. A
    column without rows of both kinds, in the class and not in it, keeps its probabilities.

    Parameters
    ----------
    method : {'isotonic', 'sigmoid'}
        Kind of calibrator.
    multilabel : bool, default=False
        Whether columns are labels rather than classes.

    Attributes
    ----------
    calibrators_ : list of length n_calibrators
        For each column its calibrator, or None where probabilities stay as they are; with two classes one.

    References
    ----------
    Zadrozny and Elkan (2002), "Transforming classifier scores into accurate multiclass probability estimates".

    Platt (1999), "Probabilistic outputs for support vector machines".

    Examples
    --------
    >>> import numpy as np
    >>> from skreg.ensemble._calibration import OneVersusRest
    >>> sure = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.1, 0.9]])
    >>> calibrator = OneVersusRest("isotonic").fit(sure, np.array([0, 0, 1, 1]))
    >>> calibrator.predict(sure)[:, 1].round(2)
    array([0.33, 0.33, 0.33, 1.  ])
    """

    def __init__(self, method, *, multilabel=False):
        self.method = method
        self.multilabel = multilabel

    def fit(self, probabilities, targets, sample_weight=None):
        """Fit a calibrator for each column.

        Parameters
        ----------
        probabilities : ndarray of shape (n_rows, n_classes) or (n_rows, n_labels)
            Probabilities of rows that were not trained on.
        targets : ndarray of shape (n_rows,) or (n_rows, n_labels)
            Columns of the true classes; of multilabel targets zeros and ones.
        sample_weight : ndarray of shape (n_rows,), default=None
            Weights of the rows.

        Returns
        -------
        self
            The calibrator itself.

        Raises
        ------
        ValueError
            If no row has a positive weight, or a probability is not between 0 and 1.
        """
        probabilities, targets, weights = _checked(probabilities, targets, sample_weight)
        indicators = targets if self.multilabel else targets[:, None] == np.arange(probabilities.shape[1])
        if self._is_binary(probabilities):
            probabilities, indicators = probabilities[:, 1:], indicators[:, 1:]
        columns = zip(probabilities.T, indicators.T.astype(int), strict=True)
        self.calibrators_ = [self._fitted(*column, weights) for column in columns]
        return self

    def predict(self, probabilities):
        """Return calibrated probabilities.

        Parameters
        ----------
        probabilities : ndarray of shape (n_rows, n_classes) or (n_rows, n_labels)
            Probabilities.

        Returns
        -------
        ndarray of float64 of the same shape
            Calibrated probabilities. Where those of all classes are 0, the classes are equally probable.
        """
        probabilities = np.asarray(probabilities, dtype=np.float64)
        if self._is_binary(probabilities):
            if self.calibrators_[0] is None:
                return probabilities.copy()
            positive = self._calibrated(probabilities[:, 1:])
            return np.hstack([1 - positive, positive])
        calibrated = self._calibrated(probabilities)
        if self.multilabel:
            return calibrated
        sums = calibrated.sum(axis=1, keepdims=True)
        uniform = np.full_like(calibrated, 1 / calibrated.shape[1])
        return np.divide(calibrated, sums, out=uniform, where=sums > 0)

    def _is_binary(self, probabilities):
        return not self.multilabel and probabilities.shape[1] == 2

    def _fitted(self, column, indicator, weights):
        if indicator.min() == indicator.max():
            return None
        calibrator = IsotonicRegression(out_of_bounds="clip") if self.method == "isotonic" else SigmoidCalibration()
        return calibrator.fit(column, indicator, sample_weight=weights)

    def _calibrated(self, probabilities):
        columns = zip(self.calibrators_, probabilities.T, strict=True)
        return np.column_stack([column if one is None else one.predict(column) for one, column in columns])


def _checked(probabilities, targets, weights):
    """Return probabilities, targets and weights of the rows with a positive weight."""
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if not ((probabilities >= 0) & (probabilities <= 1)).all():  # NaN is neither
        raise ValueError("The 'probabilities' must be from 0 to 1.")
    rows = slice(None) if weights is None else np.asarray(weights) > 0
    probabilities, targets = probabilities[rows], np.asarray(targets)[rows]
    if not len(probabilities):
        raise ValueError("Calibration needs at least one out-of-fold row with a positive weight; got none.")
    return probabilities, targets, None if weights is None else np.asarray(weights, dtype=np.float64)[rows]


def _logs(probabilities, multilabel):
    """Return log-probabilities of classes, or logits of labels, of probabilities that are not 0."""
    if multilabel:
        return logit(np.clip(probabilities, MIN_PROBABILITY, 1 - MIN_PROBABILITY))
    return np.log(np.maximum(probabilities, MIN_PROBABILITY))
