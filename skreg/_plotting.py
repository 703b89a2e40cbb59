"""Colours, axes and labels of all figures, and the import of matplotlib, which is optional."""

from collections.abc import Sequence

import numpy as np

# Colours that colour-blind readers can tell apart (Okabe and Ito, 2008, without the yellow, which is too pale for
# lines).
BLUE, ORANGE, GREEN, PINK, AMBER, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
COLORS = (BLUE, ORANGE, GREEN, PINK, AMBER, SKY)
# A space without width: a label that begins with it is shown in legends, whatever comes next.
SHOWN = "\u200b"
# Longer names would leave no room for the axes beside them.
LONGEST_NAME = 40


def pyplot():
    """Return matplotlib.pyplot, which is imported by what draws and by nothing else.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("To draw, skreg needs matplotlib: pip install 'skreg[plot]'.") from error
    return plt


def axes_for(ax, n_axes: int = 1, **options) -> np.ndarray:
    """Return the axes that were given, or those of a new figure.

    Parameters
    ----------
    ax : matplotlib Axes, sequence of them, or None
        Where to draw; None makes a figure with the axes side by side.
    n_axes : int, default=1
        How many are needed.
    **options : dict
        Passed to ``plt.subplots`` for a new figure.

    Returns
    -------
    ndarray of matplotlib Axes of shape (n_axes,)
        The axes.

    Raises
    ------
    ValueError
        If `ax` holds another number of axes.
    """
    if ax is None:
        _, ax = pyplot().subplots(**{"nrows": 1, "ncols": n_axes, "layout": "constrained", **options})
    axes = np.ravel(np.asarray(ax, dtype=object))
    if len(axes) != n_axes:
        raise ValueError(f"The 'ax' parameter must hold {n_axes} matplotlib Axes; got {len(axes)}.")
    return axes


def labels_of(names: Sequence) -> list[str]:
    """Return names, or texts that hold some, as labels that matplotlib writes as they are.

    It reads text between dollar signs as formulas, unless the user has switched that off, and leaves labels that are
    empty or begin with an underscore out of legends.
    """
    settings = pyplot().rcParams
    has_formulas = settings["text.parse_math"] or settings["text.usetex"]
    labels = [str(name).replace("$", r"\$") if has_formulas else str(name) for name in names]
    return [SHOWN + label if not label or label.startswith("_") else label for label in labels]


def shortened(names: Sequence) -> list[str]:
    """Return names as texts of one line, and of long ones the beginning and the end."""
    lines = [" ".join(str(name).split()) for name in names]
    half = (LONGEST_NAME - 1) // 2
    return [line if len(line) <= LONGEST_NAME else f"{line[:half]}…{line[-half:]}" for line in lines]
