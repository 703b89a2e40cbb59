"""Results of fits in other processes."""

import contextlib
import os
import pickle
import secrets
import warnings
from collections.abc import Iterator

from skreg.backends._errors import SentError, can_be_sent, dumps

# The id of a process is not unique on several machines, and a token not among forked processes.
TOKEN = secrets.token_hex(8)


def this_process() -> tuple[str, int]:
    """Return an identifier of this process."""
    return TOKEN, os.getpid()


@contextlib.contextmanager
def recording(into: list) -> Iterator[None]:
    """Add the warnings of a block to a list, because nobody sees what another process shows."""
    with warnings.catch_warnings(record=True) as caught:
        yield
    into += [(str(item.message) if item.category is UserWarning else item.message, item.category) for item in caught]


def packed(estimator, messages: list[tuple], seconds: float, error: Exception | None) -> bytes | None:
    """Return a pickle of a fitted estimator, its warnings, time and error; None if they cannot be pickled."""
    messages = [_portable_warning(*item) for item in messages]
    try:
        return dumps((estimator, messages, seconds, error and SentError.of(error)))
    except Exception:  # any error of a user's own object
        return None


def unpacked(content: bytes | None) -> tuple | None:
    """Return estimator, warnings, time and error from a pickle; None if they cannot be unpickled."""
    try:
        estimator, messages, seconds, error = pickle.loads(content)
    except Exception:  # any error of a user's own object, or there is none
        return None
    return estimator, messages, seconds, error and error.received()


def _portable_warning(message, category: type[Warning]) -> tuple:
    return (message, category) if can_be_sent((message, category)) else (str(message), UserWarning)
