"""Fitted attributes of an estimator: their removal, and their restoration after an error."""

import contextlib
from collections.abc import Iterable, Iterator

import numpy as np


@contextlib.contextmanager
def unchanged_on_error(estimator) -> Iterator[None]:
    """Undo every change of an estimator's attributes if the block raises (Ctrl-C included).

    A generator among its parameters is set back, so that the next fit draws what this one would have drawn.
    """
    before = vars(estimator).copy()
    generators = [(value, value.get_state()) for value in before.values() if isinstance(value, np.random.RandomState)]
    try:
        yield
    except BaseException:
        estimator.__dict__ = before
        for generator, state in generators:
            generator.set_state(state)
        raise


def forget(estimator) -> None:
    """Remove the attributes of an earlier fit, not all of which the next fit would replace."""
    for name in [name for name in vars(estimator) if name.endswith("_") and not name.startswith("_")]:
        delattr(estimator, name)


def data_attributes(estimator, kind: type | None = None) -> dict:
    """Return the attributes that the checks of data set in estimators of a class; None is that of the estimator."""
    names = (kind or type(estimator))._data_attributes
    return {name: value for name, value in vars(estimator).items() if name in names}


def copy_attributes(source, target, names: Iterable[str]) -> None:
    """Set those of some attributes that an estimator has in another one, too."""
    vars(target).update({name: getattr(source, name) for name in names if hasattr(source, name)})
