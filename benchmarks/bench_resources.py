"""What fits and predictions take beside time: processes, threads, memory, files; and where time grows with sizes.

Every part runs in processes of its own and prints rows with our figure, that of a peer and their ratio. The peer is
scikit-learn's MLPClassifier with a network of the same shape, unless the row names another one. Figures are medians of
rounds in turn, or of one run where they are counts or peaks of memory. "over 300" means that a run was ended after so
many seconds.

    forks    public calls that hang in a forked child of a process that has made them
    scorer   early stopping with a scorer, against the loss
    busy     threads that compute in a search with n_jobs=2, against two; on Linux
    savers   two threads that save checkpoints to one file: how many could not be read, and milliseconds a save
    classes  peak of memory of one epoch with many classes, and of its predictions; on Linux
    targets  peak of memory of one epoch with many labels or numbers to predict; on Linux
    masks    peak of memory of sparse inputs with dropout of inputs or noise, against a dense copy of them; on Linux
    columns  predictions and fits with 50,000 columns, dense and sparse
    calls    partial_fit after 50 and after 6,000 calls
    encoding seconds and memory to encode a table of 50,000 rows and 30 columns; against skrub's TableVectorizer

Writes results/bench_resources.csv. Another version of skreg is measured by `PYTHONPATH=<its source>`.

    python benchmarks/bench_resources.py [--parts forks scorer ...] [--rounds 5] [--rows 20000] [--limit 300]
"""

import argparse
import functools
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import scipy.sparse
import torch
from _timing import add_rounds, n_rounds, take_turns, threads, versions
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV as StockGridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from skorch.callbacks import Callback

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.model_selection import GridSearchCV
from skreg.preprocessing import TableEncoder

TABLE = Path("results/bench_resources.csv")
ONE_EPOCH = {"max_iter": 1, "random_state": 0}
MIB = 2**20
FORK_LIMIT = 20  # seconds
WINDOW = 0.2  # seconds in which threads compute at the same time
BUSY_SHARE = 0.1  # of a window, from which on a thread counts as busy
N_SAVES = 150
WIDE = 50_000


def network(whose, units=(100,), **options):
    """Return an estimator of ours, or scikit-learn's, that trains for a fixed number of epochs."""
    cls = RegularizedMLPClassifier if whose == "ours" else MLPClassifier
    return cls(units, **{**ONE_EPOCH, "n_iter_no_change": 10**6, **options})


