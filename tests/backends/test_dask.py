"""A cluster of Dask: results as here, data that are sent once, threads, dead workers, interrupts, errors, warnings."""

import os
import signal
import sys
import warnings
from functools import partial

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn.model_selection
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from scipy.stats import uniform
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info

import skreg
from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.engine import threads
from skreg.inspection import compare_regularizers
from skreg.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    RegularizedMLPClassifierCV,
    RegularizedMLPRegressorCV,
    cross_val_score,
    cross_validate,
    learning_curve,
    regularization_path,
)
from tests.backends.cluster_helpers import Cluster, time_limit, wait_until
from tests.backends.test_joblib import fails_on_61_rows
from tests.helpers import CustomLoss, three_classes
from tests.model_selection.test_results_by_key import Recorded, process_of, search_of
from tests.search_helpers import assert_same_fit, assert_same_results

X, Y = three_classes()
SHORT = {"hidden_layer_sizes": (6,), "max_iter": 4, "batch_size": 20, "n_iter_no_change": np.inf, "random_state": 0}
GRID = {"alpha": [0.0, 0.01, 1.0], "hidden_layer_sizes": [(4,), (5,)]}
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:No feature is selected|The best alpha"),
    pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="time limits by signals"),
]


def make(**options):
    return RegularizedMLPClassifier(**SHORT | options)


def make_cv(kind=RegularizedMLPClassifierCV, **options):
    return kind(
        **SHORT | {"max_iter": 20, "learning_rate_init": 0.02, "alphas": [0.001, 0.01, 10.0], "cv": 2} | options
    )


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(started):
    """The cluster, with two workers, for at most a minute; afterwards it holds nothing."""
    with time_limit(60):
        started.complete()
        yield started
        wait_until(lambda: not any(started.n_blocks()))


def on_cluster(run):
    """Return what a function returns with the cluster as the backend, and what it returns here with two threads."""
    with joblib.parallel_config("dask"):
        there = run()
    with joblib.parallel_config("threading", n_jobs=2):
        return there, run()


def has_one_torch_thread(y_true, y_pred):
    if torch.get_num_threads() > 1:
        raise RuntimeError(f"{torch.get_num_threads()} threads of torch")
    return (y_true - y_pred).square().sum(dim=1)


def has_one_thread(y_true, y_pred):
    found = {item["filepath"]: item["num_threads"] for item in threadpool_info()}
    if max(found.values()) > 1:
        raise RuntimeError(f"not one thread: {found!r}")
    return has_one_torch_thread(y_true, y_pred)


class Waits(CustomLoss):
    """A loss that waits until a file is there."""

    def __init__(self, path):
        self.path = path

    def __call__(self, y_true, y_pred):
        wait_until(self.path.exists)
        return (y_true - y_pred).square().sum(dim=1)


def give_threads(n_threads, flops):
    """Let large steps have several threads, and let all steps be large; return the numbers before."""
    before = torch.get_num_threads(), threads.FLOPS_FOR_THREADS
    torch.set_num_threads(n_threads)
    threads.FLOPS_FOR_THREADS = flops
    return before


def set_version(version):
    sys.modules["skreg.backends._dask"].__version__ = version


class TestResults:
    def test_searches(self, cluster):
        for kind, space, options in (
            (GridSearchCV, GRID, {"return_train_score": True}),
            (RandomizedSearchCV, {"alpha": uniform(0, 1)}, {"n_iter": 4, "random_state": 0}),
        ):
            there, here = on_cluster(lambda: kind(make(dropout=0.2), space, cv=3, **options).fit(X, Y))  # noqa: B023
            assert_same_results(there.cv_results_, here.cv_results_, None)
            assert_same_fit(there.best_estimator_, here.best_estimator_, None)

    def test_functions(self, cluster):
        pipeline = make_pipeline(StandardScaler(), make(early_stopping=True))
        for run in (
            lambda: cross_val_score(make(alpha=0.1), csr_matrix(X), Y, cv=4, params={"sample_weight": Y + 1.0}),
            lambda: learning_curve(make(), X, Y, cv=3, train_sizes=[0.5, 1.0])[1:],
            lambda: cross_validate(pipeline, pd.DataFrame(X), Y, cv=3, return_estimator=True)["estimator"][1].predict(
                X
            ),
        ):
            assert_array_equal(*on_cluster(run))

    @pytest.mark.parametrize("kind", [RegularizedMLPClassifierCV, RegularizedMLPRegressorCV])
    def test_estimators_that_choose_their_strength(self, cluster, kind):
        target = Y if kind is RegularizedMLPClassifierCV else X[:, 0] * X[:, 1]
        there, here = on_cluster(lambda: make_cv(kind).fit(X, target))
        assert_same_fit(there, here, None)

    def test_paths(self, cluster):
        there, here = on_cluster(lambda: regularization_path(make(max_iter=20), X, Y, alphas=[0.001, 0.01, 10.0]))
        for model, other in zip(there.estimators, here.estimators, strict=True):
            assert_same_fit(model, other, None)

    def test_comparisons(self, cluster):
        estimators = {
            "l1": (make(penalty="l1"), {"alpha": [0.01, 0.1]}),
            "logistic": (LogisticRegression(), {"C": [0.1, 1.0]}),
            "chooses": make_cv(),
        }
        options = {"cv": 2, "inner_cv": 2, "n_repeats": 1, "random_state": 0}
        with pytest.warns(UserWarning, match="'chooses': No feature is selected"):
            there, here = on_cluster(lambda: compare_regularizers(X, Y, estimators, **options).folds)
        for name in ("regularizer", "test_score", "train_score"):
            assert there[name].tolist() == here[name].tolist()

    def test_searches_of_scikit_learn(self, cluster):
        grid = {"alpha": [0.0, 1.0]}
        there, here = on_cluster(lambda: sklearn.model_selection.GridSearchCV(make(), grid, cv=3).fit(X, Y))
        assert_same_results(there.cv_results_, here.cv_results_, None)
        # A search in a search runs in one worker.
        inner = GridSearchCV(make(), grid, cv=2)
        for module, model in ((sklearn, inner), (skreg, make_cv())):
            score = partial(module.model_selection.cross_val_score, model, X, Y, cv=2, scoring="neg_log_loss")
            assert_allclose(*on_cluster(score), rtol=1e-12)  # in populations of another size here


