"""The loop: batches, schedules, callbacks, history, stopping, divergence, Ctrl-C."""

import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from sklearn.datasets import load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_even_slices
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, Freezer, GradientNormClipping, LRScheduler

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.engine.batches import MemberBatches, Rows, n_epoch_batches
from skreg.engine.threads import limited_threads, step_flops
from skreg.losses import HalfSquaredError, LogisticLogLoss, Poisson, Quantile, SoftmaxLogLoss
from skreg.solvers import Schedule

FIXED = {"tol": 0, "n_iter_no_change": np.inf}


def rows(n_rows=23, n_features=4, weight=None, sparse=False):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_features))
    if weight is not None:
        weight = torch.from_numpy(weight / weight.sum())
    target = torch.arange(n_rows, dtype=torch.float64).view(-1, 1)
    return X, Rows(scipy.sparse.csr_array(X) if sparse else X, target, weight)


def epoch_spans(n_rows, *batch_sizes):
    return list(gen_even_slices(n_rows, n_epoch_batches(n_rows, *batch_sizes)))


def batches_of(data, batch_size, seed=None, min_batch_size=1, **options):
    return MemberBatches([data], [epoch_spans(len(data), batch_size, min_batch_size)], [seed], **options)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(
    ("n_blocks", "of_block", "is_kept"), [(1, 7, True), (1, 6, False), (3, 7, False), (3, 9, True)]
)
def test_inputs_are_kept_only_where_all_are_no_larger_than_a_block(sparse, n_blocks, of_block, is_kept):
    X = np.random.default_rng(0).normal(size=(7, 40)).astype(np.float32)
    data = Rows(scipy.sparse.csr_array(X) if sparse else X, torch.zeros(7, 1), None)
    spans = list(gen_even_slices(7, n_blocks))
    batches = MemberBatches([data], [spans], [None], keeps_inputs=True)
    batches.block_bytes = of_block * batches._column_bytes
    for _ in range(2):
        batches.begin_epoch()
        parts = [batch.X.to_dense() if sparse else batch.X for batch in batches]
        np.testing.assert_array_equal(torch.cat(parts, dim=1)[0], X)
    assert (batches._kept_inputs is not None) == is_kept


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_cover_every_row_once_and_belong_together(sparse, shuffle):
    weight = np.arange(1.0, 24)
    X, data = rows(weight=weight, sparse=sparse)
    iterator = batches_of(data, 5, 0 if shuffle else None, block_bytes=4 * 8 * 5 * 2)  # blocks of two batches
    assert iterator.batches_per_block == 2
    orders = []
    for _ in range(2):
        iterator.begin_epoch()
        batches = list(iterator)
        assert [b.X.shape[1] for b in batches] == [5, 5, 5, 4, 4]
        order = torch.cat([b.target[0] for b in batches]).view(-1).long().numpy()
        np.testing.assert_array_equal(torch.cat([b.X[0] for b in batches]).numpy(), X[order])
        np.testing.assert_allclose(torch.cat([b.weight[0] for b in batches]).view(-1), (weight / weight.sum())[order])
        np.testing.assert_array_equal(iterator.target.view(-1), order)
        assert sorted(order) == list(range(23))
        orders.append(order.tolist())
    assert (orders[0] == orders[1]) == (not shuffle)
    assert (orders[0] == list(range(23))) == (not shuffle)


def test_batches_have_nearly_equal_sizes():
    def sizes(*arguments):
        return [span.stop - span.start for span in epoch_spans(*arguments)]

    assert sizes(11, 5) == [4, 4, 3]
    assert sizes(3, 2) == [2, 1]
    assert sizes(3, 2, 2) == [3]


def test_read_only_data_is_read_without_a_warning():
    X, data = rows()
    X.flags.writeable = False
    iterator = batches_of(data, 10)
    iterator.begin_epoch()
    assert len(list(iterator)) == 3


