"""Warnings that point at the user's line."""

import sys
import warnings
from contextvars import ContextVar
from types import FrameType

# While this holds a list, warnings go there, to be given at another time.
KEPT_WARNINGS: ContextVar[list | None] = ContextVar("KEPT_WARNINGS", default=None)
# Categories that a block neither gives nor keeps. Filters of Python would hold for all threads.
SILENCED_WARNINGS: ContextVar[type[Warning] | tuple] = ContextVar("SILENCED_WARNINGS", default=())


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn about the line from which the library was called, whatever lies between."""
    if issubclass(category, SILENCED_WARNINGS.get()):
        return
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in (
        "skreg",
        "sklearn",
        "joblib",
    ):
        frame, level = frame.f_back, level + 1
    kept = KEPT_WARNINGS.get()
    if kept is None:
        warnings.warn(message, category, stacklevel=level)
    elif not _is_ignored(str(message), category, frame):  # by a block that will have ended by then
        kept.append((message, category))


def _is_ignored(text: str, category: type[Warning], frame: FrameType) -> bool:
    """Return whether Python's filters, of which the first that fits counts, ignore a warning about a line."""
    module = frame.f_globals.get("__name__", "")
    for action, of_text, of_category, of_module, of_line in warnings.filters:
        if (
            issubclass(category, of_category)
            and _fits(of_text, text)
            and _fits(of_module, module)
            and of_line in (0, frame.f_lineno)
        ):
            return action == "ignore"
    return False


def _fits(pattern, text: str) -> bool:
    """Return whether a filter's pattern, which is a text in those that Python begins with, fits."""
    return pattern is None or (pattern == text if isinstance(pattern, str) else pattern.match(text) is not None)