def sparse_rows(n_rows, n_columns, density):
    """Return a CSR matrix with as many nonzeros in every row, and two classes."""
    rng, n_nonzero = np.random.default_rng(0), round(density * n_columns)
    indices = np.sort(rng.integers(0, n_columns // n_nonzero, (n_rows, n_nonzero)), axis=1)
    indices += np.arange(n_nonzero) * (n_columns // n_nonzero)  # no column twice in a row
    indptr = np.arange(0, indices.size + 1, n_nonzero)
    X = scipy.sparse.csr_matrix((rng.normal(size=indices.size), indices.ravel(), indptr), (n_rows, n_columns))
    return X, np.arange(n_rows) % 2


def milliseconds(calls, rounds):
    """Return the median of each call, in milliseconds, after a first one."""
    for call in calls.values():
        call()
    return {name: 1000 * float(np.median(values)) for name, values in take_turns(calls, rounds).items()}


# -- processes and threads ---------------------------------------------------------------------------------------------


def hanging_children(whose):
    """Return how many calls hang in a forked child of this process, which has made them itself, and of how many."""
    torch.set_num_threads(2)
    rng = np.random.default_rng(0)
    X, many, wide = rng.normal(size=(50, 12)), rng.normal(size=(40_000, 12)), rng.normal(size=(100, 800))
    three = network(whose, (20,)).fit(X, np.arange(50) % 3)
    two = network(whose, (20,), batch_size=4000).fit(many, many[:, 0] > 0)
    large = network(whose, (400, 300)).fit(wide, np.arange(100) % 3)
    calls = [
        functools.partial(three.predict_proba, X),
        functools.partial(three.predict_log_proba, X),
        functools.partial(two.predict, many),
        functools.partial(two.predict_proba, many),
        functools.partial(large.predict_proba, wide),
        functools.partial(network(whose, (400, 300)).fit, wide, np.arange(100) % 3),
        functools.partial(network(whose, (20,), early_stopping=True).fit, X, np.arange(50) % 3),
    ]
    children = []
    for call in calls:
        call()
    torch.ones(10**6).exp().sum()
    for call in calls:
        child = multiprocessing.get_context("fork").Process(target=call)
        child.start()
        children.append(child)
        child.join(FORK_LIMIT)
    hanging = [child for child in children if child.exitcode is None]
    for child in hanging:
        child.kill()
    return {"hanging": len(hanging), "calls": len(calls)}


def forks(arguments):
    """Yield the row of forked children."""
    if not hasattr(os, "fork"):
        print("forks: skipped, this system has no fork")
        return
    own, other = (measured(arguments, hanging_children, whose=whose) for whose in ("ours", "theirs"))
    calls = own.get("calls", "?") if isinstance(own, dict) else "?"
    yield f"calls that hang in a forked child, of {calls}", value_of(own, "hanging"), value_of(other, "hanging")


def scored_fits(rounds):
    """Return the milliseconds of ten epochs with early stopping by a scorer, and by the loss, on torch's threads."""
    torch.set_num_threads(2)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 20))
    y = X[:, 0] + rng.normal(size=len(X)) > 0
    options = {"early_stopping": True, "max_iter": 10, "tol": 0, "batch_size": 32}
    return milliseconds(
        {
            scoring: functools.partial(network("ours", scoring=scoring, **options).fit, X, y)
            for scoring in ("accuracy", "loss")
        },
        rounds,
    )


def scorer(arguments):
    """Yield the row of early stopping, on an idle machine and beside a busy process."""
    for label, n_busy in (("", 0), (", beside a busy process", 1)):
        script = "while True: pass"
        busy = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(n_busy)]
        found = measured(arguments, scored_fits, rounds=n_rounds(arguments))
        for process in busy:
            process.kill()
            process.wait()
        yield f"ms, ten epochs by accuracy{label} (peer: by loss)", value_of(found, "accuracy"), value_of(found, "loss")


class BusyThreads(threading.Thread):
    """Thread that counts the threads of this process that compute at the same time, until it is stopped."""

    def __init__(self):
        super().__init__(daemon=True)
        self.counts, self.ended = [], threading.Event()

    def run(self):
        """Count, for each window of time, the threads that have computed for a share of it."""
        before = self._read()
        while not self.ended.wait(WINDOW):
            now = self._read()
            busy = sum(seconds - before.get(thread, 0.0) > BUSY_SHARE * WINDOW for thread, seconds in now.items())
            self.counts += [busy] if busy else []
            before = now

    def _read(self):
        ticks, own = os.sysconf("SC_CLK_TCK"), threading.get_native_id()
        seconds = {}
        for path in Path("/proc/self/task").glob("*/stat"):
            try:
                fields = path.read_text().rsplit(")", 1)[1].split()
            except OSError:  # the thread has just ended
                continue
            if int(path.parent.name) != own:
                seconds[path.parent.name] = (int(fields[11]) + int(fields[12])) / ticks
        return seconds

    def stop(self):
        """Return the median of the numbers of busy threads."""
        self.ended.set()
        self.join()
        return float(np.median(self.counts))


