"""Metrics of predicted probabilities."""

import numpy as np
from sklearn.utils import check_array, check_consistent_length, column_or_1d

STRATEGIES = ("quantile", "uniform")
KINDS = ("confidence", "classwise")


def calibration_error(y_true, y_proba, *, labels=None, n_bins=10, strategy="quantile", kind="confidence"):
    """Compute the expected calibration error: the mean difference between confidence and accuracy.

    Predictions are binned by confidence. In each bin the mean confidence is compared with the accuracy, and the
    absolute differences are averaged, weighted by the number of rows:

        sum_b  n_b / n  *  abs(mean confidence in b  -  accuracy in b)

    With one column for each class, the confidence is the largest probability of a row, and a prediction is right if it
    is the true class [1]_. With one probability for each row, it is that of the second class, and compared with the
    frequency of that class, as in :func:`sklearn.calibration.calibration_curve`.

    The largest probability can hide errors on a rare class. If half of the rows have a probability of 0.4 that should
    be 0.2, and half one of 0.6 that should be 0.4, all confidences are 0.6 and the accuracy is 0.6: no error, though
    every probability is too large by 0.2. With ``kind="classwise"`` the probability of each class is compared with its
    frequency, and the mean over the classes is returned [2]_ [3]_. With two classes that is the calibration error of
    the second, positive one, as from its column alone.

    In a bin with few rows the accuracy varies by chance, so the value is biased upwards on few rows, even for perfect
    probabilities: by up to 0.1 with 100 rows and ten bins. Compare values from the same rows, not across data sets.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True classes.
    y_proba : array-like of shape (n_samples, n_classes) or (n_samples,)
        Predicted probabilities, between 0 and 1; the rows of a matrix sum to 1.
    labels : array-like of shape (n_classes,), default=None
        The classes, in the order of the columns; None takes those of `y_true`, sorted.
    n_bins : int, default=10
        Number of bins, at least 1.
    strategy : {'quantile', 'uniform'}, default='quantile'
        Bins with about equally many rows, or of equal width on [0, 1].
    kind : {'confidence', 'classwise'}, default='confidence'
        Which probabilities of a matrix are evaluated: the largest of each row, or those of every class. One
        probability for each row is always that of the second class.

    Returns
    -------
    float
        Between 0 and 1; 0 is best.

    Raises
    ------
    ValueError
        If a parameter is out of range, shapes do not fit, or `y_true` holds a class that has no column.

    See Also
    --------
    sklearn.calibration.CalibrationDisplay : Calibration curve, with the same bins.
    sklearn.metrics.brier_score_loss : Calibration and sharpness together, without bins.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, eq. 3.
    .. [2] M. Kull, M. Perello Nieto, M. Kängsepp, T. Silva Filho, H. Song, P. Flach, "Beyond temperature scaling:
       Obtaining well-calibrated multi-class probabilities with Dirichlet calibration", NeurIPS 2019, section 2.
    .. [3] J. Nixon, M. W. Dusenberry, L. Zhang, G. Jerfel, D. Tran, "Measuring Calibration in Deep Learning", CVPR
       Workshops 2019, eq. 3.

    Examples
    --------
    Four predictions with a confidence of 0.8, three of which are right:

    >>> from skreg.inspection import calibration_error
    >>> round(calibration_error([0, 0, 1, 1], [[0.8, 0.2], [0.8, 0.2], [0.2, 0.8], [0.8, 0.2]]), 3)
    0.05
    """
    if not isinstance(n_bins, int | np.integer) or isinstance(n_bins, bool) or n_bins < 1:
        raise ValueError(f"The 'n_bins' parameter must be an int of at least 1; got {n_bins!r}.")
    if strategy not in STRATEGIES:
        raise ValueError(f"The 'strategy' parameter must be 'quantile' or 'uniform'; got {strategy!r}.")
    if kind not in KINDS:
        raise ValueError(f"The 'kind' parameter must be 'confidence' or 'classwise'; got {kind!r}.")
    y_true = column_or_1d(y_true)
    y_proba = check_array(y_proba, ensure_2d=False, dtype=np.float64, input_name="y_proba")
    check_consistent_length(y_true, y_proba)
    if y_proba.min() < 0 or y_proba.max() > 1:
        raise ValueError(
            "The 'y_proba' parameter must hold probabilities between 0 and 1; "
            f"got values from {y_proba.min()} to {y_proba.max()}."
        )
    labels = np.unique(y_true) if labels is None else np.asarray(labels)
    n_classes = 2 if y_proba.ndim == 1 else y_proba.shape[1]
    if len(labels) != n_classes:
        raise ValueError(
            f"The 'labels' parameter must name the {n_classes} classes of 'y_proba'; got {labels.tolist()!r}."
        )
    unknown = np.setdiff1d(y_true, labels)
    if len(unknown):
        raise ValueError(
            f"The 'labels' parameter must name all classes of 'y_true'; got none for {unknown.tolist()!r}."
        )
    if y_proba.ndim == 2 and kind == "confidence":
        pairs = [(y_proba.max(axis=1), y_true == labels[y_proba.argmax(axis=1)])]
    elif n_classes == 2:
        pairs = [(y_proba if y_proba.ndim == 1 else y_proba[:, 1], y_true == labels[1])]
    else:
        pairs = [(of_class, y_true == label) for of_class, label in zip(y_proba.T, labels, strict=True)]
    return float(np.mean([_binned_difference(*pair, n_bins, strategy) for pair in pairs]))


def _binned_difference(confidence: np.ndarray, is_right: np.ndarray, n_bins: int, strategy: str) -> float:
    shares = np.linspace(0, 1, n_bins + 1)
    edges = np.quantile(confidence, shares) if strategy == "quantile" else shares
    bins = np.searchsorted(edges[1:-1], confidence)
    # A bin counts by its number of rows, so sums over rows take the place of means.
    return float(np.abs(np.bincount(bins, weights=confidence - is_right)).sum() / len(confidence))


def log_loss_of(classes: np.ndarray, y_true: np.ndarray, y_proba: np.ndarray) -> float:
    """Return the log-loss of rows some of whose classes the classifier may not know.

    Many short fits are scored in a comparison, and scikit-learn's function would take most of the time for that.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        The classes that the classifier knows.
    y_true : ndarray of shape (n_samples,)
        True classes. An unknown one has probability zero.
    y_proba : ndarray of shape (n_samples, n_classes)
        Predicted probabilities.

    Returns
    -------
    float
        Mean over the rows, in nats.
    """
    places = np.minimum(np.searchsorted(classes, y_true), len(classes) - 1)
    y_proba = np.asarray(y_proba, dtype=np.float64)
    of_true = np.where(classes[places] == y_true, y_proba[np.arange(len(y_true)), places], 0)
    # As in scikit-learn: rows sum to 1, and no probability is so small that its logarithm is infinite.
    return float(-np.log(np.maximum(of_true / y_proba.sum(axis=1), np.finfo(np.float64).eps)).mean())
