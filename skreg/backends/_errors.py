"""Errors on their way from another process."""

import pickle
import traceback

import joblib


class ElsewhereError(Exception):
    """The text of an error in another process, as the cause of what is raised in this one."""


class SentError(Exception):
    """An error in a form that can be sent.

    Parameters
    ----------
    content : bytes
        A pickle of the error; of an error that has none, of a RuntimeError that says the same.
    text : str
        Its traceback.
    """

    @classmethod
    def of(cls, error: Exception) -> "SentError":
        """Return an error to be sent."""
        text = "".join(traceback.format_exception(error))
        portable = error if can_be_sent(error) else RuntimeError(f"{type(error).__name__}: {error}")
        return cls(dumps(portable), text)

    def received(self) -> Exception:
        """Return the error, with where it comes from as its cause."""
        content, text = self.args
        error = pickle.loads(content)
        error.__cause__ = ElsewhereError(f"\n{text}")
        return error


def dumps(item) -> bytes:
    """Return a pickle, with classes and functions of a script as joblib sends them."""
    return pickle.dumps(joblib.wrap_non_picklable_objects(item, keep_wrapper=False))


def can_be_sent(item) -> bool:
    """Return whether an object survives the way."""
    try:
        pickle.loads(dumps(item))
    except Exception:  # some exceptions have other arguments than they say
        return False
    return True
