"""Errors that are sent between processes."""

import pickle
import traceback

import joblib


class RemoteError(Exception):
    """Traceback of an error in another process, as the cause of the error that is raised in this one."""


class SentError(Exception):
    """An error in a form that can be pickled.

    Parameters
    ----------
    content : bytes
        A pickle of the error, or of a RuntimeError with its text if it cannot be pickled.
    text : str
        Its traceback.
    """

    @classmethod
    def of(cls, error: Exception) -> "SentError":
        """Return the form of an error to send."""
        text = "".join(traceback.format_exception(error))
        portable = error if can_be_sent(error) else RuntimeError(f"{type(error).__name__}: {error}")
        return cls(dumps(portable), text)

    def received(self) -> Exception:
        """Return the error, with its traceback in the other process as its cause."""
        content, text = self.args
        error = pickle.loads(content)
        error.__cause__ = RemoteError(f"\n{text}")
        return error


def dumps(item) -> bytes:
    """Return a pickle, in which classes and functions of a script are pickled as joblib does."""
    return pickle.dumps(joblib.wrap_non_picklable_objects(item, keep_wrapper=False))


def can_be_sent(item) -> bool:
    """Return whether an object survives pickling."""
    try:
        pickle.loads(dumps(item))
    except Exception:  # some exceptions cannot be made of their own args
        return False
    return True