def test_schedules():
    place = {"step": 3, "n_batches": 5, "epoch": 1, "n_rows_seen": 24}
    assert Schedule("constant", 0.1).rate(0.1, **place) is None
    assert Schedule("adaptive", 0.1).rate(0.1, **place) is None
    assert Schedule("invscaling", 0.1).rate(0.1, **place) == pytest.approx(0.02)
    cosine = [Schedule("cosine", 0.1, n_epochs=2).rate(0.1, **place | {"step": step}) for step in range(10)]
    assert cosine[0] == 0.1
    assert cosine[5] == pytest.approx(0.05)
    assert 0 < cosine[9] < 0.003


def test_cosine_anneals_over_max_iter_and_does_not_stop_on_a_plateau(digits):
    X, y = digits
    model = RegularizedMLPClassifier((8,), learning_rate="cosine", max_iter=30, tol=10.0, random_state=0)
    model.fit(X[:200], y[:200])
    assert model.n_iter_ == 30
    assert model.history_["lr"][0] == pytest.approx(0.001)
    assert model.history_["lr"][-1] < 1e-5
    assert (np.diff(model.history_["lr"]) < 0).all()


def test_adaptive_divides_by_five_until_the_smallest_rate(digits):
    X, y = digits
    model = RegularizedMLPClassifier(
        (8,), learning_rate="adaptive", max_iter=200, tol=10.0, n_iter_no_change=2, random_state=0
    ).fit(X[:200], y[:200])
    assert set(model.history_["lr"].round(9)) == {0.001, 0.0002, 4e-5, 8e-6, 1.6e-6, 3.2e-7}
    assert "did not improve by more than tol=10.0" in model.history_["stopping_reason"][-1]


def test_history_holds_the_epochs_and_agrees_with_the_curve(digits):
    X, y = digits
    model = RegularizedMLPClassifier((8,), penalty="l1", alpha=1e-3, max_iter=5, random_state=0, **FIXED)
    model.fit(X, y)
    history = model.history_
    assert set(history) == {"epoch", "train_loss", "penalty", "train_score", "lr", "stopping_reason"}
    assert all(len(values) == 5 for values in history.values())
    np.testing.assert_allclose(history["train_loss"] + history["penalty"], model.loss_curve_)
    assert history["stopping_reason"].tolist() == [""] * 4 + ["All 5 epochs are done."]
    penalty = 1e-3 * sum(np.abs(W).sum() for W in model.coefs_)
    assert history["penalty"][-1] == pytest.approx(penalty, rel=1e-5)
    assert (np.diff(history["train_loss"]) < 0).all()


def test_history_of_a_full_batch_is_the_loss_before_each_step():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    model = RegularizedMLPRegressor((4,), penalty=None, max_iter=3, batch_size=50, random_state=0, **FIXED).fit(X, y)
    one_less = RegularizedMLPRegressor((4,), penalty=None, max_iter=2, batch_size=50, random_state=0, **FIXED)
    predicted = one_less.fit(X, y).predict(X)
    assert model.history_["train_loss"][-1] == pytest.approx(0.5 * ((y - predicted) ** 2).mean(), rel=1e-12)
    assert model.history_["train_score"][-1] == pytest.approx(one_less.score(X, y), rel=1e-12)


def test_early_stopping_restores_the_best_epoch(digits):
    X, y = digits
    y = np.where(np.random.default_rng(0).random(len(y)) < 0.3, 0, y)  # wrong labels, to overfit soon
    options = {"hidden_layer_sizes": (64,), "learning_rate_init": 0.01, "random_state": 0, "penalty": None}
    model = RegularizedMLPClassifier(early_stopping=True, max_iter=300, **options).fit(X[:300], y[:300])
    history = model.history_
    assert model.n_iter_ < 300
    assert "The validation loss did not improve" in history["stopping_reason"][-1]
    assert model.best_epoch_ == 1 + np.argmin(history["valid_loss"])
    assert model.best_epoch_ < model.n_iter_
    assert model.best_validation_score_ == history["valid_score"][model.best_epoch_ - 1]
    assert model.validation_scores_ == history["valid_score"].tolist()
    cut = RegularizedMLPClassifier(early_stopping=True, max_iter=model.best_epoch_, **options)
    with pytest.warns(ConvergenceWarning):
        cut.fit(X[:300], y[:300])
    for ours, theirs in zip(model.coefs_, cut.coefs_, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "balanced_accuracy"])
