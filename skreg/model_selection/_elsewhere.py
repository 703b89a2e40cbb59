"""What a fit in another process sends back."""

import contextlib
import os
import pickle
import secrets
import traceback
import warnings
from collections.abc import Iterator

import joblib

from skreg._context import holding
from skreg._warnings import KEPT_WARNINGS

# A number alone could be that of a process of another machine, and a token alone that of a process's copy.
TOKEN = secrets.token_hex(8)


class ElsewhereError(Exception):
    """The text of an error in another process, as the cause of what is raised in this one."""


def this_process() -> tuple[str, int]:
    """Return what tells this process from all others."""
    return TOKEN, os.getpid()


@contextlib.contextmanager
def recording(into: list) -> Iterator[None]:
    """Add the warnings of a block, which would be shown where nobody looks, to a list of messages and categories."""
    with warnings.catch_warnings(record=True) as caught, holding(KEPT_WARNINGS, into):
        yield
    into += [(str(item.message) if item.category is UserWarning else item.message, item.category) for item in caught]


def packed(estimator, said: list[tuple], seconds: float, error: Exception | None) -> bytes | None:
    """Return a fitted estimator, its warnings, time and error for another process; None if that cannot be."""
    text = "" if error is None else "".join(traceback.format_exception(error))
    said = [_portable_warning(*item) for item in said]
    try:
        return _dumps((estimator, said, seconds, _portable_error(error), text))
    except Exception:  # whatever a user's own object raises
        return None


def unpacked(content: bytes | None) -> tuple | None:
    """Return estimator, warnings, time and error from another process; None if that cannot be."""
    try:
        estimator, said, seconds, error, text = pickle.loads(content)
    except Exception:  # whatever a user's own object raises, or there is none
        return None
    if error is not None:
        error.__cause__ = ElsewhereError(f"\n{text}")
    return estimator, said, seconds, error


def _dumps(item) -> bytes:
    """Return a pickle, with classes and functions of a script as joblib sends them."""
    return pickle.dumps(joblib.wrap_non_picklable_objects(item, keep_wrapper=False))


def _can_be_sent(item) -> bool:
    try:
        pickle.loads(_dumps(item))
    except Exception:  # some exceptions have other arguments than they say
        return False
    return True


def _portable_warning(message, category: type[Warning]) -> tuple:
    return (message, category) if _can_be_sent((message, category)) else (str(message), UserWarning)


def _portable_error(error: Exception | None) -> Exception | None:
    return error if _can_be_sent(error) else RuntimeError(f"{type(error).__name__}: {error}")
