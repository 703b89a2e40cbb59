"""Warnings that point at the user's line."""

import sys
import warnings


def warn_user(message: str | Warning, category: type[Warning] = UserWarning) -> None:
    """Warn about the line from which the library was called, whatever lies between."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("skreg", "sklearn"):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
