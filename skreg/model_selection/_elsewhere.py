"""What a fit in another process sends back."""

import contextlib
import os
import pickle
import secrets
import warnings
from collections.abc import Iterator

from skreg.backends._errors import SentError, can_be_sent, dumps

# A number alone could be that of a process of another machine, and a token alone that of a process's copy.
TOKEN = secrets.token_hex(8)


def this_process() -> tuple[str, int]:
    """Return what tells this process from all others."""
    return TOKEN, os.getpid()


@contextlib.contextmanager
def recording(into: list) -> Iterator[None]:
    """Add the warnings of a block, which would be shown where nobody looks, to a list of messages and categories."""
    with warnings.catch_warnings(record=True) as caught:
        yield
    into += [(str(item.message) if item.category is UserWarning else item.message, item.category) for item in caught]


def packed(estimator, said: list[tuple], seconds: float, error: Exception | None) -> bytes | None:
    """Return a fitted estimator, its warnings, time and error for another process; None if that cannot be."""
    said = [_portable_warning(*item) for item in said]
    try:
        return dumps((estimator, said, seconds, error and SentError.of(error)))
    except Exception:  # whatever a user's own object raises
        return None


def unpacked(content: bytes | None) -> tuple | None:
    """Return estimator, warnings, time and error from another process; None if that cannot be."""
    try:
        estimator, said, seconds, error = pickle.loads(content)
    except Exception:  # whatever a user's own object raises, or there is none
        return None
    return estimator, said, seconds, error and error.received()


def _portable_warning(message, category: type[Warning]) -> tuple:
    return (message, category) if can_be_sent((message, category)) else (str(message), UserWarning)