def busy_threads(kind):
    """Return the number of busy threads in a search with two jobs, or in two threads of the user's own."""
    torch.set_num_threads(2)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 800))
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
    shared = {"max_iter": 4, "batch_size": 500}
    estimators = {
        "L-BFGS": network("ours", (400,), solver="lbfgs", max_iter=40),
        "callbacks": network("ours", (1000, 1000), callbacks=[Callback()], **shared),
        "stock": network("ours", (1000, 1000), **shared),
        "own threads": network("ours", (1000, 1000), **shared),
        "MLPClassifier": network("theirs", (1000, 1000), **shared),
    }
    watch = BusyThreads()
    if kind == "own threads":
        watch.start()
        with ThreadPoolExecutor(2) as pool:
            fits = [pool.submit(estimators[kind].set_params(alpha=alpha).fit, X, y) for alpha in (0.1, 0.2)]
            for fit in fits:
                fit.result()
        return watch.stop()
    search = GridSearchCV if kind in ("L-BFGS", "callbacks") else StockGridSearchCV
    with parallel_config("threading"):
        watch.start()
        search(estimators[kind], {"alpha": [1e-4, 1e-3]}, cv=2, n_jobs=2, refit=False).fit(X, y)
    return watch.stop()


def busy(arguments):
    """Yield rows of the threads that compute in searches."""
    if not Path("/proc/self/task").exists():
        print("busy: skipped, this system does not tell the times of threads in /proc")
        return
    other = measured(arguments, busy_threads, kind="MLPClassifier")
    kinds = {
        "L-BFGS": "our search, L-BFGS",
        "callbacks": "our search, callbacks",
        "stock": "scikit-learn's search, threading",
        "own threads": "two threads of the user's own",
    }
    for kind, label in kinds.items():
        yield f"busy threads, n_jobs=2, {label}", measured(arguments, busy_threads, kind=kind), other


# -- files -------------------------------------------------------------------------------------------------------------


def saves(n_threads):
    """Return how many files could not be read, and the milliseconds of a save, ours and of joblib.dump."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 20))
    y = X[:, 0] > 0
    fitted = {whose: [network(whose, (100, 100)).fit(X, y) for _ in range(n_threads)] for whose in ("ours", "theirs")}
    folder = Path(tempfile.mkdtemp())

    def work(whose, model):
        unread, seconds, path = 0, [], folder / whose
        for _ in range(N_SAVES // n_threads):
            start = time.perf_counter()
            try:
                model.save_checkpoint(path) if whose == "ours" else joblib.dump(model, path)
                seconds.append(time.perf_counter() - start)
                network("ours").load_checkpoint(path) if whose == "ours" else joblib.load(path)
            except Exception:  # whatever a broken file, or one that is not there, leads to
                unread += 1
        return unread, seconds

    results = {}
    for whose, models in fitted.items():
        with ThreadPoolExecutor(n_threads) as pool:
            found = list(pool.map(functools.partial(work, whose), models))
        seconds = [value for _, own in found for value in own]
        results[whose] = sum(unread for unread, _ in found), 1000 * float(np.median(seconds))
    return results


def savers(arguments):
    """Yield the rows of checkpoints."""
    found = measured(arguments, saves, n_threads=2)
    yield (
        f"unreadable of {N_SAVES} saves by two threads (peer: joblib.dump)",
        value_of(found, "ours", 0),
        value_of(found, "theirs", 0),
    )
    found = measured(arguments, saves, n_threads=1)
    yield "ms, a save (peer: joblib.dump)", value_of(found, "ours", 1), value_of(found, "theirs", 1)


# -- memory ------------------------------------------------------------------------------------------------------------


def memory(field):
    """Return a number of /proc/self/status in MiB: VmRSS, what is in memory now, or VmHWM, the most so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def begin_peak():
    """Let the most that is in memory start anew from what is in it now, in MiB, which is returned."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory("VmRSS")


def peak_of_classes(whose, n_rows, n_classes):
    """Return peaks of memory of this process in an epoch with many classes, and in predictions."""
    X = np.random.default_rng(0).normal(size=(n_rows, 20))
    y = np.arange(n_rows) % n_classes
    start = begin_peak()
    model = network(whose, batch_size=200).fit(X, y)
    fit = memory("VmHWM")
    begin_peak()
    model.predict(X)
    return {"start": start, "fit": fit, "predict": memory("VmHWM")}


def peak_of_targets(whose, n_rows, n_targets, kind):
    """Return the peak of memory of this process in an epoch with many labels or numbers to predict."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 20))
    y = rng.random((n_rows, n_targets))
    if kind == "labels":
        y = (y < 0.05).astype(int)
    start = begin_peak()
    cls = {
        "labels": {"ours": RegularizedMLPClassifier, "theirs": MLPClassifier},
        "numbers": {"ours": RegularizedMLPRegressor, "theirs": MLPRegressor},
    }[kind][whose]
    cls(hidden_layer_sizes=(100,), batch_size=200, **ONE_EPOCH).fit(X, y)
    return {"start": start, "fit": memory("VmHWM")}


