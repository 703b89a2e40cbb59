"""Draw the figures, and write the tables, that the README, the landing page and the quickstart begin with.

Those of a raw table are what `examples/plot_tabular.py` computes; the figure of a comparison is drawn by the lines that
stand beside it. `tests/test_documentation.py` reads the numbers: they are written here, and nowhere by hand.

    python docs/make_figures.py [table] [comparison]      # both without a name
"""

import io
import re
import runpy
import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
STATIC = ROOT / "docs" / "_static"
FIGURE, TABLE_FIGURE = STATIC / "comparison.svg", STATIC / "tabular.svg"
TABLE, SUMMARY = STATIC / "tabular.csv", STATIC / "tabular_summary.txt"
# What stands between these lines of the README is written anew.
BEGIN, END = "<!-- written by make figures -->\n", "<!-- end -->\n"


def comparison_lines() -> str:
    """Return the lines of code in the README that draw a comparison."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    (lines,) = (block for block in blocks if block.rstrip().endswith(").plot()"))
    return lines


def display_of(lines: str):
    """Return the display that lines of code make, whose last one is an expression."""
    *statements, expression = lines.strip().splitlines()
    names = {}
    exec("\n".join(statements), names)
    return eval(expression, names)


def markdown_of(csv: str) -> str:
    """Return a table of comma-separated values in Markdown."""
    header, *rows = (line.split(",") for line in csv.splitlines())
    return "".join(f"| {' | '.join(row)} |\n" for row in [header, ["---"] * len(header), *rows])


def numbers_in(figure: Path) -> pd.DataFrame:
    """Return the numbers that a figure was drawn from."""
    (drawn,) = re.findall(r"<dc:description>(.*?)</dc:description>", figure.read_text(encoding="utf-8"), re.DOTALL)
    return pd.read_csv(io.StringIO(drawn))


def draw_comparison():
    """Draw the comparison, with its numbers inside of the file."""
    display = display_of(comparison_lines())
    numbers = display.frame()
    description = numbers[["difference", "low", "high"]].to_csv(float_format="%.4f", lineterminator="\n")
    display.figure_.savefig(FIGURE, metadata={"Date": None, "Description": description})


def draw_table():
    """Run the example of a raw table; draw its figure, and write its scores and the summary of its networks."""
    results = runpy.run_path(str(ROOT / "examples" / "plot_tabular.py"))
    description = results["losses"].to_csv(float_format="%.4f", lineterminator="\n", index=False)
    results["figure"].savefig(TABLE_FIGURE, metadata={"Date": None, "Description": description})
    csv = results["scores"].to_csv(float_format="%.3f", lineterminator="\n")
    TABLE.write_text(csv, encoding="utf-8")
    SUMMARY.write_text(results["model"].summary() + "\n", encoding="utf-8")
    before, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    README.write_text(before + BEGIN + markdown_of(csv) + END + rest.partition(END)[2], encoding="utf-8")


DRAWN = {"table": draw_table, "comparison": draw_comparison}


def main(names):
    """Write figures and tables, in colours that colour-blind readers can tell apart and on a white ground."""
    mpl.use("Agg")
    for name in names:
        # The same lines give the same file.
        with mpl.rc_context({"svg.hashsalt": "skreg", "savefig.facecolor": "white"}):
            DRAWN[name]()
        plt.close("all")


if __name__ == "__main__":
    main(sys.argv[1:] or DRAWN)