class TestData:
    def test_are_sent_once_to_each_worker(self, cluster):
        rows = np.random.default_rng(0).normal(size=(1200, 200))
        labels = (rows[:, 0] > 0).astype(int)
        sparse = csr_matrix(rows)  # of 1.5 times as many bytes
        model, options = make(max_iter=1), {"cv": 2, "inner_cv": 2, "n_repeats": 1, "random_state": 0, "refit": False}
        estimators = {"l1": (make(max_iter=1, penalty="l1"), {"alpha": [0.01, 0.1]}), "logistic": LogisticRegression()}
        for run in (
            lambda: GridSearchCV(model, GRID | {"batch_size": [20, 30]}, cv=5, refit=False).fit(rows, labels),
            lambda: make_cv(max_iter=1, refit=False).fit(rows, labels),
            lambda: learning_curve(model, sparse[:700], labels[:700], cv=4, train_sizes=[0.5, 1.0]),
            lambda: compare_regularizers(rows, labels, estimators, **options),
            lambda: cross_validate(make_cv(max_iter=1), rows.tolist(), labels, cv=4, params={}),
        ):
            with cluster.received() as received, joblib.parallel_config("dask"):
                run()
            assert rows.nbytes < sum(received)
            assert max(received) < 1.2 * rows.nbytes, (received, rows.nbytes)
        assert cluster.n_blocks() == [0, 0]
        assert cluster.client.amm.running()

    def test_changed_in_place(self, cluster):
        rows = X.copy()
        for factor in (1.0, 2.0):
            rows *= factor
            assert_array_equal(*on_cluster(partial(cross_val_score, make(), rows, Y, cv=3, scoring="neg_log_loss")))

    def test_large_tasks(self, cluster, monkeypatch):
        """The scheduler does not get them, only their data."""
        monkeypatch.setattr("skreg.backends._dask.MOST_BYTES", 0)
        assert_array_equal(*on_cluster(partial(cross_val_score, make(), X, Y, cv=3, scoring="neg_log_loss")))


class TestWorkers:
    def test_one_thread_for_each_task(self, cluster):
        before = cluster.client.run(give_threads, 3, 0)
        try:
            for module, loss in ((skreg, has_one_thread), (sklearn, has_one_torch_thread)):
                model = RegularizedMLPRegressor(**SHORT | {"loss": loss})
                with joblib.parallel_config("dask"):
                    scores = module.model_selection.cross_val_score(model, X, X[:, 0], cv=3, error_score="raise")
                assert np.isfinite(scores).all()
            assert all(n_threads == 3 for n_threads, _ in cluster.client.run(give_threads, 3, 0).values())
        finally:
            for worker, values in before.items():
                cluster.client.run(give_threads, *values, workers=[worker])

    def test_another_version(self, cluster):
        cluster.client.run(set_version, "0.0.1")
        try:
            with (
                joblib.parallel_config("dask"),
                pytest.raises(RuntimeError, match=r"must have the version .* got 0.0.1"),
            ):
                cross_val_score(make(), X, Y)
        finally:
            cluster.client.run(set_version, skreg.__version__)

    def test_interrupt(self, cluster):
        endless = make(max_iter=10**7, tol=0)
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with joblib.parallel_config("dask"), pytest.raises(KeyboardInterrupt):  # noqa: SIM117
                with cluster.when_running(lambda: os.kill(os.getpid(), signal.SIGINT)):
                    GridSearchCV(endless, GRID, cv=3).fit(X, Y)
        finally:
            signal.signal(signal.SIGINT, before)
        wait_until(lambda: not any(cluster.running()))
        assert_array_equal(*on_cluster(lambda: cross_val_score(make(), X, Y, cv=3)))