def peak_of_masks(options):
    """Return by how much memory grows in an epoch with sparse inputs, and the size of a dense copy of them."""
    X, y = sparse_rows(10_000, 20_000, 1e-3)
    start = begin_peak()
    network("ours", **options).fit(X, y)
    return {"grown": memory("VmHWM") - start, "dense": 8 * X.shape[0] * X.shape[1] / MIB}


def has_proc(part):
    """Return whether peaks of memory can be read; say so if not."""
    is_there = Path("/proc/self/clear_refs").exists()
    if not is_there:
        print(f"{part}: skipped, this system does not tell peaks of memory in /proc")
    return is_there


def classes(arguments):
    """Yield the rows of memory with many classes."""
    if not has_proc("classes"):
        return
    sizes = {"n_rows": arguments.rows, "n_classes": 5000}
    own, other = (measured(arguments, peak_of_classes, whose=whose, **sizes) for whose in ("ours", "theirs"))
    where = f"{arguments.rows:,} rows of 5,000 classes"
    for name, label in {"fit": "an epoch", "predict": "predict"}.items():
        yield f"MiB at most, {label}, {where}", value_of(own, name), value_of(other, name)
        grown = [value_of(found, name, minus="start") for found in (own, other)]
        yield f"MiB beyond imports and data, {label}", *grown


def targets(arguments):
    """Yield the rows of memory with many targets."""
    if not has_proc("targets"):
        return
    for kind in ("labels", "numbers"):
        sizes = {"n_rows": 20_000, "n_targets": 1000, "kind": kind}
        own, other = (measured(arguments, peak_of_targets, whose=whose, **sizes) for whose in ("ours", "theirs"))
        yield f"MiB at most, an epoch, 20,000 rows of 1,000 {kind}", value_of(own, "fit"), value_of(other, "fit")
        grown = [value_of(found, "fit", minus="start") for found in (own, other)]
        yield "MiB beyond imports and data", *grown


def masks(arguments):
    """Yield the rows of memory of sparse inputs that are changed in every batch."""
    if not has_proc("masks"):
        return
    for options in ({"input_dropout": 0.2}, {"augmentation": "noise"}):
        found = measured(arguments, peak_of_masks, options=options)
        label = " ".join(map(str, *options.items()))
        yield f"MiB grown, CSR, {label} (peer: dense X)", value_of(found, "grown"), value_of(found, "dense")


# -- sizes -------------------------------------------------------------------------------------------------------------


def wide_predictions(kind, rounds):
    """Return the milliseconds of predictions of 1,000 wide rows."""
    X, y = sparse_rows(1000, WIDE, 1e-3)
    models = {whose: network(whose).fit(X[:200], y[:200]) for whose in ("ours", "theirs")}
    rows = X.toarray() if kind == "dense" else X
    with threads(1):
        return milliseconds({name: functools.partial(model.predict, rows) for name, model in models.items()}, rounds)


