"""Calls as tasks of joblib, one by one."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel, delayed

from skreg.backends._cluster import client_of


def run_on_cluster(backend, function: Callable, arguments: Iterable[tuple], shared: Sequence | None = None) -> Iterator:
    """Yield the results of a function on a cluster: see :func:`skreg.backends._dask.run_on_cluster`."""
    from skreg.backends import _dask  # there is no Dask where nobody uses it

    yield from _dask.run_on_cluster(backend, [(function, item) for item in arguments], shared)


def run_calls(
    function: Callable, arguments: Iterable[tuple], *, n_jobs: int | None = None, pre_dispatch: int | str = "2*n_jobs"
) -> Iterator:
    """Yield the results of a function for several arguments, in any order.

    Parameters
    ----------
    function : callable
        The function.
    arguments : iterable of tuple
        Its arguments; large arrays in them, and values in :class:`~skreg.backends.Shared`, are sent to a cluster once.
    n_jobs : int or None, default=None
        Number of calls at the same time, as in joblib.
    pre_dispatch : int or str, default='2*n_jobs'
        Parameter of joblib.

    Yields
    ------
    object
        The results.
    """
    backend, _ = get_active_backend()
    if client_of(backend) is not None:
        yield from run_on_cluster(backend, function, arguments)
        return
    in_turn = getattr(backend, "supports_return_generator", False)
    parallel = Parallel(
        n_jobs=n_jobs, pre_dispatch=pre_dispatch, return_as="generator_unordered" if in_turn else "list"
    )
    yield from parallel(delayed(function)(*item) for item in arguments)
