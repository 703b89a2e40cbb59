"""Networks trained side by side come out as they would alone, whoever their neighbours are and whenever these leave."""

import functools
import math
import threading
import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import PredefinedSplit
from torch.overrides import TorchFunctionMode

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._estimator.prepare import finish
from skreg.backends import train_fits
from skreg.engine.batches import MemberBatches, Rows
from skreg.engine.grouping import make_populations, n_bytes, structure
from skreg.engine.members import make_members
from skreg.engine.streams import DropoutStreams
from skreg.engine.threads import AbandonedError
from skreg.engine.trainer import Trainer, rate_of_steps
from skreg.losses import SoftmaxLogLoss
from skreg.model_selection import GridSearchCV
from skreg.model_selection._deferred import DatasetCache, prepare_member
from skreg.model_selection._routines import Request, run_together

X, Y = make_classification(83, 6, n_informative=4, n_classes=3, random_state=0)
SHORT = {"batch_size": 16, "max_iter": 5, "learning_rate_init": 0.02, "tol": 0.0, "n_iter_no_change": np.inf}


def make(**options):
    return RegularizedMLPClassifier(**{"hidden_layer_sizes": (7,), "random_state": 0, **SHORT, **options})


def prepared(estimators, data=(X, Y)):
    """Return the estimators' fits, prepared."""
    pending, datasets = [prepare_member(estimator, data, messages=[]) for estimator in estimators], DatasetCache()
    for fit in pending:
        fit.dataset = datasets.shared(fit.dataset)
    return pending


def fits_of(pending):
    return [(fit.spec, fit.dataset) for fit in pending]


def trained(pending, **options):
    """Return what comes of prepared fits."""
    return train_fits(fits_of(pending), **options)


def train_together(estimators, data=(X, Y), **options):
    pending = prepared(estimators, data)
    for fit, result in zip(pending, trained(pending, **options), strict=True):
        finish(fit, result)
    return estimators


def decaying(solver, decay, rate):
    return make(
        hidden_layer_sizes=(), penalty=None, solver=solver, max_iter=167, weight_decay=decay, learning_rate_init=rate
    )


@functools.cache
def decaying_alone(solver, decay, rate):
    return decaying(solver, decay, rate).fit(X.astype(np.float32), Y)


def assert_same_networks(first, second, tolerance=1e-10):
    for a, b in zip([*first.coefs_, *first.intercepts_], [*second.coefs_, *second.intercepts_], strict=True):
        assert_allclose(a, b, atol=tolerance)
    assert (first.n_iter_, first.best_epoch_) == (second.n_iter_, second.best_epoch_)
    for name, values in first.history_.items():
        if name != "stopping_reason":
            assert_allclose(values, second.history_[name], rtol=1e-8, atol=tolerance)
    assert first.history_["stopping_reason"].tolist() == second.history_["stopping_reason"].tolist()


