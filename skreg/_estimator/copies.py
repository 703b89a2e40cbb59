"""Copies of estimators, with parameters that the constructor of a subclass sets without taking them."""

from sklearn.base import clone

from skreg._parameter import parameters_of


def unfitted(estimator, **parameters):
    """Return an unfitted copy of an estimator with other parameters.

    Where the constructor of a subclass does not take a parameter, `clone` would set it back.
    """
    copy = clone(estimator)
    for name in hidden_parameters(estimator):
        setattr(copy, name, clone(getattr(estimator, name), safe=False))
    return set_parameters(copy, **parameters)


def set_parameters(estimator, **parameters):
    """Set parameters of an estimator, of objects in it too, and return it.

    Where the constructor of a subclass does not take a parameter, `set_params` would refuse it.
    """
    hidden = hidden_parameters(estimator)
    estimator.set_params(**{key: value for key, value in parameters.items() if key.partition("__")[0] not in hidden})
    for key, value in parameters.items():
        name, _, nested = key.partition("__")
        if name in hidden:
            setattr(estimator, name, getattr(estimator, name).set_params(**{nested: value}) if nested else value)
    return estimator


def hidden_parameters(estimator) -> set[str]:
    """Return the parameters that the class of an estimator declares, and its constructor does not take."""
    return parameters_of(type(estimator)).keys() - set(estimator._get_param_names())