def failure(run):
    """Return type and text of the error of a function, without the tracebacks in it."""
    with pytest.raises((KeyError, RuntimeError, ValueError)) as caught:
        run()
    return type(caught.value), str(caught.value).split("Below are more")[0]


class TestErrorsAndWarnings:
    def test_errors_of_networks(self, cluster):
        model = RegularizedMLPRegressor(**SHORT | {"loss": fails_on_61_rows})
        folds = [(np.arange(61), np.arange(61, 90)), (np.arange(60), np.arange(60, 90))]
        there, here = on_cluster(
            lambda: failure(lambda: cross_validate(model, X, X[:, 0], cv=folds, error_score="raise"))
        )
        assert there == here == (RuntimeError, "not so many rows")
        for backend in ("dask", "threading"):
            with joblib.parallel_config(backend), pytest.warns(FitFailedWarning, match="not so many rows"):
                scores = cross_validate(model, X, X[:, 0], cv=folds)["test_score"]
            assert np.isnan(scores).tolist() == [True, False]

    @pytest.mark.filterwarnings("ignore:One or more of the test scores")
    @pytest.mark.parametrize("kind", ["fails", "fails oddly"])
    def test_errors_of_others(self, cluster, kind):
        there, here = on_cluster(
            lambda: failure(lambda: search_of(Recorded(kind), make(), error_score="raise").fit(X, Y))
        )
        assert there == ((RuntimeError, "OddError: number 7") if kind == "fails oddly" else here)
        with joblib.parallel_config("dask"), pytest.warns(FitFailedWarning, match="3 fits failed out of a total of 6"):
            results = search_of(Recorded(kind), make()).fit(X, Y).cv_results_
        assert np.isnan(results["mean_test_score"]).tolist() == [True, False]

    def test_warnings(self, cluster):
        with warnings.catch_warnings(record=True) as caught, joblib.parallel_config("dask"):
            warnings.simplefilter("always")
            search = search_of(Recorded("warns"), make(tol=1.0, n_iter_no_change=10), refit=False, scoring=process_of)
            search.fit(X, Y)
        assert {item.filename for item in caught} == {__file__}
        texts = [str(item.message) for item in caught]
        assert texts.count("a word from afar") == texts.count("number 5") == 1
        assert sum(item.category is ConvergenceWarning for item in caught) == 1  # once for all fits
        assert search.cv_results_["split0_test_score"][0] in cluster.pids()

    def test_warnings_that_are_errors(self, cluster):
        with warnings.catch_warnings(), joblib.parallel_config("dask"):
            warnings.simplefilter("error")
            with pytest.raises(UserWarning, match="a word from afar"):
                search_of(Recorded("warns"), make(), error_score="raise").fit(X, Y)

    def test_without_dask(self, monkeypatch):
        monkeypatch.setattr("joblib._dask.distributed", None)
        with pytest.raises(ValueError, match="dask is not installed"):
            joblib.parallel_config("dask")


class TestDeadWorkers:
    def test_in_the_middle_of_a_search(self, cluster, tmp_path):
        go_on = tmp_path / "go on"
        search = GridSearchCV(RegularizedMLPRegressor(**SHORT | {"loss": Waits(go_on), "dropout": 0.1}), GRID, cv=3)

        def kill():
            os.kill(cluster.pids()[0], signal.SIGKILL)
            go_on.touch()

        with joblib.parallel_config("dask"), cluster.when_running(kill):
            there = search.fit(X, X[:, 0]).cv_results_
        with joblib.parallel_config("threading", n_jobs=2):
            here = search.fit(X, X[:, 0]).cv_results_
        assert len(cluster.pids()) == 1
        assert_same_results(there, here, None)

    def test_the_only_one_with_some_data(self, cluster, monkeypatch):
        scatter, killed = cluster.client.scatter, []

        def scatter_and_kill(data, **options):
            if killed:
                return scatter(data, **options)
            last = cluster.processes[-1].pid
            (worker,) = (worker for worker, pid in cluster.client.run(os.getpid).items() if pid == last)
            futures = scatter(data, workers=[worker], **options)
            os.kill(last, signal.SIGKILL)
            killed.append(last)
            return futures

        monkeypatch.setattr(cluster.client, "scatter", scatter_and_kill)
        rows = np.tile(X, (1, 5))
        assert_array_equal(*on_cluster(lambda: cross_val_score(make(), rows, Y, cv=3, scoring="neg_log_loss")))
        assert killed
