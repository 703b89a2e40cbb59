"""Warnings that point at the user's line, now or later."""

import contextlib
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from types import FrameType

from sklearn.exceptions import ConvergenceWarning


class AdviceWarning(UserWarning):
    """Warning that names the line with which a fit would very likely do better.

    It is about data as they are, not about an error: columns of X or targets that are not scaled, categories that are
    taken as numbers, and too few rows to validate on. ``warnings.simplefilter("ignore", AdviceWarning)`` ignores all.

    Examples
    --------
    >>> import warnings
    >>> from sklearn.datasets import load_diabetes
    >>> from skreg import AdviceWarning, RegularizedMLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> with warnings.catch_warnings(record=True, action="always") as caught:
    ...     model = RegularizedMLPRegressor(max_iter=5, n_iter_no_change=5, random_state=0).fit(X, y)
    >>> [item.category.__name__ for item in caught if issubclass(item.category, AdviceWarning)]
    ['AdviceWarning']
    """


class Advice(str):
    """Text of a warning, with the line that mends what it is about.

    Parameters
    ----------
    text : str
        The text, which ends with the line.
    line : str
        The line.
    """

    __slots__ = ("line",)

    def __new__(cls, text: str, line: str):
        """Return the text with its line."""
        advice = super().__new__(cls, text)
        advice.line = line
        return advice

    def __getnewargs__(self):
        """Return the arguments that a copy is made of."""
        return str(self), self.line


# A warning that is to be given: its message and its category.
Message = tuple[str, type[Warning]]
# Categories of warnings which the fits of a search have in common: of parameters, of data, and of convergence. They are
# given once for all of them.
IN_COMMON = (UserWarning, AdviceWarning, ConvergenceWarning)
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


def without_repeats(warn: WarningSink) -> WarningSink:
    """Return a function that hands warnings on, but those that it has handed on before.

    Advice that differs in its numbers alone, as that of folds does, is the same.
    """
    given: set[Message] = set()

    def warn_once(messages: Iterable[Message]) -> None:
        new = []
        for text, category in messages:
            topic = re.sub(r"\d\S*", "", text) if category is AdviceWarning else text
            if (topic, category) not in given:
                given.add((topic, category))
                new.append((text, category))
        warn(new)

    return warn_once


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