def wide_fits(whose, n_rows, density):
    """Return the milliseconds of an epoch and of predictions of many wide sparse rows."""
    X, y = sparse_rows(n_rows, WIDE, density)
    model, results = network(whose), {}
    with threads(1):
        for name, call in {"fit": lambda: model.fit(X, y), "predict": lambda: model.predict(X)}.items():
            start = time.perf_counter()
            call()
            results[name] = 1000 * (time.perf_counter() - start)
    return results


def columns(arguments):
    """Yield the rows of many columns."""
    for kind in ("dense", "CSR"):
        found = measured(arguments, wide_predictions, kind=kind, rounds=n_rounds(arguments))
        where = f"1,000 rows of {WIDE:,} columns, {kind}"
        yield f"ms, predict {where}", value_of(found, "ours"), value_of(found, "theirs")
    for n_rows, density in ((10_000, 1e-3), (100_000, 1e-4)):
        sizes = {"n_rows": n_rows, "density": density}
        own, other = (measured(arguments, wide_fits, whose=whose, **sizes) for whose in ("ours", "theirs"))
        for name, label in {"fit": "an epoch", "predict": "predict"}.items():
            where = f"{n_rows:,} CSR rows of {WIDE:,}, density {density:g}"
            yield f"ms, {label}, {where}", value_of(own, name), value_of(other, name)


def many_calls(n_calls):
    """Return the milliseconds of a call of partial_fit after 50 calls and after many, for each of the two."""
    X = np.random.default_rng(0).normal(size=(50, 10))
    y = np.arange(50) % 2
    models = {whose: network(whose, (20,)) for whose in ("ours", "theirs")}
    seconds = {whose: np.empty(n_calls) for whose in models}
    with threads(1):
        for call in range(n_calls):
            for whose, model in models.items():
                start = time.perf_counter()
                model.partial_fit(X, y, classes=[0, 1])
                seconds[whose][call] = time.perf_counter() - start
    return {
        whose: [1000 * float(np.median(own[span])) for span in (slice(25, 75), slice(-50, None))]
        for whose, own in seconds.items()
    }


def calls(arguments):
    """Yield the rows of partial_fit."""
    found = measured(arguments, many_calls, n_calls=6000)
    for index, after in enumerate(("50", "6,000")):
        yield f"ms, partial_fit after {after} calls", *(value_of(found, whose, index) for whose in ("ours", "theirs"))
    own, other = (value_of(found, whose, 1, over=0) for whose in ("ours", "theirs"))
    yield "partial_fit, the last calls over the first", own, other


def mixed_table(n_rows):
    """Return a table of 30 columns of every kind, a tenth of the values missing in every other one, and targets."""
    rng = np.random.default_rng(0)
    gaps = functools.partial(rng.choice, [True, False], p=[0.1, 0.9], size=n_rows)
    days = [pd.Timestamp("2020-01-01") + pd.to_timedelta(own, unit="D") for own in rng.integers(0, 1500, (4, n_rows))]
    levels = [np.array([f"level {i}" for i in range(n)], dtype=object) for n in (3, 8, 8, 20, 30, 200, 1000, 5000)]
    table = {f"number{j}": rng.lognormal(size=n_rows) for j in range(8)}
    table |= {f"count{j}": pd.array(rng.integers(0, 9, n_rows), dtype="Int64") for j in range(4)}
    table |= {f"boolean{j}": pd.array(rng.random(n_rows) < 0.4, dtype="boolean") for j in range(4)}
    table |= {f"level{j}": rng.choice(own, n_rows) for j, own in enumerate(levels)}
    table |= {f"date{j}": days[j] for j in range(2)} | {f"day{j}": days[j].strftime("%d.%m.%Y") for j in (2, 3)}
    table |= {"stay": days[0] - days[1], "code": pd.Categorical(rng.integers(0, 12, n_rows))}
    frame = pd.DataFrame(table)
    for name in frame.columns[::2]:
        frame[name] = frame[name].mask(gaps())
    return frame, rng.normal(size=n_rows)


