"""A check of the results that a backend of joblib returns in any order."""

from collections.abc import Hashable, Iterable, Iterator


def checked_results(keys: Iterable[Hashable], returned: Iterable[tuple]) -> Iterator[tuple]:
    """Yield results in their order of arrival, after a check that each belongs to a fit that has none yet.

    Parameters
    ----------
    keys : iterable of hashable
        One for each fit.
    returned : iterable of (key, result)
        The results of the backend.

    Yields
    ------
    tuple of (key, result)
        The same.

    Raises
    ------
    RuntimeError
        If a result was not asked for or comes twice, or at the end if there is a fit without one.
    """
    missing = set(keys)
    n_fits = len(missing)
    for key, result in returned:
        if key not in missing:
            raise RuntimeError("The backend of joblib returned an unexpected or duplicate result.")
        missing.remove(key)
        yield key, result
    if missing:
        raise RuntimeError(f"The backend of joblib lost the results of {len(missing)} of {n_fits} fits.")
