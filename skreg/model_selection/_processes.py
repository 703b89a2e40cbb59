"""Results of fits in other processes."""

import contextlib
import os
import pickle
import secrets
import threading
import warnings
from collections.abc import Iterator

import sklearn

from skreg._warnings import IN_COMMON, Message
from skreg.backends._errors import SentError, can_be_sent, dumps

# The id of a process is not unique on several machines, and a token not among forked processes.
TOKEN = secrets.token_hex(8)


class Home:
    """The process of a call, and its settings of warnings and of scikit-learn, for tasks in other processes."""

    def __init__(self):
        self.process = (TOKEN, os.getpid())
        self.config = sklearn.get_config()
        # Since Python 3.14 they can be those of a context.
        self.filters = list(getattr(warnings, "_get_filters", lambda: warnings.filters)())

    def is_here(self) -> bool:
        """Return whether this process is that of the call."""
        return self.process == (TOKEN, os.getpid())

    @contextlib.contextmanager
    def recording(self, into: list[Message]) -> Iterator[None]:
        """Add the warnings of a block to a list, because nobody sees what another process shows."""
        caught: list[warnings.WarningMessage] = []
        with sklearn.config_context(**self.config), _Recorder.recording(caught, self.filters):
            yield
        into += [(str(item.message) if item.category in IN_COMMON else item.message, item.category) for item in caught]


class _Recorder:
    """Recorder of warnings in several threads at a time, such as those of a worker of Dask.

    What :class:`warnings.catch_warnings` changes is that of all threads, and the last to leave restores what another
    one has set.
    """

    lock = threading.Lock()
    caught_in: dict[int, list] = {}  # noqa: RUF012 - of the process
    before = contextlib.ExitStack()

    @classmethod
    @contextlib.contextmanager
    def recording(cls, caught: list[warnings.WarningMessage], filters: list) -> Iterator[None]:
        """Add the warnings of this thread, and of those that it starts if it is the only one here, to a list."""
        thread = threading.get_ident()
        with cls.lock:
            if not cls.caught_in:
                cls.before.enter_context(warnings.catch_warnings())
                warnings.showwarning = cls.show
                warnings.filters = filters
            cls.caught_in[thread] = caught
        try:
            yield
        finally:
            with cls.lock:
                del cls.caught_in[thread]
                if not cls.caught_in:
                    cls.before.close()

    @classmethod
    def show(cls, message, category, filename, lineno, file=None, line=None) -> None:
        """Keep a warning; one of a thread that is not known is of one of the blocks."""
        item = warnings.WarningMessage(message, category, filename, lineno, file, line)
        with cls.lock:
            caught = cls.caught_in.get(threading.get_ident(), next(iter(cls.caught_in.values()), []))
        caught.append(item)


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
