"""Fitted attributes of an estimator: their removal, and their restoration after an error."""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def unchanged_on_error(estimator) -> Iterator[None]:
    """Undo every change of an estimator's attributes if the block raises (Ctrl-C included)."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        estimator.__dict__ = before
        raise


def forget(estimator) -> None:
    """Remove the attributes of an earlier fit, not all of which the next fit would replace."""
    for name in [name for name in vars(estimator) if name.endswith("_") and not name.startswith("_")]:
        delattr(estimator, name)


def data_attributes(estimator) -> dict:
    """Return the attributes that the checks of data have set."""
    return {name: value for name, value in vars(estimator).items() if name in estimator._data_attributes}
