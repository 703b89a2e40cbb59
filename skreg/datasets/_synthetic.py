"""Synthetic data with known informative features."""

from numbers import Integral, Real

import numpy as np

from skreg._seeds import random_numbers
from skreg._sklearn_private import Interval, StrOptions, validate_parameter_constraints

N_INFORMATIVE = 5


def make_interactions(
    n_samples=500,
    n_features=200,
    *,
    task="regression",
    decoy_correlation=0.6,
    noise=0.3,
    random_state=None,
):
    r"""Generate data with five informative features, which act by main effects, a square and interactions.

    With standard normal features, the signal is

    .. math::

        f(x) = x_0 + 0.7 x_1 + x_0 x_1 + \frac{x_2^2 - 1}{\sqrt 2} + x_3 + 0.7 x_4 + 0.7 x_3 x_4

    and the target is :math:`f(x) / \mathrm{sd}(f)` plus normal noise, or for classification its sign. Features 0 to 4
    are informative; :math:`x_2` has no linear effect. Features 5 to 9 are decoys, each correlated with one of them; all
    others are independent noise.

    Parameters
    ----------
    n_samples : int, default=500
        Number of rows.
    n_features : int, default=200
        Number of columns, at least 10.
    task : {'regression', 'classification'}, default='regression'
        Kind of target: numbers, or the classes 0 and 1.
    decoy_correlation : float, default=0.6
        Correlation of each decoy with its informative feature, in [0, 1).
    noise : float, default=0.3
        Standard deviation of the noise, in units of that of the signal; at least 0.
    random_state : int, RandomState instance or None, default=None
        Seed.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        Features.
    y : ndarray of shape (n_samples,)
        Targets.

    Raises
    ------
    ValueError
        If a parameter is not as described.

    See Also
    --------
    sklearn.datasets.make_friedman1 : Regression data with five informative features and independent others.

    Examples
    --------
    >>> from skreg.datasets import make_interactions
    >>> X, y = make_interactions(n_samples=100, n_features=20, task="classification", random_state=0)
    >>> X.shape, sorted(set(y.tolist()))
    ((100, 20), [0, 1])
    """
    validate_parameter_constraints(
        {
            "n_samples": [Interval(Integral, 1, None, closed="left")],
            "n_features": [Interval(Integral, 2 * N_INFORMATIVE, None, closed="left")],
            "task": [StrOptions({"regression", "classification"})],
            "decoy_correlation": [Interval(Real, 0, 1, closed="left")],
            "noise": [Interval(Real, 0, None, closed="left")],
        },
        {
            "n_samples": n_samples,
            "n_features": n_features,
            "task": task,
            "decoy_correlation": decoy_correlation,
            "noise": noise,
        },
        caller_name="make_interactions",
    )
    rng = random_numbers(random_state)
    X = rng.normal(size=(n_samples, n_features))
    informative = X[:, :N_INFORMATIVE]
    decoys = slice(N_INFORMATIVE, 2 * N_INFORMATIVE)
    X[:, decoys] = decoy_correlation * informative + np.sqrt(1 - decoy_correlation**2) * X[:, decoys]
    a, b, c, d, e = informative.T
    signal = a + 0.7 * b + a * b + (c**2 - 1) / np.sqrt(2) + d + 0.7 * e + 0.7 * d * e
    # The terms are uncorrelated and have the variances 1, 0.49, 1, 1, 1, 0.49 and 0.49.
    y = signal / np.sqrt(5.47) + noise * rng.normal(size=n_samples)
    return X, (y if task == "regression" else (y > 0).astype(int))
