"""Threads of torch: where they are limited, in nested blocks, beside other fits, and in forked children."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event

import numpy as np
import pytest
import torch
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV as StockGridSearchCV
from skorch.callbacks import Callback
from threadpoolctl import threadpool_info, threadpool_limits
from torch.overrides import TorchFunctionMode

import skreg.engine.threads
from skreg import (
    RegularizedMLPClassifier,
    RegularizedMLPClassifierCV,
    RegularizedMLPRegressor,
    RegularizedMLPRegressorCV,
)
from skreg.engine.threads import FLOPS_FOR_THREADS, limited_threads
from skreg.inspection import PenaltyGeometryDisplay, compare_regularizers
from skreg.model_selection import (
    GridSearchCV,
    alpha_max,
    cross_val_predict,
    cross_validate,
    learning_curve,
    regularization_path,
    validation_curve,
)

X = np.random.default_rng(0).normal(size=(40, 3))
Y = X[:, 0] + 0.1 * X[:, 1] ** 2
LABELS = np.digitize(X[:, 0], [-0.5, 0.5])
TENSORS = torch.from_numpy(X).bfloat16(), torch.from_numpy(Y)
WEIGHTS = torch.ones(len(X), device="cpu")
SHORT = {"max_iter": 2, "n_iter_no_change": np.inf, "random_state": 0}


@pytest.fixture(autouse=True)
def two_threads():
    """Give torch two threads, and check that they are given back: here, and to threads that begin."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    after = torch.get_num_threads()
    with ThreadPoolExecutor(1) as pool:
        of_new_thread = pool.submit(torch.get_num_threads).result()
    torch.set_num_threads(before)
    assert (after, of_new_thread) == (2, 2)


# What computes nothing.
NO_WORK = {"set_num_threads", "get_num_threads", "__get__", "numel", "dim", "size", "element_size", "numpy"}


class Threads(TorchFunctionMode):
    """Numbers of torch threads with which functions of torch are called."""

    def __init__(self):
        super().__init__()
        self.found = {}

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", str(func))
        if torch.get_num_threads() != 1 and name not in NO_WORK:
            frame = sys._getframe(1)
            while "skreg" not in frame.f_code.co_filename or "tests" in frame.f_code.co_filename:
                frame = frame.f_back
            self.found.setdefault(name, f"{frame.f_code.co_filename}:{frame.f_lineno}")
        return func(*args, **(kwargs or {}))


def classifier(**options):
    return RegularizedMLPClassifier((4,), dropout=0.2, **{**SHORT, **options})


def regressor(**options):
    return RegularizedMLPRegressor((4,), **{**SHORT, **options})


def checkpointed(path):
    model = classifier().fit(X, LABELS).save_checkpoint(path)
    model.set_params(max_iter=3).load_checkpoint(path).fit(X, LABELS)


def validated_on_tensors():
    rows, numbers = TENSORS
    params = {"params": {"sample_weight": WEIGHTS}, "cv": 2}
    cross_validate(regressor(), rows, numbers, **params)
    cross_val_predict(regressor(), rows, numbers, **params)
    learning_curve(regressor(), rows, numbers, train_sizes=[0.5, 1.0], **params)
    validation_curve(regressor(), rows, numbers, param_name="alpha", param_range=[0.1, 1.0], **params)


