"""What the benchmarks have in common: contestants take turns, medians are compared, threads and versions are told."""

import contextlib
import os
import platform
import time
from pathlib import Path

import numpy as np
import sklearn
import skorch
import torch
from threadpoolctl import threadpool_limits

import skreg

MIN_ROUNDS = 5


def add_rounds(parser, default=MIN_ROUNDS):
    """Add the option --rounds to a parser of arguments."""
    parser.add_argument("--rounds", type=int, default=default, help=f"of all contestants (at least {MIN_ROUNDS})")


def n_rounds(arguments):
    """Return the number of rounds that were asked for, or the least that medians make sense for."""
    return max(MIN_ROUNDS, arguments.rounds)


def versions():
    """Return what is measured, and on what, in two lines."""
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text().splitlines() if cpu_info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return (
        f"skreg {skreg.__version__}, scikit-learn {sklearn.__version__}, skorch {skorch.__version__}, "
        f"torch {torch.__version__}, numpy {np.__version__}, Python {platform.python_version()}\n"
        f"{names[0] if names else platform.processor()}, {platform.machine()}, {os.cpu_count()} CPUs"
    )


@contextlib.contextmanager
def threads(n_threads):
    """Limit BLAS and torch in this process to so many threads; None leaves both alone."""
    before = torch.get_num_threads()
    if n_threads:
        torch.set_num_threads(n_threads)
    try:
        with threadpool_limits(n_threads, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


def take_turns(contestants, rounds, clock=time.perf_counter):
    """Call every contestant once in each round; return the seconds of all its calls.

    Parameters
    ----------
    contestants : dict of str to callable
        What to time. Every other round goes through them backwards, so that nobody always follows the same one.
    rounds : int
        Number of calls of each.
    clock : callable, default=time.perf_counter
        Gives seconds; ``time.process_time`` gives those of the processor.

    Returns
    -------
    dict of str to ndarray of shape (rounds,)
        Seconds.
    """
    seconds = {name: [] for name in contestants}
    for number in range(rounds):
        for name in list(contestants)[:: -1 if number % 2 else 1]:
            start = clock()
            contestants[name]()
            seconds[name].append(clock() - start)
    return {name: np.array(values) for name, values in seconds.items()}


def median_and_range(values, scale=1.0, digits=2):
    """Return 'median (lowest to highest)' as text."""
    values = scale * np.asarray(values)
    return f"{np.median(values):.{digits}f} ({values.min():.{digits}f} to {values.max():.{digits}f})"
