"""Draw the figure that the README and the landing page open with, by the lines that stand beside it.

`make figures` runs this. The numbers drawn are also written into the file, where `tests/test_documentation.py` reads
them.
"""

import re
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

ROOT = Path(__file__).parent.parent
FIGURE = ROOT / "docs" / "_static" / "comparison.svg"


def opening_lines() -> str:
    """Return the first lines of code in the README."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.search(r"```python\n(.*?)```", readme, flags=re.DOTALL).group(1)


def display_of(lines: str):
    """Return the display that lines of code make, whose last one is an expression."""
    *statements, expression = lines.strip().splitlines()
    names = {}
    exec("\n".join(statements), names)
    return eval(expression, names)


def main():
    """Write the figure, in colours that colour-blind readers can tell apart and on a white ground."""
    mpl.use("Agg")
    # The same lines give the same file.
    mpl.rcParams.update({"svg.hashsalt": "skreg", "savefig.facecolor": "white"})
    display = display_of(opening_lines())
    numbers = display.frame()
    description = numbers[["difference", "low", "high"]].to_csv(float_format="%.4f", lineterminator="\n")
    display.figure_.savefig(FIGURE, metadata={"Date": None, "Description": description})
    plt.close(display.figure_)


if __name__ == "__main__":
    main()
