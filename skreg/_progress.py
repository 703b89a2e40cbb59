"""Progress bars, as widgets in notebooks."""

import sys

from tqdm import tqdm


def progress_bar(*, shown: bool, **options) -> tqdm:
    """Return a progress bar with options of tqdm: in a notebook that can show one, a widget."""
    kind = tqdm
    if shown and in_notebook():
        from tqdm.auto import tqdm as kind
    return kind(disable=not shown, **options)


def in_notebook() -> bool:
    """Return whether this runs in a notebook, where streams are no terminals."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and "IPKernelApp" in shell.config
