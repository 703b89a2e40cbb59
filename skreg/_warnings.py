"""Warnings that point at the user's line, now or later."""

import sys
import warnings
from collections.abc import Callable, Iterable

# A warning that is to be given: its message and its category.
Message = tuple[str, type[Warning]]
# What a fit hands its warnings to: `give_warnings`, or the method of a list that keeps them.
WarningSink = Callable[[Iterable[Message]], None]


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn about the line from which the library was called, through any number of calls."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in (
        "skreg",
        "sklearn",
        "joblib",
    ):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def give_warnings(messages: Iterable[Message]) -> None:
    """Warn about the line from which the library was called, once for each message."""
    for message, category in messages:
        warn_user(message, category)
