"""What a fit changes in an estimator: its attributes, which stay as they were if it fails."""

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
    """Remove what an earlier fit has left: nothing else would take the place of all of it."""
    for name in [name for name in vars(estimator) if name.endswith("_") and not name.startswith("_")]:
        delattr(estimator, name)


def data_attributes(estimator) -> dict:
    """Return what the checks of data have left in an estimator."""
    return {name: value for name, value in vars(estimator).items() if name in estimator._data_attributes}
