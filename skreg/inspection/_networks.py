"""The network inside a fitted estimator, and its wrappers."""

from sklearn.utils.validation import check_is_fitted

from skreg._composition import opened
from skreg._estimator.fitted import FittedMLP


def fitted_network(estimator) -> FittedMLP | None:
    """Return the fitted network inside pipelines, searches and transformations of the target.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator.

    Returns
    -------
    FittedMLP or None
        The network; None if the estimator contains none of skreg.

    Raises
    ------
    NotFittedError
        If the network is not fitted.
    """
    *_, innermost = opened(estimator)
    if not isinstance(innermost, FittedMLP):
        return None
    check_is_fitted(innermost)
    return innermost


def required_network(estimator) -> FittedMLP:
    """Return the fitted network inside an estimator.

    Raises
    ------
    TypeError
        If the estimator contains no network of skreg.
    NotFittedError
        If it is not fitted.
    """
    network = fitted_network(estimator)
    if network is None:
        raise TypeError(
            "The 'estimator' parameter must be a fitted RegularizedMLPClassifier or RegularizedMLPRegressor, alone, at "
            f"the end of a Pipeline, or in a search; got {estimator!r}."
        )
    return network
