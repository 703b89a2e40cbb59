"""How the time of a step and of a fit grows with rows, columns, hidden units and members.

One of the four varies at a time; the others stay at 2,000 rows, 64 columns, 128 units and 1 member. Batches have 32
rows, outputs are ten classes, numbers are float32 and random, and there is one thread. Beside every network stands
scikit-learn's MLPClassifier of the same size; where members vary, it trains one of them, and its time is multiplied by
their number. Contestants take turns, and medians are compared. Writes results/bench_scaling.csv.

    python benchmarks/bench_scaling.py [--rounds 5] [--plot FILE]
"""

import argparse
import functools
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from _timing import add_rounds, n_rounds, take_turns, threads, versions
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from skreg import RegularizedMLPClassifier
from skreg.model_selection import GridSearchCV

BATCH, CLASSES = 32, 10
USUAL = {"rows": 2000, "columns": 64, "units": 128, "members": 1}
SWEEPS = {
    "rows": (200, 600, 2000, 6000, 20_000, 60_000),
    "columns": (4, 16, 64, 256, 1024, 4096),
    "units": (8, 32, 128, 512, 2048),
    "members": (1, 2, 5, 10, 20, 50, 100),
}
# Every fit takes about so many steps, in whole epochs: enough for what it does but once to matter little.
STEPS = 400
TABLE = Path("results/bench_scaling.csv")
COLORS = {"skreg": "#0072B2", "MLPClassifier": "#D55E00"}


def data(n_rows, n_columns):
    """Return standard normal inputs and classes drawn without looking at them."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((n_rows, n_columns), dtype=np.float32), np.arange(n_rows) % CLASSES


def contestants(rows, columns, units, members, epochs):
    """Return, by name, a call that fits."""
    X, y = data(rows, columns)
    shared = {"hidden_layer_sizes": (units,), "batch_size": BATCH, "max_iter": epochs, "random_state": 0}
    shared |= {"tol": 0, "n_iter_no_change": np.inf}
    ours, theirs = RegularizedMLPClassifier(**shared), MLPClassifier(**shared)
    fit = functools.partial(ours.fit, X, y)
    if members > 1:
        # All rows for training, one row for a score that costs nothing.
        split = (np.arange(rows), np.arange(1))
        alphas = np.geomspace(1e-6, 1e-1, members)
        fit = functools.partial(GridSearchCV(ours, {"alpha": alphas}, cv=[split], refit=False).fit, X, y)
    return {"skreg": fit, "MLPClassifier": functools.partial(theirs.fit, X, y)}


def measure(quantity, size, rounds):
    """Return one row of figures for each contestant."""
    sizes = USUAL | {quantity: size}
    batches = -(-sizes["rows"] // BATCH)
    epochs = max(1, round(STEPS / batches))
    calls = contestants(**sizes, epochs=epochs)
    for call in calls.values():
        call()
    rows = []
    for name, values in take_turns(calls, rounds).items():
        seconds = np.median(values)
        # One step of every member; MLPClassifier takes them one after the other.
        step = 1e6 * seconds / (epochs * batches)
        if name == "MLPClassifier":
            step *= sizes["members"]
        figures = {"microseconds a step": step, "seconds an epoch": 1e-6 * step * batches}
        rows.append({"varies": quantity, "size": size, "contestant": name, "epochs": epochs, **figures})
    return rows


def run_sweep(quantity, rounds):
    """Print a table of one sweep; return its rows."""
    rows = [row for size in SWEEPS[quantity] for row in measure(quantity, size, rounds)]
    table = pd.DataFrame(rows)
    wide = table.pivot(index="size", columns="contestant", values=["microseconds a step", "seconds an epoch"])
    steps = wide["microseconds a step"]
    shown = pd.DataFrame(
        {
            "skreg, µs a step": steps["skreg"].round().astype(int),
            "MLPClassifier": steps["MLPClassifier"].round().astype(int),
            "times faster": (steps["MLPClassifier"] / steps["skreg"]).round(2),
            "skreg, s an epoch": wide["seconds an epoch"]["skreg"].round(4),
        }
    )
    if quantity == "members":
        shown["µs a step and member"] = (steps["skreg"] / shown.index).round().astype(int)
    print(f"\n{shown.rename_axis(quantity).to_string()}", flush=True)
    return rows


def plot(table, path):
    """Draw the time of a step against each quantity."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {"font.size": 11, "svg.hashsalt": "skreg", "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, axes = plt.subplots(2, 2, figsize=(9, 6.6), sharey=True, layout="constrained")
    labels = {"rows": "rows of the data", "columns": "columns", "units": "hidden units", "members": "members"}
    for ax, (quantity, label) in zip(axes.flat, labels.items(), strict=True):
        part = table[table.varies == quantity]
        for (name, color), marker in zip(COLORS.items(), "os", strict=True):
            line = part[part.contestant == name]
            ax.plot(line["size"], line["microseconds a step"], marker=marker, color=color, label=name)
        if quantity == "members":
            line = part[part.contestant == "skreg"]
            alone = line["microseconds a step"].iloc[0] * line["size"]
            ax.plot(line["size"], alone, "--", color=COLORS["skreg"], label="skreg, members one after the other")
        ax.set(xscale="log", yscale="log", xlabel=label)
        ax.grid(which="major", color="0.9")
    axes.flat[0].legend(*axes.flat[-1].get_legend_handles_labels(), frameon=False)
    for ax in axes[:, 0]:
        ax.set_ylabel("µs a step")
    metadata = {"Date": None} if path.suffix == ".svg" else None
    figure.savefig(path, dpi=120, metadata=metadata)
    print(f"figure: {path}")


def main():
    """Run all sweeps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_rounds(parser)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the four sweeps, too")
    parser.add_argument("--table", type=Path, metavar="CSV", help="draw an earlier table instead of measuring")
    arguments = parser.parse_args()
    if arguments.table and not arguments.plot:
        parser.error("--table is for --plot")
    if arguments.table is None:
        warnings.simplefilter("ignore", ConvergenceWarning)  # scikit-learn's: the number of epochs is fixed on purpose
        rounds = n_rounds(arguments)
        print(f"{versions()}\none thread, float32, median of {rounds} rounds")
        with threads(1):
            table = pd.DataFrame([row for quantity in SWEEPS for row in run_sweep(quantity, rounds)])
        TABLE.parent.mkdir(exist_ok=True)
        table.to_csv(TABLE, index=False)
        print(f"\ntable: {TABLE}")
    else:
        table = pd.read_csv(arguments.table)
    if arguments.plot:
        plot(table, arguments.plot)


if __name__ == "__main__":
    main()
