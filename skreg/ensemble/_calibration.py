"""Calibration of probabilities on rows that were not trained on: temperature, isotonic regression, sigmoid."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, log_softmax, logit
from sklearn.isotonic import IsotonicRegression

from skreg._sklearn_private import SigmoidCalibration
from skreg.ensemble._held_out import share_of_mean

CALIBRATIONS = ("temperature", "isotonic", "sigmoid")

# Where all rows are right, the loss has no minimum: it falls until the temperature is 0. Where the probabilities are
# worse than none, it falls until the temperature is infinite.
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.1, 100.0
# What is believed of log(T) before rows are seen: a normal distribution around 0 with this standard deviation. Of three
# ensembles two have a temperature within a tenth of 1.
PRIOR_SCALE = 0.1
# Smaller probabilities count as this one, as in scikit-learn: a probability of 0 would have an infinite loss.
MIN_PROBABILITY = 1e-12


def make_calibrator(name: str, *, multilabel: bool = False, averaging: float = 1.0) -> "Temperature | OneVersusRest":
    """Return an unfitted calibrator.

    Parameters
    ----------
    name : {'temperature', 'isotonic', 'sigmoid'}
        Kind of calibration.
    multilabel : bool, default=False
        Whether columns are labels, each with a probability of its own, rather than classes, whose probabilities sum
        to 1.
    averaging : float, default=1.0
        For 'temperature' how much less sure predictions are that are calibrated than those that it is fitted to; see
        :func:`averaging_factor`.

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
    if name == "temperature":
        return Temperature(multilabel=multilabel, averaging=averaging)
    return OneVersusRest(name, multilabel=multilabel)


class Temperature:
    r"""One temperature for all classes, :math:`p_T = \mathrm{softmax}(\log(p) / T)`.

    `fit` gets predictions by members that have not seen a row. The mean of all members is less sure than these by a
    factor s, which their logits are therefore multiplied by. T is then the most probable temperature of what results,
    which is close to 1 if the rows are few; see :func:`temperature_of`. The order of the classes stays as it is. For
    two classes, and for each label of multilabel targets, the logit is divided by T.

    Parameters
    ----------
    multilabel : bool, default=False
        Whether columns are labels rather than classes.
    averaging : float, default=1.0
        The factor s, at most 1; see :func:`averaging_factor`. 1 means to calibrate predictions like those of `fit`.
    prior_scale : float, default=0.1
        Standard deviation of log(T) before rows are seen. Infinity leaves the temperature with the smallest log-loss.

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
    >>> sure = np.repeat([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.1, 0.9]], 10_000, axis=0)
    >>> calibrator = Temperature().fit(sure, np.repeat([0, 0, 1, 1], 10_000))  # one of four is wrong
    >>> calibrator.predict(sure[::10_000]).round(2)
    array([[0.75, 0.25],
           [0.75, 0.25],
           [0.75, 0.25],
           [0.25, 0.75]])

    Four such rows say little about it:

    >>> Temperature().fit(sure[::10_000], np.array([0, 0, 1, 1])).predict(sure[:1]).round(2)
    array([[0.9, 0.1]])
    """

    def __init__(self, *, multilabel=False, averaging=1.0, prior_scale=PRIOR_SCALE):
        self.multilabel = multilabel
        self.averaging = averaging
        self.prior_scale = prior_scale

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
        logs = self.averaging * _logs(probabilities, self.multilabel)
        self.temperature_ = temperature_of(logs, targets, weights, self.prior_scale)
        return self

    def predict(self, probabilities):
        """Return calibrated probabilities.

        Parameters
        ----------
        probabilities : ndarray of shape (n_rows, n_classes) or (n_rows, n_labels)
            Probabilities, whose logits are `averaging` times as large as those of `fit`.

        Returns
        -------
        ndarray of float64 of the same shape
            Calibrated probabilities.
        """
        scaled = _logs(np.asarray(probabilities, dtype=np.float64), self.multilabel) / self.temperature_
        return expit(scaled) if self.multilabel else np.exp(log_softmax(scaled, axis=1))