def test_scoring_is_what_early_stopping_maximizes(digits, scoring):
    X, y = digits
    model = RegularizedMLPClassifier(
        (16,), early_stopping=True, scoring=scoring, learning_rate_init=0.01, max_iter=60, random_state=0, **FIXED
    ).fit(X[:300], y[:300])
    scores = model.history_["valid_score"]
    assert model.best_epoch_ == 1 + np.argmax(scores)
    if scoring == "neg_log_loss":
        np.testing.assert_allclose(-scores, model.history_["valid_loss"], rtol=1e-5)


def test_scoring_takes_a_callable_and_sees_feature_names():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    seen = []

    def scorer(estimator, X, y):
        seen.append(list(X.columns))
        return estimator.score(X, y)

    model = RegularizedMLPRegressor((4,), early_stopping=True, scoring=scorer, max_iter=3, random_state=0, **FIXED)
    model.fit(frame, frame["a"] * 2)
    assert seen == [["a", "b"]] * 3


def test_a_scorer_that_returns_nan_is_an_error():
    X = np.random.default_rng(0).normal(size=(60, 2))
    model = RegularizedMLPRegressor(early_stopping=True, scoring=lambda estimator, X, y: np.nan)
    with pytest.raises(ValueError, match="'scoring' must return a finite number; got nan"):
        model.fit(X, X[:, 0])


def test_validation_rows_do_not_influence_the_weights(digits, held_out):
    X, y = digits
    X, y = X[:200].astype(float), y[:200]
    model = RegularizedMLPClassifier((8,), normalization="batch", early_stopping=True, max_iter=5, random_state=0)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    valid = held_out(200, y)
    changed = X.copy()
    changed[valid] = np.random.default_rng(0).normal(size=(len(valid), 64))
    model.set_params(n_iter_no_change=np.inf)
    last = [model.fit(data, y).history_ for data in (X, changed)]
    np.testing.assert_array_equal(last[0]["train_loss"], last[1]["train_loss"])
    assert (last[0]["valid_loss"] != last[1]["valid_loss"]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("estimator", [RegularizedMLPClassifier, RegularizedMLPRegressor])
def test_a_diverging_fit_raises(digits, dtype, solver, estimator):
    X, y = digits
    model = estimator(solver=solver, learning_rate_init=1e25, random_state=0)
    with pytest.raises(ValueError, match=r"Training diverged in epoch .*learning_rate_init=1e\+25"):
        model.fit(X.astype(dtype), y)
    assert not hasattr(model, "coefs_")


@pytest.mark.filterwarnings("ignore:y has a standard deviation")
def test_large_targets_are_no_divergence():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 3))
    model = RegularizedMLPRegressor(max_iter=5, random_state=0, **FIXED).fit(X, 1e8 * X[:, 0] + 1e9)
    assert np.isfinite(model.loss_)


class Recorder(Callback):
    """Notes what it is told."""

    def __init__(self):
        self.epochs, self.batches, self.gradients = 0, 0, 0

    def on_epoch_end(self, net, **kwargs):
        self.epochs += 1

    def on_batch_end(self, net, batch=None, training=None, loss=None, **kwargs):
        self.batches += 1
        self.loss = float(loss)

    def on_grad_computed(self, net, named_parameters=None, **kwargs):
        self.gradients += sum(p.grad is not None for _, p in named_parameters)


def test_callbacks_hear_of_epochs_batches_and_gradients(digits):
    X, y = digits
    recorder = Recorder()
    model = RegularizedMLPClassifier((8,), max_iter=3, batch_size=100, callbacks=[recorder], random_state=0, **FIXED)
    model.fit(X, y)
    assert (recorder.epochs, recorder.batches, recorder.gradients) == (3, 54, 54 * 4)
    assert recorder.loss > 0
    assert not any("net" in name for name in vars(model))