class TestMembersAreAsAlone:
    @pytest.mark.parametrize(
        "candidates",
        [
            [{"alpha": 0.0}, {"alpha": 0.01}, {"alpha": 0.3}],
            [
                {"penalty": "elasticnet", "l1_ratio": ratio, "alpha": a}
                for ratio in (0.0, 0.3, 1.0)
                for a in (0.0, 0.02)
            ],
            [{"dropout": rate, "input_dropout": at_inputs} for rate in (0.0, 0.3) for at_inputs in (0.0, 0.1)],
            [{"random_state": seed, "dropout": 0.2} for seed in range(3)],
            [{"learning_rate_init": rate, "weight_decay": decay} for rate in (0.01, 0.05) for decay in (0.0, 0.5)],
            [{"solver": "sgd", "learning_rate_init": rate, "penalty": "l1", "alpha": 0.01} for rate in (0.01, 0.1)],
            [{"label_smoothing": rate, "class_weight": w} for rate in (0.0, 0.2) for w in (None, "balanced")],
            [{"normalization": "layer", "dropout": 0.3, "class_weight": w} for w in (None, {0: 3.0})],
            [{"penalty": "sparse_group_lasso", "alpha": a, "l1_ratio": r} for a in (0.01, 0.1) for r in (0.2, 0.8)],
        ],
        ids=lambda candidates: "-".join(candidates[-1]),
    )
    def test_whatever_they_differ_in(self, candidates):
        together = train_together([make(**options) for options in candidates])
        for member, options in zip(together, candidates, strict=True):
            assert_same_networks(member, make(**options).fit(X, Y))

    def test_early_stopping_with_a_wrong_row_and_long_waits(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(240, 3))
        y = np.sin(2 * X[:, 0]) + 0.5 * rng.normal(size=240)
        X[:2], y[:2] = [[30, -30, 30], [-30, 30, 30]], 0
        options = {"early_stopping": PredefinedSplit(np.where(np.arange(240) < 120, 0, -1)), "n_iter_no_change": 2}
        settings = [{"random_state": seed, "learning_rate_init": rate} for seed in (0, 1) for rate in (0.01, 0.02)]
        networks = [
            [
                RegularizedMLPRegressor((8,), batch_size=2, max_iter=40, tol=0.0, **options, **setting)
                for setting in settings
            ]
            for _ in range(2)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            together = train_together(networks[0], (X, y))
            alone = [network.fit(X, y) for network in networks[1]]
        for first, second in zip(together, alone, strict=True):
            assert_same_networks(first, second)
        # Both rules had something to do: the least mean loss is not that of the kept epoch, and the wait was longer.
        assert any(network.best_epoch_ != network.history_["valid_loss"].argmin() + 1 for network in alone)
        assert any(2 + 1 < network.n_iter_ - network.best_epoch_ for network in alone)

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    @pytest.mark.parametrize("schedule", ["constant", "adaptive", "cosine", "invscaling"])
    @pytest.mark.parametrize("options", [{"early_stopping": True}, {}], ids=["validation", "objective"])
    def test_when_they_leave_one_by_one(self, schedule, options):
        rates = [0.001, 0.003, 0.01, 0.03, 0.06]
        options = {**options, "learning_rate": schedule, "max_iter": 60, "tol": 0.02, "n_iter_no_change": 2}
        settings = [{**options, "solver": "sgd", "learning_rate_init": rate, "dropout": 0.1} for rate in rates]
        together = train_together([make(**setting) for setting in settings])
        for member, setting in zip(together, settings, strict=True):
            # Hundreds of steps at high rates make more of rounding.
            assert_same_networks(member, make(**setting).fit(X, Y), tolerance=1e-8)
        if schedule == "adaptive":  # whose rates fall one by one
            assert len({member.history_["lr"][-1] / member.learning_rate_init for member in together}) > 1
        elif schedule != "cosine" or "early_stopping" in options:
            assert len({member.n_iter_ for member in together}) > 1

    def test_members_of_several_sizes_fill_up_their_batches(self):
        numbers = [81, 83, 82]
        options = {"dropout": 0.2, "normalization": "batch"}
        pending = [prepared([make(**options)], (X[:n], Y[:n]))[0] for n in numbers]
        assert len({structure(fit.spec) for fit in pending}) == 1
        for fit, result, n in zip(pending, trained(pending), numbers, strict=True):
            finish(fit, result)
            single = make(**options).fit(X[:n], Y[:n])
            assert_allclose(fit.estimator.predict_proba(X), single.predict_proba(X), atol=1e-10)
            assert_same_networks(fit.estimator, single, tolerance=1e-10)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_batch_normalization_makes_nothing_of_rounding(self, dtype):
        """The bias before it has no effect in training, so the gradient is zero, and the rounding of a sum is not."""
        options = {"normalization": "batch", "max_iter": 15}
        data = (X.astype(dtype), Y)
        together = train_together([make(**options, learning_rate_init=rate) for rate in (0.02, 0.05)], data)
        for member in together:
            single = clone(member).fit(*data)
            assert_same_networks(member, single, tolerance=1e-4 if dtype == np.float32 else 1e-10)
            assert_array_equal(single.intercepts_[0], clone(single).set_params(max_iter=1).fit(*data).intercepts_[0])

    @pytest.mark.parametrize("normalization", ["batch", "layer"])
    def test_the_last_member_with_weights_of_rows(self, normalization):
        options = {"normalization": normalization, "class_weight": {0: 3.0}, "dropout": 0.2}
        member = make(**options)
        per_member = n_bytes(prepared([member])[0].spec)
        (member,) = train_together([member], memory_limit=2 * per_member)
        assert_allclose(member.predict_proba(X), make(**options).fit(X, Y).predict_proba(X), atol=1e-10)

    def test_rates_of_dropout_are_rounded_as_alone(self):
        # 16-bit levels of this rate differ between single and double precision.
        settings = [{"dropout": 0.38597868513061095}, {"dropout": 0.3}]
        data = (X.astype(np.float32), Y)
        for member, setting in zip(train_together([make(**s) for s in settings], data), settings, strict=True):
            assert_same_networks(member, make(**setting).fit(*data), tolerance=1e-4)

    def test_ties_of_one_member_are_not_hidden_by_another(self):
        Z = torch.zeros(3, 5, 3)
        Z[1:] = torch.nan
        T = torch.eye(3)[[0, 0, 1, 2, 2]]
        score = SoftmaxLogLoss().score(Z, T, torch.full((5,), 0.2))
        assert_allclose(score[0], 0.4)

    def test_in_populations_and_threads(self):
        settings = [{"alpha": a, "dropout": 0.2} for a in np.geomspace(1e-4, 1, 7)]
        alone = [make(**setting).fit(X, Y) for setting in settings]
        per_member = n_bytes(prepared([make()])[0].spec)
        for options in ({"memory_limit": 4 * per_member}, {"n_jobs": 2}, {"n_jobs": 3, "memory_limit": 6 * per_member}):
            for member, single in zip(train_together([make(**s) for s in settings], **options), alone, strict=True):
                assert_same_networks(member, single)

    def test_single_precision(self):
        settings = [{"alpha": a, "penalty": "l1"} for a in (1e-4, 1e-2)]
        data = (X.astype(np.float32), Y)
        for member, setting in zip(train_together([make(**s) for s in settings], data), settings, strict=True):
            assert member.coefs_[0].dtype == np.float32
            assert_same_networks(member, make(**setting).fit(*data), tolerance=1e-4)

    @pytest.mark.parametrize("normalization", [None, "batch"])
    def test_new_weights_beside_a_warm_start(self, normalization):
        """Biases and statistics of the first member are not where the second one starts."""
        warm = make(warm_start=True, normalization=normalization).fit(X, Y)
        _, member = train_together([warm, make(normalization=normalization)])
        assert_same_networks(member, make(normalization=normalization).fit(X, Y))

    def test_a_tiny_rate_beside_a_usual_one_in_single_precision(self):
        data = (X.astype(np.float32), Y)
        _, member = train_together([make(learning_rate_init=2e-8), make()], data)
        assert_same_networks(member, make().fit(*data), tolerance=1e-4)

    @pytest.mark.parametrize("solver", ["adam", "sgd"])
    @pytest.mark.parametrize("rates", [(0.02,), (0.002, 0.02)])
    def test_weight_decay_in_single_precision(self, solver, rates):
        """Decays of every size, over a thousand steps, in which rounding could add up."""
        numbers = [(decay, rate) for decay in (0, 1e-3, 0.03, 3.0) for rate in rates]
        together = train_together([decaying(solver, *pair) for pair in numbers], (X.astype(np.float32), Y))
        for member, pair in zip(together, numbers, strict=True):
            alone = decaying_alone(solver, *pair)
            assert member.coefs_[0].dtype == np.float32
            assert alone.n_iter_ == 167
            for a, b in ((member.coefs_[0], alone.coefs_[0]), (member.intercepts_[0], alone.intercepts_[0])):
                assert np.linalg.norm(a - b) <= 1e-4 * np.linalg.norm(b)

    def test_several_kinds_form_several_populations(self):
        settings = [{}, {"hidden_layer_sizes": (5, 4)}, {"penalty": "l1"}, {"penalty": None}, {"batch_size": 20}]
        settings += [{"activation": "tanh"}, {"solver": "sgd"}, {"constraint": "max_norm"}]
        settings += [{"learning_rate": "cosine"}, {"learning_rate": "cosine", "max_iter": 4}]
        fits = fits_of(prepared([make(**setting) for setting in settings]))
        assert len(make_populations(fits, None, 1)) == len(settings)
        # A rate that does not anneal does not depend on the number of epochs.
        settings = [{}, {"max_iter": 4}]
        fits = fits_of(prepared([make(**setting) for setting in settings]))
        assert len(make_populations(fits, None, 1)) == 1
        for member, setting in zip(train_together([make(**s) for s in settings]), settings, strict=True):
            assert_same_networks(member, make(**setting).fit(X, Y))

    def test_losses_with_other_numbers_are_trained_apart(self):
        settings = [{"loss": "huber", "delta": 0.5}, {"loss": "huber", "delta": 2.0}, {"loss": "quantile"}]
        settings += [{"loss": "quantile", "quantile": 0.9}]
        models = [RegularizedMLPRegressor((4,), **SHORT, random_state=0, **setting) for setting in settings]
        for member, setting in zip(train_together(models, (X, X[:, 0])), settings, strict=True):
            single = RegularizedMLPRegressor((4,), **SHORT, random_state=0, **setting).fit(X, X[:, 0])
            assert_same_networks(member, single)


class TestFailures:
    def test_a_member_that_diverges_leaves_the_others_alone(self):
        rates = [0.01, 1e150, 0.02]
        options = {"solver": "sgd", "activation": "identity"}
        estimators = [
            RegularizedMLPRegressor((4,), **{**SHORT, **options, "learning_rate_init": rate}, random_state=0)
            for rate in rates
        ]
        pending = prepared(estimators, (X, X[:, 0]))
        results = trained(pending)
        assert "Training diverged in epoch 1" in str(results[1].error)
        for fit, result, rate in zip(pending[::2], results[::2], rates[::2], strict=True):
            finish(fit, result)
            alone = RegularizedMLPRegressor((4,), **{**SHORT, **options, "learning_rate_init": rate}, random_state=0)
            assert_same_networks(fit.estimator, alone.fit(X, X[:, 0]))

    def test_the_last_step_is_judged_too(self):
        huge = {**SHORT, "batch_size": 83, "max_iter": 1, "solver": "sgd", "learning_rate_init": 1e200}
        results = trained(prepared([make(**huge), make(**{**huge, "learning_rate_init": 0.1})]))
        assert "Training diverged in epoch 1" in str(results[0].error)
        assert results[1].error is None

    def test_an_error_of_a_loss_reaches_its_members(self):
        def broken(y_true, y_pred):
            raise ZeroDivisionError("broken on purpose")

        results = trained(prepared([make(loss=broken), make(loss=broken, alpha=0.1), make()]))
        assert [type(result.error) for result in results] == [ZeroDivisionError, ZeroDivisionError, type(None)]

    @pytest.mark.parametrize("n_jobs", [1, 2])
    @pytest.mark.parametrize("n_good", [0, 20, 10**6])
    @pytest.mark.parametrize("options", [{}, {"n_iter_no_change": 1, "tol": 1e9}], ids=["to the end", "stopping"])
    def test_progress_adds_up_to_the_fits(self, options, n_good, n_jobs):
        """Also where a population breaks off, and its members are trained once more, one by one."""
        calls = []

        def loss(y_true, y_pred):
            if y_true.max() > 9:  # in every batch of the last fit, and in none of the others
                calls.append(y_pred)
                if len(calls) > n_good:
                    raise ZeroDivisionError("broken on purpose")
            return (y_true - y_pred).square().sum(dim=1)

        options = {**SHORT, **options, "loss": loss, "shuffle": False}
        models = [RegularizedMLPRegressor((4,), **options, alpha=alpha) for alpha in (0.0, 0.1, 0.2, 0.3)]
        y = np.tanh(X[:, 0])
        last = RegularizedMLPRegressor((4,), **options)
        pending = prepared(models, (X, y)) + prepared([last], (X, np.where(np.arange(83) % 8 == 0, 10, y)))
        reports = []
        results = trained(pending, n_jobs=n_jobs, on_progress=reports.append)
        assert [type(result.error) for result in results[:4]] == [type(None)] * 4
        assert (results[4].error is None) == (n_good > 20)
        assert min(reports) >= 0
        assert sum(map(Fraction, reports)) == pytest.approx(5, rel=1e-12)

    @pytest.mark.parametrize("n_jobs", [1, 2])
    def test_an_interruption_ends_everything_at_once(self, n_jobs):
        calls = []

        def interrupting(y_true, y_pred):
            calls.append(threading.get_ident())
            raise KeyboardInterrupt

        pending = prepared([make(loss=interrupting), make(max_iter=10**6)])
        n_threads, threads_before = torch.get_num_threads(), set(threading.enumerate())
        with pytest.raises(KeyboardInterrupt):
            trained(pending, n_jobs=n_jobs)
        assert len(calls) == 1
        for thread in set(threading.enumerate()) - threads_before:
            thread.join()  # would take days if it were not given up
        assert torch.get_num_threads() == n_threads

    @pytest.mark.parametrize("n_jobs", [1, 2])
    def test_a_search_trains_in_as_many_threads_as_it_is_told(self, n_jobs):
        threads = set()
        # Each thread waits for the other, or the first might do all before the second has begun.
        met = threading.Barrier(n_jobs, timeout=300)

        def squares(y_true, y_pred):
            thread = threading.current_thread()
            if thread not in threads:
                threads.add(thread)
                met.wait()
            return (y_true - y_pred).square().sum(dim=1)

        GridSearchCV(make(loss=squares), {"alpha": [0.0, 0.1, 1.0, 2.0]}, cv=2, n_jobs=n_jobs, refit=False).fit(X, Y)
        assert len(threads) == n_jobs
        assert (threading.main_thread() in threads) == (n_jobs == 1)

    def test_a_population_gives_up_when_it_is_told_to(self):
        stopped = threading.Event()
        stopped.set()
        with pytest.raises(AbandonedError):
            Trainer(fits_of(prepared([make(), make(alpha=0.1)])), stopped=stopped).train()

    def test_memory_for_less_than_one_network(self):
        pending = prepared([make(), make(alpha=0.1)])
        needed = math.ceil(n_bytes(pending[0].spec) * 16 / 11)
        with pytest.raises(ValueError, match=f"'memory_limit' .* one network .* here {needed} bytes; got {needed - 1}"):
            trained(pending, memory_limit=needed - 1)
        with pytest.raises(ValueError, match=f"2 populations .* here {2 * needed} bytes; got {needed}"):
            trained(pending, memory_limit=needed, n_jobs=2)
        assert [result.error for result in trained(pending, memory_limit=needed)] == [None, None]


class TestParts:
    def test_equal_rows_are_kept_once(self):
        members = make_members(fits_of(prepared([make(alpha=a) for a in (0, 1, 2)], (X.tolist(), Y))))
        assert len({id(member.rows) for member in members}) == 1
        estimators = [make(class_weight="balanced"), make(), make(label_smoothing=0.1)]
        members = make_members(fits_of(prepared(estimators, (X.tolist(), Y))))
        assert len({id(member.rows) for member in members}) == 3
        assert len({id(member.rows.X) for member in members}) == 1

    def test_what_reads_the_same_stands_together(self):
        pending = [
            *prepared([make()]),
            *prepared([make()], (X + 1, Y)),
            *prepared([make(alpha=1), make(random_state=1)]),
        ]
        for fit in pending[2:]:
            fit.dataset = pending[0].dataset
        assert [member.index for member in make_members(fits_of(pending))] == [0, 2, 1, 3]

    def test_columns_of_batches(self):
        target = torch.arange(7.0, dtype=torch.float64).unsqueeze(1)
        long = Rows(np.arange(14.0).reshape(7, 2), target, None)
        weight = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
        short = Rows(np.arange(14.0).reshape(7, 2), target[:3], weight, np.array([4, 5, 6]))
        spans = [slice(0, 4), slice(4, 7)], [slice(0, 2), slice(2, 3)]
        member_batches = MemberBatches([long, long, short], [spans[0], spans[0], spans[1]], [None, None, None])
        member_batches.begin_epoch()
        assert not member_batches.is_uniform
        assert member_batches.spans == [slice(0, 4), slice(4, 7)]
        assert len(member_batches.readers) == 2
        assert_allclose(member_batches.weight.sum(dim=1), 1)
        assert member_batches.weight[2].tolist() == [0.5, 0.3, 0, 0, 0.2, 0, 0]
        batches = list(member_batches)
        assert [batch.X.shape for batch in batches] == [(3, 4, 2), (3, 3, 2)]
        assert [batches[0].X[0, :, 0].tolist(), batches[1].X[1, :, 0].tolist()] == [[0, 2, 4, 6], [8, 10, 12]]
        assert [batches[0].X[2, :2, 0].tolist(), batches[1].X[2, :1, 0].tolist()] == [[8, 10], [12]]
        assert member_batches.n_rows_in_batch(1) == {7: 3, 3: 1}

    def test_members_with_one_seed_share_their_masks(self):
        seeds = [0, 0, 1]
        streams = DropoutStreams([(seed, 83, (False, True)) for seed in seeds], torch.device("cpu"))
        streams.begin({83: 4})
        bits = streams.bits(torch.empty(3, 4, 5))
        assert [bits[0].equal(bits[1]), bits[0].equal(bits[2])] == [True, False]

    def test_the_bound_of_memory_grows_with_what_takes_it(self):
        def needed(**options):
            return n_bytes(prepared([make(**options)])[0].spec)

        assert needed() < needed(hidden_layer_sizes=(70,)) < needed(hidden_layer_sizes=(700,))
        assert needed() < min(needed(batch_size=64), needed(early_stopping=True))

    def test_one_request_is_an_ordinary_fit(self):
        def routine(model):
            yield [Request(model, (X, Y))]
            return model.n_iter_

        model = make()
        assert run_together([routine(model)]) == [5]
        np.testing.assert_array_equal(model.coefs_[0], make().fit(X, Y).coefs_[0])

    def test_routines_of_several_lengths(self):
        def routine(n):
            models = []
            for i in range(n):
                models.append(make(alpha=0.01 * i, max_iter=2))
                yield [Request(models[-1], (X, Y))]
            return models

        results = run_together([routine(n) for n in (1, 3, 0)])
        assert [len(models) for models in results] == [1, 3, 0]
        for models in results:
            for i, model in enumerate(models):
                assert_same_networks(model, make(alpha=0.01 * i, max_iter=2).fit(X, Y))


needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")


class OperationCounter(TorchFunctionMode):
    """Counts torch's operations within a block."""

    def __init__(self):
        super().__init__()
        self.n_operations = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.n_operations += 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_cuda)])
