"""Callbacks of scikit-learn, through set_callbacks, and of skorch, through callbacks; the table of verbose."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from skorch.callbacks import Checkpoint, EarlyStopping, GradientNormClipping, LRScheduler

from skreg.model_selection import RegularizedMLPClassifierCV, RegularizedMLPRegressorCV
from tests.helpers import KINDS, Listener

SHORT = {
    "hidden_layer_sizes": (6,),
    "max_iter": 5,
    "batch_size": 20,
    "learning_rate_init": 0.01,
    "tol": 0,
    "n_iter_no_change": np.inf,
    "random_state": 0,
}


def data(kind="classifier"):
    X, y = make_classification(80, 5, n_informative=4, n_redundant=1, flip_y=0.2, random_state=0)
    return scale(X), y if kind == "classifier" else X[:, 0] + y


def make(kind="classifier", **options):
    return KINDS[kind](**{**SHORT, **options})


class Recorder:
    """Records what it is told; stops after some epochs or raises in one."""

    def __init__(self, stop_after=None, fail_in=None):
        self.stop_after, self.fail_in = stop_after, fail_in
        self.events, self.fitted, self.seen = [], [], []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        self.events.append(("end", context.task_name, context.task_id))
        self.fitted.append(fitted_estimator)
        self.seen.append((X, y, metadata))
        if context.task_name != "epoch":
            return None
        if self.fail_in == context.task_id:
            raise RuntimeError("a fault of the user's own")
        return self.stop_after == context.task_id + 1


def leftovers(model):
    return {"_callback_fit_ctx", "_skl_callbacks_to_teardown", "_parent_callback_ctx"} & set(vars(model))


# -- a user's own ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_epoch_is_a_task_of_the_fit(kind):
    X, y = data(kind)
    recorder = Recorder()
    model = make(kind).set_callbacks(recorder).fit(X, y)
    epochs = [(what, "epoch", i) for i in range(5) for what in ("begin", "end")]
    assert recorder.events == ["setup", ("begin", "fit", 0), *epochs, ("end", "fit", 0), "teardown"]
    assert not leftovers(model)
    for seen_X, seen_y, metadata in recorder.seen:
        np.testing.assert_array_equal(seen_X, X)
        np.testing.assert_array_equal(seen_y, y)
        assert metadata is None
    # Nothing else changes by it.
    plain = make(kind).fit(X, y)
    np.testing.assert_equal(model.coefs_, plain.coefs_)
    np.testing.assert_equal(model.history_, plain.history_)


OPTIONS = {
    "plain": {},
    "dropout": {"dropout": 0.3},
    "batch normalization": {"normalization": "batch"},
    "layer normalization": {"normalization": "layer"},
    "hierarchical": {"penalty": "hierarchical", "alpha": 0.01},
    "float32": {},
    "lbfgs": {"solver": "lbfgs", "tol": 1e-8, "alpha": 0.1},
}


@pytest.mark.filterwarnings("ignore:solver='lbfgs' has not converged")
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_fitted_estimator_is_that_of_a_fit_stopped_there(kind, options, request):
    X, y = data(kind)
    X = X.astype(np.float32 if "float32" in request.node.name else np.float64)
    recorder = Recorder()
    make(kind, **options).set_callbacks(recorder).fit(X, y)
    assert len(recorder.fitted) == 6
    for n, fitted in enumerate(recorder.fitted[:5], start=1):
        stopped = make(kind, **{**options, "max_iter": n}).fit(X, y)
        np.testing.assert_equal(fitted.coefs_, stopped.coefs_)
        np.testing.assert_equal(fitted.normalization_params_, stopped.normalization_params_)
        np.testing.assert_array_equal(fitted.predict(X), stopped.predict(X))
        assert fitted.score(X, y) == stopped.score(X, y)
        np.testing.assert_array_equal(fitted.transform(X), stopped.transform(X))
        assert fitted.n_layers_ == stopped.n_layers_
        assert fitted.out_activation_ == stopped.out_activation_


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_to_other_data_than_before_has_its_own_fitted_estimators(kind):
    X, y = data(kind)
    recorder = Recorder()
    model = make(kind).fit(X, y).set_callbacks(recorder)
    wider = np.column_stack([X, X[:, :2]])
    three = np.arange(80) % 3 if kind == "classifier" else np.column_stack([y, y])
    model.set_params(hidden_layer_sizes=(4, 3)).fit(wider, three)
    for fitted in recorder.fitted:
        assert fitted.predict(wider).shape == three.shape
        assert fitted.coefs_[0].shape == (7, 4)
    for fitted in recorder.fitted[:-1]:
        assert not hasattr(fitted, "history_")  # which was that of the fit before
    np.testing.assert_array_equal(recorder.fitted[-1].predict(wider), model.predict(wider))


def test_data_come_as_the_user_gave_them_and_training_rows_alone():
    X, y = data()
    frame = pd.DataFrame(X, columns=list("abcde"))
    names = pd.Series(np.array(["no", "yes"])[y])
    weight = np.arange(80) % 4.0
    recorder = Recorder()
    model = make(early_stopping=True).set_callbacks(recorder).fit(frame, names, sample_weight=weight)
    n_train = model.t_ // 5
    assert n_train < 60
    *epochs, whole = recorder.seen
    for seen_X, seen_y, metadata in epochs:
        assert seen_X.columns.tolist() == list("abcde")
        assert len(seen_X) == len(seen_y) == len(metadata["sample_weight"]) == n_train
        pd.testing.assert_frame_equal(seen_X, frame.loc[seen_X.index])
        pd.testing.assert_series_equal(seen_y, names.loc[seen_X.index])
        np.testing.assert_array_equal(metadata["sample_weight"], weight[seen_X.index])
        assert (metadata["sample_weight"] > 0).all()
    assert whole[0] is frame
    assert whole[1] is names


def test_sparse_rows_come_sparse():
    X, y = data()
    for kind in (scipy.sparse.csr_array, scipy.sparse.csc_array, scipy.sparse.coo_array):
        recorder = Recorder()
        make(early_stopping=True).set_callbacks(recorder).fit(kind(X), y)
        seen, labels, _ = recorder.seen[0]
        assert scipy.sparse.issparse(seen)
        assert seen.shape[0] == len(labels) < 80


@pytest.mark.parametrize("kind", KINDS)
def test_returning_true_stops(kind):
    X, y = data(kind)
    recorder = Recorder(stop_after=3)
    model = make(kind).set_callbacks(Listener(), recorder).fit(X, y)
    assert model.n_iter_ == 3
    assert model.history_["stopping_reason"].tolist()[:2] == ["", ""]
    assert "asked to stop" in model.history_["stopping_reason"][-1]
    assert recorder.events[-2:] == [("end", "fit", 0), "teardown"]
    np.testing.assert_equal(model.coefs_, make(kind, max_iter=3).fit(X, y).coefs_)


def test_a_fault_in_a_callback_leaves_the_estimator_as_it_was():
    X, y = data()
    model = make().fit(X, y)
    other = Recorder()
    recorder = Recorder(fail_in=2)
    model.set_callbacks(recorder, other).set_params(hidden_layer_sizes=(9,))
    before, predictions = vars(model).copy(), model.predict_proba(X)
    with pytest.raises(RuntimeError, match="a fault of the user's own"):
        model.fit(X[:, :4], y)
    assert vars(model) == before
    np.testing.assert_array_equal(model.predict_proba(X), predictions)
    assert recorder.events[-1] == other.events[-1] == "teardown"
    assert recorder.events.count("teardown") == 1


def test_bad_data_end_the_fit_with_a_teardown():
    X, y = data()
    recorder = Recorder()
    model = make().set_callbacks(recorder)
    before = vars(model).copy()
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full_like(X, np.nan), y)
    assert recorder.events[0] == "setup"
    assert recorder.events[-1] == "teardown"
    assert vars(model) == before


def test_without_callbacks_there_is_no_trace(capsys):
    for kind in KINDS:
        model = make(kind).fit(*data(kind))
        assert not leftovers(model)
        assert not hasattr(model, "_skl_callbacks")
    assert capsys.readouterr() == ("", "")


def test_clones_and_pickles_keep_callbacks():
    X, y = data()
    model = make().set_callbacks(Listener()).fit(X, y)
    assert model._skl_callbacks[0] in clone(model)._skl_callbacks
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(restored.predict_proba(X), model.predict_proba(X))
    assert not leftovers(restored)
    restored.fit(X, y)
    assert restored._skl_callbacks[0].ends == model._skl_callbacks[0].ends * 2
    assert copy.deepcopy(model)._skl_callbacks[0].ends == model._skl_callbacks[0].ends


def test_a_checkpoint_goes_on_with_the_epochs_that_are_left(tmp_path):
    X, y = data()
    make(max_iter=2).fit(X, y).save_checkpoint(tmp_path / "a")
    recorder = Recorder()
    make().load_checkpoint(tmp_path / "a").set_callbacks(recorder).fit(X, y)
    assert len(recorder.fitted) == 3 + 1


def test_callbacks_of_scikit_learn_do_not_belong_to_the_other_parameter():
    X, y = data()
    for given in (Listener(), ScoringMonitor(scoring="accuracy"), ("name", Listener())):
        model = make(callbacks=[given])
        before = vars(model).copy()
        with pytest.raises(TypeError, match=".*") as error:
            model.fit(X, y)
        assert str(error.value) == (
            "The 'callbacks' parameter must be a list of skorch callbacks or of (name, callback) pairs; got "
            f"{given!r} in it. Use set_callbacks for callbacks of scikit-learn."
        )
        assert vars(model) == before
    with pytest.raises(TypeError, match="callbacks must be instances following the FitCallback protocol"):
        make().set_callbacks(LRScheduler())


# -- scikit-learn's ----------------------------------------------------------------------------------------


def epoch_scores(monitor, name):
    logs = monitor.get_logs()
    return [row[name] for row in logs.data if row["task_name"] == "epoch"]


def test_scoring_monitor_records_what_scoring_by_hand_gives():
    X, y = data()
    monitor = ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
    make().set_callbacks(monitor).fit(X, y)
    stopped = [make(max_iter=n).fit(X, y) for n in range(1, 6)]
    assert epoch_scores(monitor, "accuracy") == [accuracy_score(y, model.predict(X)) for model in stopped]
    assert epoch_scores(monitor, "neg_log_loss") == [-log_loss(y, model.predict_proba(X)) for model in stopped]
    assert len(set(epoch_scores(monitor, "neg_log_loss"))) == 5


def test_scoring_monitor_scores_averaged_weights():
    X, y = data()
    monitor = ScoringMonitor(scoring="neg_log_loss")
    make(averaging="ema").set_callbacks(monitor).fit(X, y)
    stopped = [make(averaging="ema", max_iter=n).fit(X, y) for n in range(1, 6)]
    expected = [-log_loss(y, model.predict_proba(X)) for model in stopped]
    np.testing.assert_allclose(epoch_scores(monitor, "neg_log_loss"), expected, rtol=1e-12)


def test_scoring_monitor_scores_training_rows_with_their_weights(held_out):
    X, y = data()
    weight = np.random.default_rng(0).uniform(0.1, 3, len(X))
    monitor = ScoringMonitor(scoring="neg_log_loss")
    make(early_stopping=True).set_callbacks(monitor).fit(X, y, sample_weight=weight)
    train = np.setdiff1d(np.arange(len(X)), held_out(len(X), y))
    expected = []
    for n in range(1, 6):
        # Of a fit with early stopping the epoch's own weights count, not those of the best epoch.
        recorder = Recorder()
        make(early_stopping=True, max_iter=n).set_callbacks(recorder).fit(X, y, sample_weight=weight)
        fitted = recorder.fitted[n - 1]
        expected.append(-log_loss(y[train], fitted.predict_proba(X[train]), sample_weight=weight[train]))
    np.testing.assert_allclose(epoch_scores(monitor, "neg_log_loss"), expected, rtol=1e-12)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_searches_tell_of_the_epochs_of_all_their_fits(n_jobs):
    X, y = data()
    monitor = ScoringMonitor(scoring="accuracy")
    search = GridSearchCV(make(max_iter=3).set_callbacks(monitor), {"alpha": [0.0, 0.1]}, cv=2, n_jobs=n_jobs)
    search.fit(X, y)
    monitor_of_best = search.best_estimator_._skl_callbacks[0]
    logs = monitor_of_best.get_logs(select="all") if n_jobs == 1 else monitor.get_logs(select="all")
    n_epochs = sum(row["task_name"] == "epoch" for log in logs for row in log.data)
    assert n_epochs == 3 * (2 * 2 + 1)
    for log in logs:
        scores = [row["accuracy"] for row in log.data if row["task_name"] == "epoch"]
        assert all(0 <= score <= 1 for score in scores)
    assert not leftovers(search.best_estimator_)


def test_pipelines_tell_of_the_epochs():
    X, y = data()
    recorder = Recorder()
    pipe = make_pipeline(StandardScaler(), make().set_callbacks(recorder)).fit(X, y)
    assert sum(event[:2] == ("end", "epoch") for event in recorder.events) == 5
    np.testing.assert_allclose(recorder.seen[0][0], StandardScaler().fit_transform(X))
    np.testing.assert_array_equal(recorder.fitted[-1].predict(recorder.seen[0][0]), pipe.predict(X))
    assert not leftovers(pipe[-1])
    plain = make_pipeline(StandardScaler(), make()).fit(X, y)
    np.testing.assert_equal(plain[-1].coefs_, pipe[-1].coefs_)


@pytest.mark.parametrize("where", ["estimator", "pipeline", "search", "workers", "cv"])
def test_one_progress_bar(where, capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    from sklearn.callback import ProgressBar

    X, y = data()
    model = make(max_iter=3)
    if where == "pipeline":
        model = make_pipeline(StandardScaler(), model)
    elif where in ("search", "workers"):
        model = GridSearchCV(model, {"alpha": [0.0, 0.1]}, cv=2, n_jobs=2 if where == "workers" else 1)
    elif where == "cv":
        model = RegularizedMLPClassifierCV(alphas=[0.01, 0.1], cv=StratifiedKFold(2), **{**SHORT, "max_iter": 3})
    model.set_callbacks(ProgressBar()).fit(X, y)
    out, err = capfd.readouterr()
    lines = out.splitlines()
    assert sum(line.startswith(f"{type(model).__name__} - fit ") for line in lines) == 1
    # A line for each fit within it, and no other table or bar.
    n_fits = {"estimator": 0, "pipeline": 2, "cv": 0}.get(where, 1 + 2 * 2 + 1)
    assert len(lines) == 1 + n_fits
    assert all(" - " in line and "100%" in line for line in lines)
    assert err == ""


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("kind", [RegularizedMLPClassifierCV, RegularizedMLPRegressorCV])
def test_estimators_with_cross_validation_tell_of_folds(kind, n_jobs, capsys):
    X, y = data("classifier" if "Classifier" in kind.__name__ else "regressor")
    recorder = Recorder()
    options = {**SHORT, "max_iter": 3, "alphas": [0.01, 0.1], "cv": 3, "n_jobs": n_jobs}
    model = kind(**options).set_callbacks(recorder).fit(X, y)
    folds = [(what, "fold", i) for i in range(3) for what in ("begin", "end")]
    assert recorder.events == ["setup", ("begin", "fit", 0), *folds, ("end", "fit", 0), "teardown"]
    np.testing.assert_array_equal(recorder.fitted[-1].predict(X), model.predict(X))
    assert not leftovers(model)
    assert capsys.readouterr() == ("", "")
    np.testing.assert_array_equal(kind(**options).fit(X, y).scores_path_, model.scores_path_)
    recorder = Recorder()
    kind(**options, adaptive=True).set_callbacks(recorder).fit(X, y)  # two rounds of folds
    assert [event for event in recorder.events if event[:2] == ("end", "fold")] == [
        ("end", "fold", i) for i in range(6)
    ]


def test_a_fold_that_fails_tears_down():
    X, y = data()
    recorder = Recorder()
    model = RegularizedMLPClassifierCV(alphas=[0.01, 0.1], cv=3, solver="sgd", **SHORT).set_callbacks(recorder)
    model.set_params(learning_rate_init=1e12)
    before = vars(model).copy()
    with pytest.raises(ValueError, match="diverged"):
        model.fit(X, y)
    assert recorder.events[-1] == "teardown"
    assert vars(model) == before


# -- skorch's ----------------------------------------------------------------------------------------------


def test_callbacks_of_both_kinds_work_side_by_side(tmp_path):
    X, y = data()
    recorder = Recorder()
    callbacks = [
        LRScheduler("StepLR", step_size=2, gamma=0.1),
        ("saver", Checkpoint(dirname=tmp_path, monitor="train_loss_best")),
        GradientNormClipping(1e-3),
    ]
    model = make(solver="sgd", momentum=0.0, callbacks=callbacks).set_callbacks(recorder).fit(X, y)
    np.testing.assert_allclose(model.history_["lr"], [0.01, 0.01, 0.001, 0.001, 0.0001])
    assert (tmp_path / "params.pt").exists()
    assert len(recorder.fitted) == 6
    # Five epochs of four steps, whose gradients have norms of at most 1e-3.
    start = make(solver="sgd", momentum=0.0, learning_rate_init=1e-12, max_iter=1).fit(X, y)
    moved = np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(model.coefs_, start.coefs_, strict=True)))
    assert 0 < moved <= 4 * 1e-3 * model.history_["lr"].sum() * 1.001
    without = make(solver="sgd", momentum=0.0, callbacks=callbacks).fit(X, y)
    np.testing.assert_equal(without.coefs_, model.coefs_)
    assert [type(callback).__name__ for callback in model.callbacks if not isinstance(callback, tuple)] == [
        "LRScheduler",
        "GradientNormClipping",
    ]


def test_the_first_to_ask_stops():
    X, y = data()
    stop = EarlyStopping(monitor="train_loss", patience=2, threshold=10, threshold_mode="abs", sink=lambda text: None)
    recorder = Recorder()
    model = make(callbacks=[("skorch's", stop)], max_iter=50).set_callbacks(recorder).fit(X, y)
    assert model.n_iter_ == 3
    assert model.history_["stopping_reason"][-1] == "The callback skorch's asked to stop."
    assert sum(event[:2] == ("end", "epoch") for event in recorder.events) == 3


# -- verbose -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_verbose_prints_one_line_for_each_epoch(kind, capsys):
    X, y = data(kind)
    make(kind, verbose=True, early_stopping=True).fit(X, y)
    out, err = capsys.readouterr()
    head, line, *rows = out.rstrip("\n").split("\n")
    assert err == ""
    assert {"epoch", "train_loss", "valid_loss", "valid_score", "penalty", "lr", "train_score"} <= set(head.split())
    assert set(line) == {"-", " "}
    assert len(rows) == 5
    assert [int(row.split()[0]) for row in rows] == [1, 2, 3, 4, 5]


def test_partial_fit_prints_its_epoch_and_silence_is_the_default(capsys):
    X, y = data("regressor")
    make("regressor").fit(X, y).partial_fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        make("regressor", solver="lbfgs").fit(X, y)
    assert capsys.readouterr() == ("", "")
    make("regressor", verbose=True).partial_fit(X, y)
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_one_number_as_weight_of_all_rows_reaches_callbacks():
    X, y = data("regressor")
    monitor = ScoringMonitor(scoring="r2")
    model = make("regressor").set_callbacks(monitor).fit(X, y, sample_weight=2.0)
    assert epoch_scores(monitor, "r2")[-1] == pytest.approx(model.score(X, y))
