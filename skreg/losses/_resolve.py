"""Resolution of the parameters of an estimator to a loss."""

from collections.abc import Callable, Sequence

from skreg.losses._base import Loss
from skreg.losses._classification import LogisticLogLoss, SoftmaxLogLoss
from skreg.losses._counts import Gamma, Poisson
from skreg.losses._custom import CustomLoss
from skreg.losses._quantile import Quantile, check_quantiles
from skreg.losses._regression import AbsoluteError, HalfSquaredError, Huber

REGRESSION_LOSSES = ("squared_error", "absolute_error", "huber", "quantile", "poisson", "gamma")
CLASSIFICATION_LOSSES = ("log_loss",)


def regression_loss(loss: str | Callable, *, quantile: float | Sequence[float] = 0.5, delta: float = 1.0) -> Loss:
    """Return the loss of a regressor.

    Parameters
    ----------
    loss : str or callable
        One of REGRESSION_LOSSES, or the function of a :class:`CustomLoss`.
    quantile : float or sequence of float, default=0.5
        Levels for "quantile", in (0, 1), ascending.
    delta : float, default=1.0
        Where the quadratic part of "huber" ends, > 0.

    Returns
    -------
    Loss
        The loss.

    Raises
    ------
    ValueError
        If there is no such loss, or no such quantile.
    """
    levels = check_quantiles(quantile)
    if callable(loss):
        return CustomLoss(loss, HalfSquaredError())
    makers = (HalfSquaredError, AbsoluteError, lambda: Huber(delta), lambda: Quantile(levels), Poisson, Gamma)
    return _named(loss, dict(zip(REGRESSION_LOSSES, makers, strict=True)))


def classification_loss(loss: str | Callable, *, is_multiclass: bool) -> Loss:
    """Return the loss of a classifier.

    Parameters
    ----------
    loss : str or callable
        One of CLASSIFICATION_LOSSES, or the function of a :class:`CustomLoss`.
    is_multiclass : bool
        Whether every row is of one class out of three or more; otherwise targets are one or more yes/no labels.

    Returns
    -------
    Loss
        The loss.

    Raises
    ------
    ValueError
        If there is no such loss.
    """
    log_loss = SoftmaxLogLoss if is_multiclass else LogisticLogLoss
    if callable(loss):
        return CustomLoss(loss, log_loss())
    return _named(loss, dict(zip(CLASSIFICATION_LOSSES, (log_loss,), strict=True)))


def _named(loss: str, makers: dict[str, Callable[[], Loss]]) -> Loss:
    if not (isinstance(loss, str) and loss in makers):
        raise ValueError(f"The 'loss' parameter must be one of {tuple(makers)!r} or a function; got {loss!r}.")
    return makers[loss]()
