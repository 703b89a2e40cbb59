"""Time of predictions with and without what exact zeros have made superfluous.

A network 784-256-128-10 is trained for one epoch; then the incoming weights of 90 % of its hidden units, the outgoing
weights of 90 % of its features, or both, are set to zero, as structured penalties do. ``prune()`` removes them. Both
networks predict the same 100,000 rows (float32), in turn, on one thread; seconds are medians.

    python benchmarks/bench_prune.py [--rounds 5]
"""

import argparse
import platform
import time
import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

import skreg
from skreg import RegularizedMLPClassifier

N_FEATURES, HIDDEN, N_ROWS, ZEROS = 784, (256, 128), 100_000, 0.9
CASES = {"90 % of hidden units": ("units",), "90 % of features": ("features",), "both": ("units", "features")}


def network(rng, what):
    """Return a fitted network in which zeros have been set."""
    X = rng.random((2000, N_FEATURES), dtype=np.float32)
    model = RegularizedMLPClassifier(HIDDEN, max_iter=1, random_state=0).fit(X, rng.integers(0, 10, len(X)))
    if "units" in what:
        for W in model.coefs_[:-1]:
            W[:, rng.permutation(W.shape[1])[: round(ZEROS * W.shape[1])]] = 0
    if "features" in what:
        model.coefs_[0][rng.permutation(N_FEATURES)[: round(ZEROS * N_FEATURES)]] = 0
    return model


def run_case(name, what, X, rounds):
    """Print one line: sizes, seconds, their ratio and the largest difference of predicted probabilities."""
    whole = network(np.random.default_rng(0), what)
    models = {"whole": whole, "pruned": whole.prune()}
    predictions = {key: model.predict_proba(X) for key, model in models.items()}
    seconds = {key: [] for key in models}
    for _ in range(rounds):
        for key, model in models.items():
            start = time.perf_counter()
            model.predict(X)
            seconds[key].append(time.perf_counter() - start)
    before, after = (np.median(seconds[key]) for key in models)
    saved = models["pruned"].pruning_
    parameters = " to ".join(f"{number:,}" for number in saved["n_parameters"])
    left = "-".join(map(str, (saved["n_features"][1], *saved["hidden_layer_sizes"][1], 10)))
    difference = np.abs(predictions["whole"] - predictions["pruned"]).max()
    print(
        f"{name:20s}  {left:13s}  {parameters:>18s}  {before:5.3f} s  {after:5.3f} s  {before / after:5.1f}  "
        f"{difference:.1e}",
        flush=True,
    )


def main():
    """Run all cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="predictions of each network (at least 5)")
    rounds = max(5, parser.parse_args().rounds)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)  # one epoch, on purpose
    print(f"skreg {skreg.__version__}, torch {torch.__version__}, Python {platform.python_version()}, ", end="")
    print(f"{platform.machine()}, one thread, {N_ROWS:,} rows, median of {rounds}")
    print(f"{'zeros':20s}  {'left':13s}  {'parameters':>18s}  {'whole':7s}  {'pruned':7s}  ratio  largest difference")
    X = np.random.default_rng(1).random((N_ROWS, N_FEATURES), dtype=np.float32)
    for name, what in CASES.items():
        run_case(name, what, X, rounds)


if __name__ == "__main__":
    main()