def test_learning_rate_schedulers_act(digits):
    X, y = digits
    scheduler = LRScheduler("StepLR", step_size=2, gamma=0.1)
    model = RegularizedMLPClassifier((8,), max_iter=5, callbacks=[("rate", scheduler)], random_state=0, **FIXED)
    model.fit(X, y)
    np.testing.assert_allclose(model.history_["lr"], [1e-3, 1e-3, 1e-4, 1e-4, 1e-5])
    plain = RegularizedMLPClassifier((8,), max_iter=2, random_state=0, **FIXED).fit(X, y)
    np.testing.assert_allclose(model.loss_curve_[:2], plain.loss_curve_, rtol=1e-6)


def test_gradient_clipping_acts(digits):
    X, y = digits
    options = {"hidden_layer_sizes": (8,), "max_iter": 2, "random_state": 0, "solver": "sgd", "penalty": None, **FIXED}
    free = RegularizedMLPClassifier(**options).fit(X, y)
    clipped = RegularizedMLPClassifier(callbacks=[GradientNormClipping(1e-12)], **options).fit(X, y)
    start = RegularizedMLPClassifier(**{**options, "learning_rate_init": 1e-30}).fit(X, y)
    np.testing.assert_allclose(clipped.coefs_[0], start.coefs_[0], atol=1e-9)
    assert np.abs(free.coefs_[0] - start.coefs_[0]).max() > 1e-4


def test_skorchs_early_stopping_and_checkpoint(digits, tmp_path):
    X, y = digits
    stopper = EarlyStopping(monitor="train_loss", patience=2, threshold=10.0, sink=lambda text: None)
    checkpoint = Checkpoint(monitor="train_loss_best", dirname=str(tmp_path))
    model = RegularizedMLPClassifier((8,), max_iter=50, callbacks=[stopper, checkpoint], random_state=0).fit(X, y)
    assert model.n_iter_ == 3
    assert model.history_["stopping_reason"][-1] == "The callback EarlyStopping asked to stop."
    saved = torch.load(tmp_path / "params.pt", weights_only=True)
    np.testing.assert_array_equal(saved["weight_0"][0].numpy(), model.coefs_[0])


def test_callbacks_that_cannot_act_are_refused(digits):
    X, y = digits
    with pytest.raises(ValueError, match="'callbacks' parameter must not hold a Freezer"):
        RegularizedMLPClassifier(callbacks=[Freezer("weight_0")]).fit(X, y)


@pytest.mark.parametrize("callbacks", [["print"], [3], [("name", object())]])
def test_things_that_are_no_callbacks(digits, callbacks):
    X, y = digits
    with pytest.raises(TypeError, match="'callbacks' parameter must be a list of skorch callbacks"):
        RegularizedMLPClassifier(callbacks=callbacks).fit(X, y)


class Interrupt(Callback):
    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt


def test_ctrl_c_propagates_and_leaves_the_estimator_as_it_was(digits):
    X, y = digits
    model = RegularizedMLPClassifier((8,), max_iter=2, random_state=0, **FIXED).fit(X, y)
    before = {name: np.copy(value) for name, value in model.history_.items()}
    coefs = [W.copy() for W in model.coefs_]
    model.set_params(callbacks=[Interrupt()], max_iter=10)
    threads = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert torch.get_num_threads() == threads
    assert model.n_iter_ == 2
    assert all((model.history_[name] == value).all() for name, value in before.items())
    assert all((new == old).all() for new, old in zip(model.coefs_, coefs, strict=True))


def test_verbose_prints_a_table_of_epochs(digits, capsys):
    X, y = digits
    options = {"hidden_layer_sizes": (8,), "max_iter": 2, "early_stopping": True, "random_state": 0, **FIXED}
    RegularizedMLPClassifier(**options).fit(X, y)
    assert capsys.readouterr().out == ""
    RegularizedMLPClassifier(verbose=True, **options).fit(X, y)
    out = capsys.readouterr().out.splitlines()
    assert all(name in out[0] for name in ("epoch", "train_loss", "penalty", "valid_loss", "valid_score", "dur"))
    assert len(out) == 4