def temperature_of(logs, targets, weights=None, prior_scale=np.inf) -> float:
    r"""Return the most probable temperature.

    It has the smallest

    .. math:: \sum_{i=1}^n \ell_i(T) + \frac{(\log T)^2}{2 \sigma^2},

    where :math:`\ell_i` is the log-loss of a row. The other term is minus the logarithm of a normal density of log(T),
    but for a constant. It is 0 at T = 1, so that the log-loss is never above that at T = 1. Weights are divided by
    their mean: rows count as rows. T is sought from 0.1 to 100, and the sum is convex in 1/T for T above 1/e. Without
    the second term it is convex everywhere; where all rows are right it then has no minimum, and where probabilities
    are worse than none it is at infinity.

    Parameters
    ----------
    logs : ndarray of shape (n_rows, n_classes) or (n_rows, n_labels)
        Log-probabilities of classes, or other logits of the softmax; with targets of two dimensions logits of labels.
    targets : ndarray of shape (n_rows,) or (n_rows, n_labels)
        Columns of the true classes; of multilabel targets zeros and ones.
    weights : ndarray of shape (n_rows,), default=None
        Weights of the rows, above 0.
    prior_scale : float, default=infinity
        The standard deviation :math:`\sigma`. Infinity means the smallest log-loss.

    Returns
    -------
    float
        The temperature T.
    """
    if targets.ndim == 2:
        signed = np.where(targets > 0, logs, -logs)

        def losses(inverse):
            return -log_expit(inverse * signed).mean(axis=1)
    else:
        rows = np.arange(len(logs))

        def losses(inverse):
            return -log_softmax(inverse * logs, axis=1)[rows, targets]

    def objective(inverse):
        prior = (np.log(inverse) / prior_scale) ** 2 / 2
        return np.average(losses(inverse), weights=weights) + prior / len(logs)

    lowest, highest = 1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE
    found = minimize_scalar(objective, bounds=(lowest, highest), method="bounded", options={"xatol": 1e-10}).x
    # The search within bounds does not try the bounds themselves. The first of equals is taken, 1 before all.
    return float(1 / min((1.0, lowest, highest, found), key=objective))


def logit_variances(parts, n_rows: int, *, multilabel: bool = False) -> np.ndarray:
    """Return how much the logits of members differ for each row.

    Parameters
    ----------
    parts : iterable of tuple of ndarray
        Of each member the mask of its rows, of shape (n_rows,), and its probabilities for them.
    n_rows : int
        Number of all rows.
    multilabel : bool, default=False
        Whether columns are labels rather than classes.

    Returns
    -------
    ndarray of shape (n_rows,)
        Variances (with one degree of freedom less than members), summed over the columns; NaN for rows of fewer than
        two members. Logits of classes are log-probabilities minus their mean.
    """
    counts, squares, sums = np.zeros(n_rows), np.zeros(n_rows), None
    for rows, probabilities in parts:
        logits = _centred_logits(probabilities, multilabel)
        sums = np.zeros((n_rows, logits.shape[1])) if sums is None else sums
        counts[rows] += 1
        sums[rows] += logits
        squares[rows] += (logits**2).sum(axis=1)
    variances = np.full(n_rows, np.nan)
    several = counts > 1
    if several.any():
        of_mean = (sums[several] ** 2).sum(axis=1) / counts[several]
        # Rounding leaves a little, of either sign, where members say the same.
        variances[several] = np.maximum(squares[several] - of_mean, 0) / (counts[several] - 1)
    return variances


def averaging_factor(probabilities, variances, n_averaged, n_members, weights=None, *, multilabel=False) -> float:
    r"""Return how much less sure the mean of all members is than out-of-fold predictions.

    Let a member's logits for a row be :math:`f + e`, with an error e of mean 0 and variance :math:`\tau^2` that is
    independent of the row and of other members. True logits are regressed on those of a mean of r members; the slope
    is 1/T. It is smaller than that on f, by :math:`\overline{f^2} / (\overline{f^2} + \tau^2 / r)`, as always with
    errors in a variable [1]_. A mean of all m members has the smaller error, and so the best temperature for it is that
    of the out-of-fold logits :math:`z_i`, which are of means of :math:`r_i` members, times

    .. math:: s = \frac{\overline{f^2} + \tau^2 / m}{\overline{f^2} + \tau^2 \, \overline{1/r}}
              = 1 - \frac{\tau^2 \left(\overline{1/r} - 1/m\right)}{\overline{z^2}}.

    Parameters
    ----------
    probabilities : ndarray of shape (n_rows, n_classes) or (n_rows, n_labels)
        Out-of-fold probabilities.
    variances : ndarray of shape (n_rows,)
        Variance of members for the same row, as of :func:`logit_variances`. Rows with NaN are left out. Members that
        have seen a row differ less than others, so that s comes out too close to 1.
    n_averaged : ndarray of int of shape (n_rows,)
        Number of members in each out-of-fold prediction.
    n_members : int
        Number of all members.
    weights : ndarray of shape (n_rows,), default=None
        Weights of the rows.
    multilabel : bool, default=False
        Whether columns are labels rather than classes.

    Returns
    -------
    float
        The factor s, at most 1 and at least what it is without f; 1 where nothing is known of the variances.

    References
    ----------
    .. [1] Fuller (1987), "Measurement error models", section 1.1.
    """
    weights = np.ones(len(probabilities)) if weights is None else np.asarray(weights, dtype=np.float64)
    known = ~np.isnan(variances) & (weights > 0)
    squares = np.average((_centred_logits(probabilities, multilabel) ** 2).sum(axis=1), weights=weights)
    if not known.any() or squares == 0:
        return 1.0
    variance = np.average(variances[known], weights=weights[known])
    return float(share_of_mean(variance, squares, n_averaged, n_members, weights))


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


def _centred_logits(probabilities, multilabel):
    """Return logits of labels, or log-probabilities of classes minus their mean."""
    logs = _logs(np.asarray(probabilities, dtype=np.float64), multilabel)
    return logs if multilabel else logs - logs.mean(axis=1, keepdims=True)