def encoded_tables(whose, n_rows):
    """Return the seconds, the growth of memory and the size of the result of encoding a table."""
    torch.set_num_threads(1)
    from skrub import TableVectorizer

    encoders = {"ours": lambda: TableEncoder(target_type="continuous"), "theirs": TableVectorizer}
    frame, y = mixed_table(n_rows)
    with threads(1):
        encoders[whose]().fit_transform(frame[:1000], y[:1000])  # whatever is imported then
        before = begin_peak()
        start = time.perf_counter()
        encoded = encoders[whose]().fit_transform(frame, y)
        seconds = time.perf_counter() - start
    grown = memory("VmHWM") - before
    return {"seconds": seconds, "grown": grown, "size": np.asarray(encoded, dtype=np.float32).nbytes / MIB}


def encoding(arguments):
    """Yield the rows of the encoding of a table."""
    if not has_proc("encoding"):
        return
    own, other = (measured(arguments, encoded_tables, whose=whose, n_rows=WIDE) for whose in ("ours", "theirs"))
    where = f"{WIDE:,} rows of 30 mixed columns"
    yield f"seconds, encode {where}", value_of(own, "seconds"), value_of(other, "seconds")
    grown = [value_of(found, "grown", over="size") for found in (own, other)]
    yield f"memory grown over the size of the result, {where}", *grown


PARTS = {
    part.__name__: part for part in (forks, scorer, busy, savers, classes, targets, masks, columns, calls, encoding)
}
WORKERS = {
    function.__name__: function
    for function in (
        hanging_children,
        scored_fits,
        busy_threads,
        saves,
        peak_of_classes,
        peak_of_targets,
        peak_of_masks,
        wide_predictions,
        wide_fits,
        many_calls,
        encoded_tables,
    )
}


# -- processes of this script ------------------------------------------------------------------------------------------


def measured(arguments, function, **options):
    """Return what a function of this file returns in a process of its own; None if it takes longer than the limit."""
    command = [sys.executable, __file__, "--worker", function.__name__, json.dumps(options)]
    # As many threads as there are CPUs, unless a part limits them.
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    try:
        run = subprocess.run(
            command, env=environment, timeout=arguments.limit, stdout=subprocess.PIPE, text=True, check=True
        )
    except subprocess.TimeoutExpired:
        return None
    return json.loads(run.stdout.splitlines()[-1])


def value_of(found, *path, minus=None, over=None):
    """Return a part of what was measured, less or divided by another one beside it; None if nothing was."""
    if found is None:
        return None
    *first, last = path
    for name in first:
        found = found[name]
    value = found[last]
    if minus is not None:
        value -= found[minus]
    return value if over is None else value / found[over]


def shown(value, limit):
    """Return a figure as text."""
    if value is None:
        return f"over {limit}"
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def main():
    """Run the parts, or one measurement in a process of its own."""
    warnings.simplefilter("ignore")  # the number of epochs is fixed on purpose, and the data are random
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_rounds(parser)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rows", type=int, default=20_000, help="with many classes")
    parser.add_argument("--limit", type=int, default=300, help="seconds of one measurement")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        name, options = arguments.worker
        print(json.dumps(WORKERS[name](**json.loads(options))))
        return
    print(versions(), flush=True)
    rows = []
    for name in arguments.parts:
        for label, own, other in PARTS[name](arguments):
            ratio = own / other if own is not None and other else None
            rows.append({"part": name, "measured": label, "ours": own, "peer": other, "ratio": ratio})
            texts = (
                shown(own, arguments.limit),
                shown(other, arguments.limit),
                "" if ratio is None else f"{ratio:.2f}",
            )
            print(f"{name:8} {label:78} {texts[0]:>9} {texts[1]:>9} {texts[2]:>7}", flush=True)
    TABLE.parent.mkdir(exist_ok=True)
    pd.DataFrame(rows).to_csv(TABLE, index=False)
    print(f"\ntable: {TABLE}")


if __name__ == "__main__":
    main()