def test_not_converged_warns_once_and_only_when_a_rule_was_waiting(digits, recwarn):
    X, y = digits
    with pytest.warns(ConvergenceWarning, match="max_iter=2 epochs") as record:
        RegularizedMLPClassifier((8,), max_iter=2).fit(X, y)
    assert len(record) == 1
    RegularizedMLPClassifier((8,), max_iter=2, n_iter_no_change=np.inf).fit(X, y)
    RegularizedMLPClassifier((8,), max_iter=2, learning_rate="cosine").fit(X, y)
    assert not recwarn.list


def test_small_steps_run_on_one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with limited_threads(step_flops((64, 128, 10), 32)):
            assert torch.get_num_threads() == 1
        with limited_threads(step_flops((784, 1024, 10), 512)):
            assert torch.get_num_threads() == 2
        with pytest.raises(RuntimeError), limited_threads(0):
            raise RuntimeError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_single_diverging_step_raises(dtype, solver):
    X = np.random.default_rng(0).normal(size=(60, 4)).astype(dtype)
    model = RegularizedMLPClassifier((5,), penalty=None, solver=solver, learning_rate_init=1e25, max_iter=1)
    with pytest.raises(ValueError, match="Training diverged in epoch 1"):
        model.fit(X, X[:, 0] > 0)


def test_a_loss_on_validation_rows_that_is_not_finite_raises():
    X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    y = X[:, 0].copy()
    texts = set()
    for i in range(60):
        huge = X.copy()
        huge[i, 0] = 1e22
        with pytest.raises(ValueError, match="Training diverged") as error, pytest.warns(match="different scales"):
            RegularizedMLPRegressor((5,), early_stopping=True, random_state=0, max_iter=3).fit(huge, y)
        texts.add("validation rows" if "validation rows" in str(error.value) else "training rows")
    assert texts == {"validation rows", "training rows"}


def test_a_large_penalty_is_no_divergence(digits):
    X, y = digits
    model = RegularizedMLPClassifier((8,), alpha=1e5, max_iter=3, random_state=0, **FIXED).fit(X, y)
    assert np.isfinite(model.loss_)


def test_the_cosine_ends_at_zero_where_batches_are_normalized():
    X = np.random.default_rng(0).normal(size=(401, 2))
    model = RegularizedMLPRegressor(
        (4,), normalization="batch", learning_rate="cosine", batch_size=200, max_iter=20, random_state=0
    ).fit(X, X[:, 0])
    assert model.history_["lr"][-1] < 1e-5


@pytest.mark.parametrize("n_rows", [200, 201, 202, 401])
def test_stability_does_not_depend_on_leftover_rows(n_rows):
    X = np.random.default_rng(0).normal(size=(n_rows, 3))
    model = RegularizedMLPRegressor(
        (), solver="sgd", momentum=0, penalty=None, learning_rate_init=1.0, max_iter=60, random_state=0, **FIXED
    ).fit(X, X.sum(axis=1))
    np.testing.assert_allclose(model.coefs_[0], 1, atol=1e-6)


def test_patience_lasts_a_hundred_steps_in_a_fit():
    X = np.random.default_rng(0).normal(size=(60, 2))
    y = np.random.default_rng(1).integers(0, 2, 60)
    model = RegularizedMLPClassifier(
        (50,), early_stopping=True, learning_rate_init=0.05, n_iter_no_change=3, max_iter=2000, random_state=0
    ).fit(X, y)
    assert model.n_iter_ - model.best_epoch_ >= 100