@pytest.mark.parametrize("options", [{}, {"solver": "sgd", "penalty": "l1", "dropout": 0.2}], ids=["adam", "sgd"])
def test_an_epoch_of_many_members_takes_as_many_operations_as_one_of_two(options, device):
    """On a GPU, and with small networks, the operations cost the time, not what they are done to."""

    def n_operations(n_members, n_epochs):
        models = [make(alpha=1e-4 * (1 + i), max_iter=n_epochs, device=device, **options) for i in range(n_members)]
        pending = prepared(models)
        with OperationCounter() as counter:
            results = trained(pending, memory_limit=2**30)
        assert all(result.error is None for result in results)
        return counter.n_operations

    def in_an_epoch(n_members):
        return n_operations(n_members, 3) - n_operations(n_members, 2)

    assert in_an_epoch(12) == in_an_epoch(2) > 0


@needs_cuda
class TestOnCuda:
    def test_members_are_as_alone(self):
        settings = [{"alpha": a, "device": "cuda"} for a in (0.0, 1e-3, 1e-1)]
        for member, setting in zip(train_together([make(**s) for s in settings]), settings, strict=True):
            assert_same_networks(member, make(**setting).fit(X, Y), tolerance=1e-6)


@pytest.mark.parametrize(
    ("rates", "expected"),
    [([0.1], 0.1), ([0.01, 0.1], 0.1), ([1e-8, 0.01], 0.01), ([0.01, 1e30], 0.01), ([1e-9, 0.01, 1e30], 0.01)],
)
def test_rate_of_steps(rates, expected):
    for given in (rates, rates[::-1]):
        assert rate_of_steps(given) == expected
