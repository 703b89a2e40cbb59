"""Warnings that point at the user's line."""

import sys
import warnings
from contextvars import ContextVar

# While this holds a list, warnings go there, to be given at another time.
KEPT_WARNINGS: ContextVar[list | None] = ContextVar("KEPT_WARNINGS", default=None)


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn about the line from which the library was called, whatever lies between."""
    kept = KEPT_WARNINGS.get()
    if kept is not None:
        kept.append((message, category))
        return
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in (
        "skreg",
        "sklearn",
        "joblib",
    ):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