def test_the_validation_loss_is_weighted(held_out):
    rng = np.random.default_rng(0)
    X, weight = rng.normal(size=(100, 3)), rng.uniform(0.1, 10, 100)
    y = X[:, 0] + rng.normal(size=100)
    model = RegularizedMLPRegressor((4,), early_stopping=True, max_iter=3, random_state=0, **FIXED)
    model.fit(X, y, sample_weight=weight)
    valid = held_out(100)
    errors = 0.5 * (y[valid] - model.predict(X[valid])) ** 2
    expected = np.average(errors, weights=weight[valid])
    assert model.history_["valid_loss"][model.best_epoch_ - 1] == pytest.approx(expected)


def test_a_checkpoint_restores_the_best_epoch(digits, tmp_path):
    X, y = digits
    checkpoint = Checkpoint(monitor="train_loss_best", dirname=str(tmp_path), load_best=True)
    model = RegularizedMLPClassifier((8,), max_iter=5, callbacks=[checkpoint], random_state=0, **FIXED).fit(X, y)
    plain = RegularizedMLPClassifier((8,), max_iter=5, random_state=0, **FIXED).fit(X, y)
    np.testing.assert_array_equal(model.coefs_[0], plain.coefs_[0])


class AtTheEnd(Callback):
    """Changes the weights when training has ended."""

    def on_train_end(self, net, **kwargs):
        with torch.no_grad():
            net.module_.weights[0].mul_(0.5)


@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"solver": "lbfgs", "tol": 1.0}], ids=str)
def test_what_a_callback_does_at_the_end_of_training_is_kept(digits, options, tmp_path):
    X, y = digits
    options = {"hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 0, **FIXED, **options}
    plain = RegularizedMLPClassifier(**options).fit(X, y)
    changed = RegularizedMLPClassifier(**options, callbacks=[AtTheEnd()]).fit(X, y)
    np.testing.assert_allclose(changed.coefs_[0], 0.5 * plain.coefs_[0])
    np.testing.assert_array_equal(changed.coefs_[1], plain.coefs_[1])


def test_the_best_epoch_of_skorchs_early_stopping_is_kept(digits):
    X, y = digits
    options = {"hidden_layer_sizes": (8,), "learning_rate_init": 0.2, "random_state": 0, **FIXED}
    stopper = EarlyStopping(monitor="train_loss", patience=3, load_best=True, sink=lambda text: None)
    model = RegularizedMLPClassifier(**options, max_iter=60, callbacks=[stopper]).fit(X, y)
    best = int(np.argmin(model.history_["train_loss"])) + 1
    assert best < model.n_iter_ < 60
    plain = RegularizedMLPClassifier(**options, max_iter=best).fit(X, y)
    np.testing.assert_array_equal(model.coefs_[0], plain.coefs_[0])


def test_a_fit_with_a_scheduler_can_be_pickled_and_cloned(digits):
    X, y = digits
    scheduler = LRScheduler("StepLR", step_size=2, gamma=0.1)
    model = RegularizedMLPClassifier((8,), max_iter=3, callbacks=[("rate", scheduler)], random_state=0, **FIXED)
    model.fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))
    assert not any(name.endswith("_") for name in vars(copy.callbacks[0][1]))
    np.testing.assert_array_equal(copy.fit(X, y).coefs_[0], model.coefs_[0])


def test_concurrent_fits_restore_the_number_of_threads():
    X = np.random.default_rng(0).normal(size=(60, 2))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        models = [RegularizedMLPRegressor((4,), max_iter=20, **FIXED) for _ in range(12)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda model: model.fit(X, X[:, 0]), models))
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 2
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


CHANGES = [
    {"input_dropout": 0.3}, {"dropout": 0.3}, {"weight_decay": 0.1}, {"normalization": "layer"}, {"beta_1": 0.5},
    {"beta_2": 0.5}, {"epsilon": 0.1}, {"shuffle": False}, {"batch_size": 10}, {"activation": "tanh"},
    {"solver": "sgd"}, {"solver": "sgd", "momentum": 0.1}, {"solver": "sgd", "nesterovs_momentum": False},
    {"learning_rate": "invscaling"}, {"learning_rate": "invscaling", "power_t": 0.1}, {"learning_rate": "cosine"},
    {"learning_rate_init": 0.1}, {"random_state": 1}, {"alpha": 0.3}, {"penalty": "l1", "alpha": 0.3},
    {"penalty": "elasticnet", "alpha": 0.3}, {"penalty": "elasticnet", "alpha": 0.3, "l1_ratio": 0.9}, {},
]  # fmt: skip


