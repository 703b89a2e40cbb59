"""Warnings that point at the user's line, now or later."""

import contextlib
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from types import FrameType

# A warning that is to be given: its message and its category.
Message = tuple[str, type[Warning]]
# What a fit hands its warnings to: `give_warnings`, or the method of a list that keeps them.
WarningSink = Callable[[Iterable[Message]], None]


def warn_user(message: str | Warning, category: type[Warning] = UserWarning, *, prefix: str = "") -> None:
    """Warn about the line from which the library was called, whatever lies between.

    A filter of Python that ignores the message ignores it with a prefix, too.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in (
        "skreg",
        "sklearn",
        "joblib",
        "contextlib",  # of decorators
    ):
        frame, level = frame.f_back, level + 1
    if not prefix:
        warnings.warn(message, category, stacklevel=level)
    elif not _is_ignored(str(message), category, frame):
        warnings.warn(f"{prefix}{message}", category, stacklevel=level)


class _Kept(threading.local):
    """List of the thread to which the warnings of transformers are added; None where they are given at once."""

    messages: list[Message] | None = None


_kept = _Kept()


@contextlib.contextmanager
def keeping_warnings(messages: list[Message]) -> Iterator[None]:
    """Add what :func:`warn_or_keep` is to warn of, within a block and in this thread, to a list.

    A transformer is fitted by the pipeline around it, which has no place for a list; and the pipelines of all folds
    warn of the same.
    """
    before, _kept.messages = _kept.messages, messages
    try:
        yield
    finally:
        _kept.messages = before


def warn_or_keep(message: str) -> None:
    """Warn as :func:`warn_user` does, or leave that to whoever keeps the warnings of this thread."""
    if _kept.messages is None:
        warn_user(message)
    else:
        _kept.messages.append((message, UserWarning))


def _is_ignored(text: str, category: type[Warning], frame: FrameType) -> bool:
    """Return whether Python's filters, of which the first that matches counts, ignore a warning about a line."""
    module = frame.f_globals.get("__name__", "")
    for action, of_text, of_category, of_module, of_line in warnings.filters:
        if (
            issubclass(category, of_category)
            and _matches(of_text, text)
            and _matches(of_module, module)
            and of_line in (0, frame.f_lineno)
        ):
            return action == "ignore"
    return False


def _matches(pattern, text: str) -> bool:
    """Return whether the pattern of a filter, which is a string in those that Python begins with, matches."""
    return pattern is None or (pattern == text if isinstance(pattern, str) else pattern.match(text) is not None)


def give_warnings(messages: Iterable[Message]) -> None:
    """Warn about the line from which the library was called, once for each message."""
    for message, category in messages:
        warn_user(message, category)