WORK = {
    "fit": lambda path: classifier(early_stopping=True, refit_on_all=True).fit(X, LABELS),
    "fit, warm": lambda path: regressor(warm_start=True).fit(X, Y).fit(X, Y),
    "fit, scored": lambda path: classifier(early_stopping=True, scoring="neg_log_loss").fit(X, LABELS),
    "fit, L-BFGS": lambda path: regressor(solver="lbfgs", max_iter=50, tol=1e-2).fit(X, Y),
    "fit, own loss": lambda path: regressor(loss=lambda t, z: (t - z).square().sum(dim=1)).fit(X, Y),
    "fit, rounded": lambda path: regressor(solver="lbfgs", max_iter=50, tol=1e-2).fit(X.astype(np.float32), Y),
    "partial_fit": lambda path: classifier().partial_fit(X, LABELS, classes=[0, 1, 2]).partial_fit(X, LABELS),
    "checkpoint": lambda path: checkpointed(path / "training.npz"),
    "tensors": lambda path: regressor().fit(*TENSORS),
    "search on tensors": lambda path: GridSearchCV(regressor(), {"alpha": [0.1, 1.0]}, cv=2).fit(
        *TENSORS, sample_weight=WEIGHTS
    ),
    "validation on tensors": lambda path: validated_on_tensors(),
    "comparison on tensors": lambda path: compare_regularizers(
        *TENSORS, {"none": regressor(penalty=None), "l2": regressor()}, cv=2, random_state=0
    ),
    "path": lambda path: regularization_path(regressor(penalty="group_lasso"), X, Y, alphas=3),
    "alpha_max": lambda path: alpha_max(RegularizedMLPRegressor((), penalty="l1"), X, Y),
    "CV": lambda path: RegularizedMLPRegressorCV((4,), penalty="l2", alphas=[0.1, 1.0], cv=2, **SHORT).fit(X, Y),
    "CV of classes": lambda path: RegularizedMLPClassifierCV(
        (), penalty="l1", alphas=2, cv=2, scoring="neg_log_loss", **SHORT
    ).fit(X, LABELS),
    "search": lambda path: GridSearchCV(
        classifier(), {"alpha": [0.1, 1.0]}, cv=2, scoring="neg_log_loss", n_jobs=1
    ).fit(X, LABELS),
    "search in turn": lambda path: GridSearchCV(regressor(solver="lbfgs"), {"alpha": [0.1, 1.0]}, cv=2).fit(X, Y),
    "comparison": lambda path: compare_regularizers(
        X, Y, {"none": regressor(penalty=None), "l2": regressor()}, cv=2, random_state=0
    ),
    "display": lambda path: PenaltyGeometryDisplay.from_estimator(
        RegularizedMLPRegressor((), penalty="l1", alpha=0.1, loss="huber", max_iter=30, random_state=0).fit(
            X[:, :2], Y
        ),
        X[:, :2],
        Y,
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_all_work_of_small_networks_is_on_one_thread(work, tmp_path):
    with Threads() as threads:
        work(tmp_path)
    assert not threads.found


@pytest.fixture(scope="module")
def fitted():
    target = np.abs(Y)
    return {
        "classes": (classifier().fit(X, LABELS), LABELS),
        "two classes": (classifier().fit(X, LABELS > 0), LABELS > 0),
        "numbers": (regressor().fit(X, Y), Y),
        "counts": (regressor(loss="poisson").fit(X, target), target),
        "quantiles": (regressor(loss="quantile", quantile=[0.1, 0.9]).fit(X, Y), Y),
    }


def public_methods(model, X, y):
    """Yield name and call of every method of a fitted estimator that computes."""
    for name in ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform"):
        if hasattr(model, name):
            yield name, partial(getattr(model, name), X)
    if any(np.atleast_1d(model.dropout)):
        yield "predict_dropout_samples", partial(model.predict_dropout_samples, X, 2)
    yield "score", partial(model.score, X, y)
    yield "prune", model.prune
    yield "importances", lambda: model.feature_importances_


@pytest.mark.parametrize("kind", ["classes", "two classes", "numbers", "counts", "quantiles"])
def test_all_work_of_fitted_networks_is_on_one_thread(kind, fitted):
    model, y = fitted[kind]
    with Threads() as threads:
        for _, call in public_methods(model, X, y):
            call()
    assert not threads.found


# -- nested blocks -----------------------------------------------------------------------------------------------------


def test_a_block_within_another_one_restores_what_it_has_found():
    seen = []
    for flops in (0, FLOPS_FOR_THREADS):
        with limited_threads(flops):
            seen.append(torch.get_num_threads())
            for inner in (0, FLOPS_FOR_THREADS, 0):
                with limited_threads(inner):
                    seen.append(torch.get_num_threads())
                seen.append(torch.get_num_threads())
    assert seen == [1, *(1, 1), *(2, 1), *(1, 1), 2, *(1, 2), *(2, 2), *(1, 2)]


def test_a_worker_has_one_thread_whatever_is_within():
    with limited_threads(FLOPS_FOR_THREADS, is_worker=True):
        assert torch.get_num_threads() == 1
        with limited_threads(FLOPS_FOR_THREADS):
            assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


class ThreadsOfEpochs(Callback):
    def __init__(self, found=None):
        self.found = [] if found is None else found

    def on_epoch_begin(self, net, **kwargs):
        self.found.append(torch.get_num_threads())


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss"])
def test_a_scorer_leaves_training_on_one_thread(scoring):
    epochs = ThreadsOfEpochs()
    classifier(max_iter=4, early_stopping=True, scoring=scoring, callbacks=[epochs]).fit(X, LABELS)
    assert epochs.found == [1] * 4


def test_a_new_thread_keeps_its_limit_when_a_fit_in_another_thread_ends():
    """A thread takes over the number that was set last in any thread, in its first work."""
    began, other_has_ended = Event(), Event()

    def first_work():
        with limited_threads():
            began.set()
            assert other_has_ended.wait(30)
            return torch.get_num_threads()

    with ThreadPoolExecutor(1) as pool:
        with limited_threads():
            found = pool.submit(first_work)
            assert began.wait(30)
        other_has_ended.set()
        assert found.result() == 1


# -- beside other fits -------------------------------------------------------------------------------------------------


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


class ThreadsOfLoss:
    """Squared error that records the threads of torch, and, in one step of training, those of BLAS."""

    def __init__(self):
        self.of_torch, self.of_blas, self.n_steps = set(), set(), 0

    def __deepcopy__(self, memo):
        return self

    def __call__(self, t, z):
        if z.requires_grad:  # a step, and no score before or after training, where L-BFGS does not limit BLAS
            self.n_steps += 1
            if self.n_steps == 6:
                self.of_blas = blas_threads()
        self.of_torch.add(torch.get_num_threads())
        return (t - z).square().sum(dim=1)


@pytest.fixture
def large_steps(monkeypatch):
    """Let every step count as large, and give BLAS two threads; check that they are given back."""
    monkeypatch.setattr(skreg.engine.threads, "FLOPS_FOR_THREADS", 1.0)
    # The thread that has set a limit is the only one to change it, as long as it lives.
    with ThreadPoolExecutor(1) as pool:
        limits = pool.submit(threadpool_limits, 2, user_api="blas").result()
    yield
    after = blas_threads()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(limits.restore_original_limits).result()
    assert after <= {2}  # there are BLAS libraries without threads


@pytest.mark.parametrize("options", [{"solver": "lbfgs"}, {"callbacks": [ThreadsOfEpochs()]}, {}])
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("is_ours", [True, False])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fits_beside_each_other_have_one_thread_each(large_steps, is_ours, n_jobs, options):
    loss = ThreadsOfLoss()
    search = (GridSearchCV if is_ours else StockGridSearchCV)(
        regressor(loss=loss, max_iter=3, **options), {"alpha": [0.1, 1.0]}, cv=2, refit=False, n_jobs=n_jobs
    )
    with parallel_config("threading"):
        search.fit(X, Y)
    assert loss.of_torch == {1} if n_jobs == 2 else loss.of_torch >= {2}
    assert loss.of_blas <= {1 if options.get("solver") == "lbfgs" else 2}


# -- forked children ---------------------------------------------------------------------------------------------------

# In a process of its own: Python warns of a fork after any thread has begun, and a child that hangs is killed.
FORKS = """
import multiprocessing, os, sys, warnings
from concurrent.futures import ThreadPoolExecutor

warnings.simplefilter("ignore")
import numpy as np
import torch

torch.set_num_threads(2)
from skreg import RegularizedMLPClassifier, RegularizedMLPClassifierCV, RegularizedMLPRegressor
from skreg.compose import TransformedTargetRegressor
from skreg.engine.threads import limited_threads
from skreg.model_selection import GridSearchCV, alpha_max

random = np.random.default_rng(0)
X, y = random.normal(size=(50, 12)), np.arange(50) % 3
long = random.normal(size=(40_000, 12))
wide, of_wide = random.normal(size=(100, 800)), np.arange(100) % 3
SHORT = {"max_iter": 2, "n_iter_no_change": np.inf, "random_state": 0, "batch_size": 4000}


def classifier(units=(20,), **options):
    return RegularizedMLPClassifier(units, **{**SHORT, **options})


def regressor(units=(20,), **options):
    return RegularizedMLPRegressor(units, **{**SHORT, **options})


def scored(**options):
    return classifier(early_stopping=True, scoring="neg_log_loss", **options)


QUANTILES = {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]}
three = classifier(dropout=0.2).fit(X, y)
two = classifier().fit(long, long[:, 0] > 0)
numbers = regressor().fit(long, long[:, 0])
counts = regressor(loss="poisson").fit(long, np.abs(long[:, 0]))
quantiles = regressor(**QUANTILES).fit(long, long[:, 0])
# Steps so large take the threads of torch.
large = classifier((1600, 1600), max_iter=1).fit(wide, of_wide)


def partial():
    return classifier().partial_fit(X, y, classes=[0, 1, 2]).predict_proba(long)


def checkpointed(path=os.path.join(sys.argv[1], "training.npz")):
    classifier().fit(long, long[:, 0] > 0).save_checkpoint(path)
    return classifier(max_iter=3).load_checkpoint(path).fit(long, long[:, 0] > 0).coefs_[0]


calls = {
    "predict_log_proba": lambda: three.predict_log_proba(X),
    "predict_proba": lambda: three.predict_proba(X),
    "predict_dropout_samples": lambda: three.predict_dropout_samples(X, 2, random_state=0).mean,
    "prune": lambda: three.prune().predict_proba(X),
    **{f"{name} of {n} rows": lambda name=name, rows=rows: getattr(two, name)(rows)
       for name in ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform")
       for n, rows in {"40,000": long, "50": X}.items()},
    "score": lambda: two.score(long, long[:, 0] > 0),
    "predict numbers": lambda: numbers.predict(long),
    "score numbers": lambda: numbers.score(long, long[:, 0]),
    "predict counts": lambda: counts.predict(long),
    "predict quantiles": lambda: quantiles.predict(long),
    "score quantiles": lambda: quantiles.score(long, long[:, 0]),
    "fit": lambda: classifier().fit(X, y).predict_proba(long),
    "fit long": lambda: regressor(loss="huber", batch_size=20_000).fit(long, long[:, 0]).coefs_[0],
    "fit scored": lambda: scored().fit(X, y).coefs_[0],
    "fit L-BFGS": lambda: regressor(solver="lbfgs").fit(long, long[:, 0]).coefs_[0],
    "fit own loss": lambda: regressor(loss=lambda t, z: (t - z).square().sum(dim=1)).fit(long, long[:, 0]).coefs_[0],
    "partial_fit": partial,
    "checkpoint": checkpointed,
    "alpha_max": lambda: alpha_max(regressor((), penalty="l1"), long, long[:, 0]),
    "search": lambda: GridSearchCV(classifier(), {"alpha": [0.1, 1.0]}, scoring="neg_log_loss", cv=2, n_jobs=2)
    .fit(X, y).predict_proba(long),
    "search in turn": lambda: GridSearchCV(scored(), {"alpha": [0.1, 1.0]}, cv=2).fit(X, y).predict_proba(X),
    "CV": lambda: RegularizedMLPClassifierCV((), penalty="l1", alphas=2, cv=2, scoring="neg_log_loss", **SHORT)
    .fit(X, y).predict_proba(long),
    "transformed": lambda: TransformedTargetRegressor(regressor(**QUANTILES), func=np.sinh, inverse_func=np.arcsinh)
    .fit(long, long[:, 0]).score(long, long[:, 0]),
    "large predict": lambda: large.predict_proba(wide),
    "large fit": lambda: classifier((1600, 1600), max_iter=1).fit(wide, of_wide).coefs_[0][0],
}
# The parent does what the children are to do: it has all threads that they might wait for.
expected = {name: call() for name, call in calls.items() if name != "large fit"}
expected["large fit"] = large.coefs_[0][0]
torch.ones(10**6).exp().sum()
children = multiprocessing.get_context("fork")


def as_before(name):
    np.testing.assert_allclose(calls[name](), expected[name], rtol=1e-4, atol=1e-5)
    assert torch.get_num_threads() == 2


def in_child(name, work, *args):
    child = children.Process(target=work, args=args)
    child.start()
    child.join(20)
    if child.exitcode != 0:
        print(name, "hangs" if child.exitcode is None else "fails")
    child.kill()


for name in calls:
    in_child(name, as_before, name)


def in_thread():
    with ThreadPoolExecutor(1) as pool:
        pool.submit(as_before, "predict_proba").result()


in_child("thread of a child", in_thread)
for flops in (0, 1e12):  # a callback or a loss that forks
    with limited_threads(flops):
        in_child("within a fit", torch.exp, torch.ones(10**6))
print("done")
"""


# A child of a fork while a fit in another thread has limited BLAS, and of one within such a fit.
FORKS_BESIDE = """
import os, sys, threading, warnings
warnings.simplefilter("ignore")
import numpy as np
from threadpoolctl import threadpool_info
from skreg import RegularizedMLPRegressor
from skreg.engine.threads import one_blas_thread

X = np.random.default_rng(0).normal(size=(50, 3))
entered, leave = threading.Event(), threading.Event()


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def in_child(work):
    child = os.fork()
    if child == 0:
        os._exit(0 if work() else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def loss(t, z):
    if not set(blas_threads()) - {1}:  # in training
        entered.set()
        leave.wait()
    return (t - z).square().sum(dim=1)


def fits_and_restores():
    leave.set()
    at_first = blas_threads()
    RegularizedMLPRegressor((4,), solver="lbfgs", max_iter=2, random_state=0).fit(X, X[:, 0])
    return at_first == blas_threads() == before


def leaves_its_block():
    with one_blas_thread():
        inner = blas_threads()
    return set(inner) <= {1} and set(blas_threads()) <= {1}


before = blas_threads()
fit = RegularizedMLPRegressor((4,), solver="lbfgs", max_iter=2, loss=loss, random_state=0)
thread = threading.Thread(target=fit.fit, args=(X, X[:, 0]))
thread.start()
entered.wait()
in_child(fits_and_restores)
with one_blas_thread():
    in_child(leaves_its_block)
leave.set()
thread.join()
with one_blas_thread():
    in_child(leaves_its_block)
print(blas_threads() == before)
print("beside")
"""


@pytest.fixture(scope="module")
def forks(tmp_path_factory):
    """Return what the scripts print, one after the other in one process."""
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-c", FORKS_BESIDE + FORKS, str(tmp_path_factory.mktemp("forks"))]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert (run.stderr, run.returncode) == ("", 0)
    return run.stdout.partition("beside\n")


def test_a_child_has_the_threads_of_blas_that_fits_in_other_threads_have_limited(forks):
    assert forks[0] == "0\n0\n0\nTrue\n"


def test_children_of_a_fork_do_not_wait_for_the_threads_of_their_parent(forks):
    assert forks[2] == "done\n"