def test_every_parameter_changes_the_fit():
    X = np.random.default_rng(0).normal(size=(60, 4))
    options = {"hidden_layer_sizes": (5,), "max_iter": 5, "random_state": 0, "learning_rate_init": 0.01}
    options |= {"tol": 0, "n_iter_no_change": np.inf, "batch_size": 20}
    fits = [RegularizedMLPRegressor(**(options | change)).fit(X, X[:, 0]).coefs_[0] for change in CHANGES]
    for i, first in enumerate(fits):
        for j, second in enumerate(fits[:i]):
            assert not np.allclose(first, second, rtol=1e-4), (CHANGES[i], CHANGES[j])


def test_dropout_does_not_change_the_order_of_rows(digits):
    X, y = digits
    orders = []
    for dropout in (0.0, 0.5):
        order = Recorder()
        order.on_batch_begin = lambda net, batch=None, training=None, **kw: orders.append(batch[1].argmax(1).tolist())
        RegularizedMLPClassifier((8,), dropout=dropout, max_iter=1, callbacks=[order], random_state=0, **FIXED).fit(
            X, y
        )
    assert orders[: len(orders) // 2] == orders[len(orders) // 2 :]


@pytest.mark.parametrize(
    "loss", [SoftmaxLogLoss(), LogisticLogLoss(), HalfSquaredError(), Poisson(), Quantile((0.8,)), Quantile((0.2, 0.7))]
)
@pytest.mark.parametrize("own_targets", [False, True])
def test_members_may_have_weights_of_their_own_in_scores(loss, own_targets):
    rng = np.random.default_rng(0)
    Z = torch.from_numpy(rng.normal(size=(3, 40, loss.n_outputs(4))))
    weight = torch.from_numpy(rng.dirichlet(np.ones(40), size=3))
    T = torch.nn.functional.one_hot(torch.from_numpy(rng.integers(0, 4, size=(3, 40))), 4).double()
    if not own_targets:
        T = T[0]
    each = [loss.score(Z[k : k + 1], T[k] if own_targets else T, weight[k]) for k in range(3)]
    torch.testing.assert_close(loss.score(Z, T, weight), torch.cat(each))
    if not own_targets:
        torch.testing.assert_close(loss.score(Z, T, weight[0])[:1], each[0])


def test_members_may_have_label_smoothing_of_their_own():
    T = torch.eye(4).expand(2, 4, 4)
    rates = torch.tensor([0.0, 0.2]).view(2, 1, 1)
    for loss in (SoftmaxLogLoss(), LogisticLogLoss()):
        smooth = loss.smooth_targets(T, rates)
        assert torch.equal(smooth[0], T[0])
        torch.testing.assert_close(smooth[1], loss.smooth_targets(T[1], 0.2))


@pytest.mark.parametrize("name", ["wine", "digits"])
def test_early_stopping_costs_little_on_few_rows(name):
    """The full measurement (four data sets, 20 splits each) gave costs of at most 1.3 points."""
    X, y = {"wine": load_wine, "digits": load_digits}[name](return_X_y=True)
    costs = []
    for seed in range(6):
        rows_ = train_test_split(np.arange(len(X)), train_size=100, stratify=y, random_state=seed)[0]
        train, test = train_test_split(rows_, test_size=0.3, stratify=y[rows_], random_state=seed)
        scores = []
        for early_stopping in (False, True):
            network = RegularizedMLPClassifier(early_stopping=early_stopping, random_state=seed, max_iter=200)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                scores.append(make_pipeline(StandardScaler(), network).fit(X[train], y[train]).score(X[test], y[test]))
        costs.append(scores[0] - scores[1])
    assert np.mean(costs) <= 0.04
