"""A progress bar for work of many fits."""

import sys

from skreg._progress import in_notebook, progress_bar

# Work that takes fewer seconds shows no bar.
DELAY = 3.0
FORMAT = "{desc}: {percentage:3.0f}% |{bar}| {n:.0f} of {total:.0f} fits [{elapsed}, {remaining} left]"


class FitsBar:
    """Progress bar of fits: how many are done, parts of fits included, and how long the others will take.

    Use it in a ``with`` statement.

    Parameters
    ----------
    n_fits : int
        Number of all fits.
    label : str
        Purpose of the fits.
    verbose : int or None
        0 shows nothing; None shows the bar in a terminal or a notebook, if the work takes some seconds; from 1 on it is
        shown at once, wherever standard error goes.
    """

    def __init__(self, n_fits: int, label: str, verbose: int | None):
        shown = verbose > 0 if verbose is not None else in_notebook() or is_terminal(sys.stderr)
        # The time is checked in every update, because rounds of many fits and single ones alternate.
        options = {"bar_format": FORMAT, "miniters": 0, "smoothing": 0.1, "delay": 0 if verbose else DELAY}
        self._bar = progress_bar(shown=shown, total=n_fits, desc=label, **options)
        self._n_done = 0

    def __enter__(self) -> "FitsBar":
        return self

    def __exit__(self, *error) -> None:
        self._bar.close()

    def add(self, share: float) -> None:
        """Count a share of a fit."""
        self._bar.update(share)

    def settle(self, n_fits: int) -> None:
        """Count fits that are done, whatever shares of them were counted before: some end early, or fail."""
        self._n_done += n_fits
        if not self._bar.disable:
            self._bar.update(self._n_done - self._bar.n)

    def expect(self, n_fits: int) -> None:
        """Set the number of fits that are still to come."""
        self._bar.total = self._n_done + n_fits


def is_terminal(stream) -> bool:
    """Return whether a stream is shown in a terminal."""
    return getattr(stream, "isatty", lambda: False)()
