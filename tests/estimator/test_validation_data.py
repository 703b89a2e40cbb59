"""Which rows validate, what they decide, and that nothing of them gets into the weights."""

import copy

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, GroupKFold, GroupShuffleSplit, PredefinedSplit, TimeSeriesSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback, EarlyStopping, LRScheduler

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from tests.helpers import BOTH, assert_same_bits, assert_unchanged_by, learned_numbers

SETTINGS = {
    "hidden_layer_sizes": (8,),
    "batch_size": 20,
    "learning_rate_init": 0.05,
    "max_iter": 25,
    "tol": 0,
    "n_iter_no_change": np.inf,
    "random_state": 0,
}
N_TRAIN, N_ROWS = 60, 90
RNG = np.random.default_rng(1)
X = RNG.normal(size=(N_ROWS, 4))
NOISE = RNG.normal(size=N_ROWS)
TRAIN, VALID = slice(0, N_TRAIN), slice(N_TRAIN, None)
FOLD = np.where(np.arange(N_ROWS) < N_TRAIN, -1, 0)
GROUPS = np.arange(N_ROWS) // 6
NAMES = ["a", "b", "c", "d"]


def targets(kind):
    signal = X[:, 0] + X[:, 1] + NOISE
    return np.digitize(signal, [-1, 1]) if kind is RegularizedMLPClassifier else signal


def mean_loss(model, X, y):
    if isinstance(model, RegularizedMLPClassifier):
        return log_loss(y, model.predict_proba(X), labels=model.classes_)
    return np.mean((model.predict(X) - y) ** 2) / 2


def fit_with_validation_data(model, **more):
    y = targets(type(model))
    return model.fit(X[TRAIN], y[TRAIN], X_val=X[VALID], y_val=y[VALID], **more)


class Recorder(Callback):
    """Copies parameters and statistics of normalization after every epoch."""

    def on_train_begin(self, net, **kwargs):
        self.epochs_ = []

    def on_epoch_end(self, net, **kwargs):
        module = net.module_
        tensors = [module.flat, *module.running_means, *module.running_variances]
        self.epochs_.append(np.concatenate([tensor.detach().numpy().ravel() for tensor in tensors]))


class RememberedSplit(GroupShuffleSplit):
    """Writes down its splits where copies of it do, too."""

    splits = []  # noqa: RUF012 - shared by copies on purpose

    def split(self, X, y=None, groups=None):
        for train, valid in super().split(X, y, groups):
            self.splits.append((train, valid, groups))
            yield train, valid


@pytest.fixture
def splits():
    RememberedSplit.splits.clear()
    yield RememberedSplit.splits
    RememberedSplit.splits.clear()


# -- X_val and y_val ----------------------------------------------------------------------------------------


@BOTH
def test_validation_data_decide_which_epoch_is_kept(kind):
    model = fit_with_validation_data(kind(early_stopping=True, **SETTINGS | {"max_iter": 60}))
    losses = model.history_["valid_loss"]
    assert model.best_epoch_ == losses.argmin() + 1 < model.n_iter_ == 60
    y = targets(kind)[VALID]
    assert losses[model.best_epoch_ - 1] == pytest.approx(mean_loss(model, X[VALID], y), rel=1e-9)
    assert model.best_validation_score_ == pytest.approx(model.score(X[VALID], y), rel=1e-9)
    # The kept weights are those of a fit that ends after this epoch.
    assert_same_bits(model, kind(**SETTINGS | {"max_iter": model.best_epoch_}).fit(X[TRAIN], targets(kind)[TRAIN]))


@BOTH
def test_validation_data_decide_when_to_stop(kind):
    settings = SETTINGS | {"batch_size": 1, "n_iter_no_change": 3, "max_iter": 60, "learning_rate_init": 0.01}
    model = fit_with_validation_data(kind(early_stopping=True, **settings))
    losses = model.history_["valid_loss"]
    # 60 steps make an epoch: three epochs are more than the 100 steps that the wait lasts at least. It also lasts half
    # as long as training took to the best epoch.
    assert model.n_iter_ == model.best_epoch_ + max(3, model.best_epoch_ // 2) + 1 < 60
    assert (losses[model.best_epoch_ :] > losses[model.best_epoch_ - 1]).all()
    assert "The validation loss did not improve" in model.history_["stopping_reason"][-1]
    # Against targets that say the opposite, the first steps are the best.
    y = targets(kind)
    opposite = 2 - y[VALID] if kind is RegularizedMLPClassifier else -y[VALID]
    other = kind(early_stopping=True, **settings).fit(X[TRAIN], y[TRAIN], X_val=X[VALID], y_val=opposite)
    assert other.n_iter_ < model.n_iter_
    np.testing.assert_array_equal(other.history_["train_loss"], model.history_["train_loss"][: other.n_iter_])


@BOTH
@pytest.mark.parametrize("options", [{}, {"solver": "sgd", "dropout": 0.2}, {"n_iter_no_change": 2, "tol": 0.01}])
def test_without_early_stopping_validation_data_are_only_recorded(kind, options):
    y = targets(kind)
    model = fit_with_validation_data(kind(**SETTINGS | options))
    plain = kind(**SETTINGS | options).fit(X[TRAIN], y[TRAIN])
    assert_same_bits(model, plain)
    assert model.n_iter_ == plain.n_iter_ == model.best_epoch_
    assert model.loss_curve_ == plain.loss_curve_
    assert model.history_["valid_loss"][-1] == pytest.approx(mean_loss(model, X[VALID], y[VALID]), rel=1e-9)
    assert model.validation_scores_[-1] == pytest.approx(model.score(X[VALID], y[VALID]), rel=1e-9)
    assert "valid_loss" not in plain.history_
    assert plain.validation_scores_ is None


@BOTH
def test_validation_data_with_lbfgs(kind):
    settings = SETTINGS | {"solver": "lbfgs", "tol": 1e-2, "max_iter": 300}
    model = fit_with_validation_data(kind(early_stopping=True, **settings))
    assert model.best_epoch_ == model.history_["valid_loss"].argmin() + 1
    kept = model.history_["valid_loss"][model.best_epoch_ - 1]
    assert kept == pytest.approx(mean_loss(model, X[VALID], targets(kind)[VALID]), rel=1e-9)


@BOTH
def test_a_scorer_sees_the_validation_data(kind):
    y, seen = targets(kind), []

    def scorer(estimator, X, y):
        seen.append((X, y))
        return estimator.score(X, y)

    names = {"columns": NAMES}
    model = kind(early_stopping=True, scoring=scorer, **SETTINGS)
    model.fit(pd.DataFrame(X[TRAIN], **names), y[TRAIN], X_val=pd.DataFrame(X[VALID], **names), y_val=y[VALID])
    assert len(seen) == model.n_iter_
    assert seen[0][0].columns.tolist() == NAMES
    np.testing.assert_array_equal(seen[0][0], X[VALID])
    np.testing.assert_array_equal(seen[0][1], y[VALID])
    assert model.best_epoch_ == np.argmax(model.validation_scores_) + 1
    assert model.score(pd.DataFrame(X[VALID], **names), y[VALID]) == pytest.approx(model.best_validation_score_)


@BOTH
def test_validation_data_are_those_of_the_same_split(kind):
    model = fit_with_validation_data(kind(early_stopping=True, **SETTINGS))
    split = kind(early_stopping=PredefinedSplit(FOLD), **SETTINGS).fit(X, targets(kind))
    assert_same_bits(model, split)
    np.testing.assert_array_equal(model.history_["valid_loss"], split.history_["valid_loss"])


@BOTH
def test_validation_data_pass_through_a_pipeline(kind):
    y = targets(kind)
    X_train, X_val = 3 + 2 * X[TRAIN], 3 + 2 * X[VALID]
    with config_context(enable_metadata_routing=True):
        network = kind(early_stopping=True, **SETTINGS).set_fit_request(X_val=True, y_val=True)
        pipeline = Pipeline([("scale", StandardScaler()), ("network", network)], transform_input=["X_val"])
        pipeline.fit(X_train, y[TRAIN], X_val=X_val, y_val=y[VALID])
    scaler = StandardScaler().fit(X_train)
    by_hand = kind(early_stopping=True, **SETTINGS).fit(
        scaler.transform(X_train), y[TRAIN], X_val=scaler.transform(X_val), y_val=y[VALID]
    )
    assert_same_bits(network, by_hand)
    np.testing.assert_array_equal(network.history_["valid_loss"], by_hand.history_["valid_loss"])


# -- splitters and groups -----------------------------------------------------------------------------------


@BOTH
def test_no_group_is_on_both_sides(kind, splits):
    splitter = RememberedSplit(n_splits=1, test_size=0.3, random_state=1)
    model = kind(early_stopping=splitter, **SETTINGS).fit(X, targets(kind), groups=GROUPS)
    ((train, valid, groups),) = splits
    np.testing.assert_array_equal(groups, GROUPS)
    assert not set(GROUPS[train]) & set(GROUPS[valid])
    y = targets(kind)
    by_hand = kind(early_stopping=True, **SETTINGS).fit(X[train], y[train], X_val=X[valid], y_val=y[valid])
    assert_same_bits(model, by_hand)


def test_groups_of_text_in_a_series(splits):
    groups = pd.Series([f"patient {g:02}" for g in GROUPS])
    splitter = RememberedSplit(n_splits=1, random_state=1)
    model = RegularizedMLPRegressor(early_stopping=splitter, **SETTINGS)
    model.fit(X, X[:, 0], groups=groups)
    numbered = RegularizedMLPRegressor(early_stopping=splitter, **SETTINGS).fit(X, X[:, 0], groups=GROUPS)
    assert_same_bits(model, numbered)


@BOTH
def test_the_last_split_of_a_time_series_validates(kind):
    y = targets(kind)
    model = kind(early_stopping=TimeSeriesSplit(n_splits=4), **SETTINGS).fit(X, y)
    train, valid = list(TimeSeriesSplit(n_splits=4).split(X))[-1]
    assert train.tolist() == list(range(72))
    by_hand = kind(early_stopping=True, **SETTINGS).fit(X[train], y[train], X_val=X[valid], y_val=y[valid])
    assert_same_bits(model, by_hand)


@BOTH
@pytest.mark.usefixtures("global_state")
def test_a_splitter_without_seed_takes_that_of_the_estimator(kind):
    splitter = GroupShuffleSplit(n_splits=1)
    before = copy.copy(vars(splitter))

    def fit(seed):
        model = kind(early_stopping=splitter, **SETTINGS | {"random_state": seed})
        return model.fit(X, targets(kind), groups=GROUPS)

    first, again, other = fit(0), fit(0), fit(1)
    assert_same_bits(first, again)
    assert first.history_["valid_loss"].tolist() == again.history_["valid_loss"].tolist()
    assert first.history_["valid_loss"][0] != other.history_["valid_loss"][0]
    assert vars(splitter) == before == {"n_splits": 1, "test_size": None, "train_size": None} | before
    assert splitter.random_state is None


@pytest.mark.usefixtures("global_state")
def test_a_splitter_with_a_generator_of_its_own_is_not_advanced():
    generator = np.random.RandomState(5)
    model = RegularizedMLPRegressor(early_stopping=GroupShuffleSplit(1, random_state=generator), **SETTINGS)
    first = learned_numbers(model.fit(X, X[:, 0], groups=GROUPS))
    np.testing.assert_array_equal(learned_numbers(model.fit(X, X[:, 0], groups=GROUPS)), first)
    assert generator.randint(1000) == np.random.RandomState(5).randint(1000)


@pytest.mark.parametrize("weighting", ["sample_weight", "class_weight"])
def test_a_splitter_speaks_of_all_rows_also_if_some_have_no_weight(weighting):
    y = targets(RegularizedMLPClassifier)
    model = RegularizedMLPClassifier(early_stopping=PredefinedSplit(FOLD), **SETTINGS)
    if weighting == "sample_weight":
        there = np.arange(N_ROWS) % 5 != 0
        model.fit(X, y, there)
    else:
        there = y != 1
        model.set_params(class_weight={1: 0}).fit(X, y)
    train, valid = there & (FOLD == -1), there & (FOLD == 0)
    if weighting == "class_weight":
        by_hand = RegularizedMLPClassifier(early_stopping=True, class_weight={1: 0}, **SETTINGS)
        by_hand.fit(X[TRAIN], y[TRAIN], X_val=X[VALID], y_val=y[VALID])
    else:
        by_hand = RegularizedMLPClassifier(early_stopping=True, **SETTINGS)
        by_hand.fit(X[train], y[train], np.ones(train.sum()), X_val=X[valid], y_val=y[valid])
    assert_same_bits(model, by_hand)


@BOTH
def test_a_search_passes_groups_on_by_itself(kind, splits):
    y = targets(kind)
    with config_context(enable_metadata_routing=True):
        network = kind(early_stopping=RememberedSplit(1, random_state=0), **SETTINGS | {"max_iter": 3})
        search = GridSearchCV(network, {"alpha": [1e-4, 1e-2]}, cv=GroupKFold(3), error_score="raise")
        search.fit(X, y, groups=GROUPS)
    assert len(splits) == 2 * 3 + 1
    for train, valid, groups in splits:
        assert not set(groups[train]) & set(groups[valid])
    assert len(splits[-1][2]) == N_ROWS


@BOTH
def test_a_pipeline_passes_groups_on_by_itself(kind, splits):
    y = targets(kind)
    with config_context(enable_metadata_routing=True):
        network = kind(early_stopping=RememberedSplit(1, random_state=0), **SETTINGS)
        make_pipeline(StandardScaler(), network).fit(X, y, groups=GROUPS)
    np.testing.assert_array_equal(splits[0][2], GROUPS)
    expected = kind(early_stopping=GroupShuffleSplit(1, random_state=0), **SETTINGS)
    assert_same_bits(network, expected.fit(StandardScaler().fit_transform(X), y, groups=GROUPS))


def test_a_request_of_the_user_goes_before():
    with config_context(enable_metadata_routing=True):
        network = RegularizedMLPRegressor(early_stopping=GroupShuffleSplit(1)).set_fit_request(groups=False)
        assert network.get_metadata_routing().fit.requests["groups"] is False
        assert RegularizedMLPRegressor().get_metadata_routing().fit.requests["groups"] is None


# -- refit_on_all -------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("schedule", ["constant", "adaptive", "invscaling"])
def test_refit_equals_a_fit_by_hand_of_all_rows_for_the_best_number_of_epochs(kind, solver, schedule):
    y = targets(kind)
    settings = SETTINGS | {"solver": solver, "learning_rate": schedule, "dropout": 0.1}
    model = kind(early_stopping=True, refit_on_all=True, **settings).fit(X, y)
    first = kind(early_stopping=True, **settings).fit(X, y)
    assert model.best_epoch_ == first.best_epoch_
    np.testing.assert_array_equal(model.history_["valid_loss"], first.history_["valid_loss"])
    # The rate of an adaptive schedule falls when nothing improves, which cannot be while every epoch is waited for.
    by_hand = kind(**settings | {"max_iter": model.best_epoch_}).fit(X, y)
    assert_same_bits(model, by_hand)
    assert np.abs(learned_numbers(model) - learned_numbers(first)).max() > 1e-3


@BOTH
def test_refit_repeats_the_rates_of_an_adaptive_schedule(kind):
    y = targets(kind)
    settings = SETTINGS | {"learning_rate": "adaptive", "batch_size": 1, "n_iter_no_change": 2, "max_iter": 60}
    settings |= {"learning_rate_init": 0.02}

    class SetRates(Callback):
        """Sets the rate of each epoch by hand."""

        def __init__(self, rates):
            self.rates = rates

        def on_epoch_begin(self, net, **kwargs):
            net.lr_ = self.rates[net.monitor_.epoch - 1]

    model = fit_with_validation_data(kind(early_stopping=True, refit_on_all=True, **settings))
    rates = model.history_["lr"][: model.best_epoch_].tolist()
    assert len(set(model.history_["lr"])) > 1
    by_hand = kind(
        callbacks=[SetRates(rates)],
        **settings | {"learning_rate": "constant", "max_iter": len(rates), "n_iter_no_change": np.inf},
    ).fit(X, y)
    assert_same_bits(model, by_hand)


@BOTH
@pytest.mark.parametrize("weights", [(None, None), (2.0, 1.0), (None, 0.5), (3.0, None)])
def test_refit_on_all_takes_the_rows_of_validation_data(kind, weights):
    y = targets(kind)
    weight, weight_val = (None if w is None else np.full(n, w) for w, n in zip(weights, (60, 30), strict=True))
    model = kind(early_stopping=True, refit_on_all=True, **SETTINGS)
    fit_with_validation_data(model, sample_weight=weight, sample_weight_val=weight_val)
    by_hand = kind(**SETTINGS | {"max_iter": model.best_epoch_})
    all_weights = np.repeat([1.0 if w is None else w for w in weights], [60, 30])
    by_hand.fit(X, y, None if weights == (None, None) else all_weights)
    np.testing.assert_allclose(learned_numbers(model), learned_numbers(by_hand), rtol=1e-6, atol=1e-8)


def test_refit_balances_classes_on_all_rows():
    y = targets(RegularizedMLPClassifier)
    settings = SETTINGS | {"class_weight": "balanced"}
    model = fit_with_validation_data(RegularizedMLPClassifier(early_stopping=True, refit_on_all=True, **settings))
    assert_same_bits(model, RegularizedMLPClassifier(**settings | {"max_iter": model.best_epoch_}).fit(X, y))


@BOTH
def test_without_early_stopping_there_is_nothing_to_refit(kind):
    with pytest.warns(UserWarning, match="refit_on_all=True has no effect with early_stopping=False"):
        model = kind(refit_on_all=True, **SETTINGS).fit(X, targets(kind))
    assert_same_bits(model, kind(**SETTINGS).fit(X, targets(kind)))


# -- no leak ------------------------------------------------------------------------------------------------

LEAK_OPTIONS = [
    {},
    {"normalization": "batch", "alpha": (0.0, 1e-3)},
    {"normalization": "layer", "dropout": 0.2, "input_dropout": 0.1, "alpha": (0.0, 1e-3)},
    {"penalty": "l1", "alpha": 0.01, "solver": "sgd"},
    {"solver": "lbfgs", "max_iter": 30},
]


def recorded(kind, X, y, fold, **options):
    recorder = Recorder()
    settings = SETTINGS | {"early_stopping": PredefinedSplit(fold), "callbacks": [recorder]} | options
    return kind(**settings).fit(X, y), recorder.epochs_


@BOTH
@pytest.mark.parametrize("options", LEAK_OPTIONS)
@pytest.mark.parametrize("fold", [FOLD, np.where(np.arange(N_ROWS) % 3, -1, 0)])
@pytest.mark.filterwarnings("ignore:solver='lbfgs' has not converged:sklearn.exceptions.ConvergenceWarning")
def test_values_and_labels_of_validation_rows_change_no_weight_of_any_epoch(kind, options, fold):
    y = targets(kind)
    other_X, other_y, valid = X.copy(), y.copy(), fold == 0
    other_X[valid] = 1 - 2 * X[valid][::-1]
    other_y[valid] = 2 - y[valid]  # other classes, in other proportions
    if kind is RegularizedMLPClassifier:
        options = options | {"class_weight": "balanced"}
    first, epochs = recorded(kind, X, y, fold, **options)
    second, other_epochs = recorded(kind, other_X, other_y, fold, **options)
    assert len(epochs) == first.n_iter_ > 5
    for one, other in zip(epochs, other_epochs, strict=True):
        np.testing.assert_array_equal(one, other)
    for name in ("train_loss", "train_score", "penalty"):
        np.testing.assert_array_equal(first.history_[name], second.history_[name])
    assert (first.history_["valid_loss"] != second.history_["valid_loss"]).all()
    # And what is changed in a training row is seen.
    other_X[np.flatnonzero(fold)[0]] += 1
    third, _ = recorded(kind, other_X, other_y, fold, **options)
    assert (third.history_["train_loss"][:5] != second.history_["train_loss"][:5]).any()


@BOTH
@pytest.mark.filterwarnings("ignore:X_val has another location")  # as is meant here
@pytest.mark.parametrize("options", LEAK_OPTIONS[:3])
def test_validation_data_change_no_weight_of_any_epoch(kind, options):
    y, runs = targets(kind), []
    for X_val, y_val in ((X[VALID], y[VALID]), (100 * X[VALID][:7], y[TRAIN][:7])):
        recorder = Recorder()
        model = kind(early_stopping=True, callbacks=[recorder], **SETTINGS | options)
        model.fit(X[TRAIN], y[TRAIN], X_val=X_val, y_val=y_val)
        runs.append((recorder.epochs_, model.history_))
    np.testing.assert_array_equal(*(epochs for epochs, _ in runs))
    np.testing.assert_array_equal(*(history["train_loss"] for _, history in runs))


@BOTH
def test_weights_of_validation_rows_change_no_weight_of_any_epoch(kind):
    y, (first, second) = targets(kind), np.ones((2, N_ROWS))
    second[VALID] = np.linspace(0.1, 0.9, N_ROWS - N_TRAIN)
    histories = [
        kind(early_stopping=PredefinedSplit(FOLD), **SETTINGS).fit(X, y, weight).history_ for weight in (first, second)
    ]
    np.testing.assert_array_equal(*(history["train_loss"] for history in histories))
    assert (histories[0]["valid_loss"] != histories[1]["valid_loss"]).all()


# -- errors -------------------------------------------------------------------------------------------------


class SplitInto:
    """A splitter that gives what it is told to."""

    def __init__(self, *splits):
        self.splits = splits

    def split(self, X, y=None, groups=None):
        """Give the splits."""
        return iter(self.splits)

    def get_n_splits(self, X=None, y=None, groups=None):
        """Count them."""
        return len(self.splits)


X_VAL, UNUSABLE = X[VALID], "X_val, y_val or sample_weight_val cannot be used: "
WITH_NAN = X_VAL.copy()
WITH_NAN[0, 0] = np.nan


@BOTH
@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"X_val": X_VAL}, "X_val and y_val must be given together; got only X_val"),
        ({"y_val": "y"}, "X_val and y_val must be given together; got only y_val"),
        ({"sample_weight_val": np.ones(30)}, "X_val and y_val must be given together; got only sample_weight_val"),
        (
            {"X_val": X_VAL, "sample_weight_val": np.ones(30)},
            "X_val and y_val must be given together; got only X_val and sample_weight_val",
        ),
        ({"X_val": X_VAL[:, :3], "y_val": "y"}, UNUSABLE + "X has 3 features, but .* is expecting 4 features"),
        ({"X_val": X_VAL[:9], "y_val": "y"}, UNUSABLE + r"Found input variables with inconsistent .* \[9, 30\]"),
        ({"X_val": WITH_NAN, "y_val": "y"}, UNUSABLE + "Input X contains NaN"),
        ({"X_val": X_VAL, "y_val": "y", "sample_weight_val": np.ones(9)}, UNUSABLE + r"sample_weight\.shape == \(9,\)"),
    ],
)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_unusable_validation_data_are_an_error_that_changes_nothing(kind, given, text, early_stopping):
    y = targets(kind)
    model = kind(early_stopping=early_stopping, **SETTINGS).fit(X, y)
    given = {name: y[VALID] if isinstance(value, str) else value for name, value in given.items()}
    assert_unchanged_by(model, ValueError, text, lambda m: m.fit(X[TRAIN], y[TRAIN], **given))


LABELS = targets(RegularizedMLPClassifier)
INDICATORS = (X[:, :3] > 0).astype(int)


@pytest.mark.parametrize(
    ("kind", "y", "y_val", "text"),
    [
        (
            RegularizedMLPClassifier,
            LABELS,
            LABELS + 1,
            r"y must hold only classes of the fitted network, \[0, 1, 2\]; got \[3\]",
        ),
        (RegularizedMLPClassifier, INDICATORS, INDICATORS[:, :2], "a label indicator matrix .* with 3 columns; got"),
        (RegularizedMLPClassifier, INDICATORS, LABELS, "a label indicator matrix .* with 3 columns; got"),
        (RegularizedMLPClassifier, LABELS, INDICATORS, "y should be a 1d array, got an array of shape"),
        (RegularizedMLPRegressor, X[:, :2], X[:, :3], "y_val must have as many columns as y, 2; got 3"),
        (RegularizedMLPRegressor, X[:, :2], X[:, 0], "y_val must have as many columns as y, 2; got 1"),
        (RegularizedMLPRegressor, X[:, 0], np.where(X[:, 0] > 0, np.nan, 0), "Input y contains NaN"),
    ],
)
def test_unusable_validation_targets_are_an_error_that_changes_nothing(kind, y, y_val, text):
    model = kind(**SETTINGS).fit(X, y)
    assert_unchanged_by(model, ValueError, UNUSABLE + ".*" + text, lambda m: m.fit(X, y, X_val=X, y_val=y_val))


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_validation_targets_that_the_loss_does_not_take_are_an_error(loss):
    y = np.exp(X[:, 0])
    model = RegularizedMLPRegressor(loss=loss, **SETTINGS).fit(X, y)
    assert_unchanged_by(
        model, ValueError, f"{UNUSABLE}y must .*loss='{loss}'", lambda m: m.fit(X, y, X_val=X, y_val=-y)
    )


@BOTH
def test_validation_data_with_other_column_names_are_an_error(kind):
    y, frame = targets(kind), pd.DataFrame(X, columns=NAMES)
    model = kind(**SETTINGS).fit(frame, y)
    other = frame.rename(columns={"a": "z"})
    text = UNUSABLE + "The feature names should match those that were passed during fit.\nFeature names unseen"
    assert_unchanged_by(model, ValueError, text, lambda m: m.fit(frame, y, X_val=other, y_val=y))


def test_validation_data_beside_a_splitter_are_an_error():
    model = RegularizedMLPRegressor(early_stopping=TimeSeriesSplit(2), **SETTINGS).fit(X, X[:, 0])
    text = r"Validation rows must come from X_val or from a splitter.*; got X_val and early_stopping=TimeSeriesSplit\("
    assert_unchanged_by(model, ValueError, text, lambda m: m.fit(X, X[:, 0], X_val=X, y_val=X[:, 0]))


@BOTH
@pytest.mark.parametrize(
    ("splitter", "text"),
    [
        (SplitInto(), "'early_stopping' must give a split; got none from"),
        (
            SplitInto((np.arange(50), np.arange(0))),
            "for training and other rows for validation; got 50 and 0 rows",
        ),
        (
            SplitInto((np.arange(0), np.arange(50))),
            "for training and other rows for validation; got 0 and 50 rows",
        ),
        (SplitInto((np.arange(50), np.arange(40, 90))), "got 50 and 50 rows, 10 of them the same, from .*SplitInto"),
        (GroupShuffleSplit(1), "GroupShuffleSplit(.|\n)*needs the group of each row: fit"),
        ("yes", "The 'early_stopping' parameter of .* Got 'yes' instead"),
        (5, "The 'early_stopping' parameter of .* Got 5 instead"),
        (GroupShuffleSplit, "The 'early_stopping' parameter .*GroupShuffleSplit"),
    ],
)
def test_unusable_splitters_are_an_error_that_changes_nothing(kind, splitter, text):
    y = targets(kind)
    model = kind(**SETTINGS).fit(X, y).set_params(early_stopping=splitter)
    assert_unchanged_by(model, ValueError, text, lambda m: m.fit(X, y))


def test_a_splitter_that_leaves_one_class_for_training_is_an_error():
    y = (X[:, 0] > 0).astype(int)
    model = RegularizedMLPClassifier(early_stopping=PredefinedSplit(np.where(y, 0, -1)), **SETTINGS)
    assert_unchanged_by(model, ValueError, "rows .* of at least 2 classes; got 1 class", lambda m: m.fit(X, y))


@BOTH
def test_groups_without_a_splitter_are_held_out_whole(kind):
    y = targets(kind)
    model = kind(early_stopping=True, **SETTINGS).fit(X, y, groups=GROUPS)
    other = kind(early_stopping=True, **SETTINGS).fit(X, y)
    assert model.validation_scores_ != other.validation_scores_


@BOTH
def test_groups_of_another_number_are_an_error(kind):
    y = targets(kind)
    model = kind(early_stopping=GroupShuffleSplit(1), **SETTINGS).fit(X, y, groups=GROUPS)
    text = r"inconsistent numbers of samples: \[90, 89\]"
    assert_unchanged_by(model, ValueError, text, lambda m: m.fit(X, y, groups=GROUPS[1:]))


@BOTH
def test_unknown_metadata_are_an_error(kind):
    y = targets(kind)
    model = kind(**SETTINGS).fit(X, y)
    text = r"fit\(\) got an unexpected keyword argument 'foo'"
    assert_unchanged_by(model, TypeError, text, lambda m: m.fit(X, y, foo=1))
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(model, {"alpha": [1e-4]}, cv=2)
        with pytest.raises(TypeError, match=r"got unexpected argument\(s\) \{'foo'\}"):
            search.fit(X, y, foo=np.ones(N_ROWS))
        # What the network knows but was not told to ask for.
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            search.fit(X, y, sample_weight=np.ones(N_ROWS))


@BOTH
def test_a_splitter_of_other_rows_is_an_error(kind):
    model = kind(**SETTINGS, early_stopping=PredefinedSplit(FOLD))
    few = N_ROWS - 20
    with pytest.raises(ValueError, match=f"must split the {few} rows of X; got others, up to number {N_ROWS - 1}"):
        model.fit(X[:few], targets(kind)[:few])


@BOTH
def test_a_splitter_gets_the_rows_as_the_user_gave_them(kind):
    class ByName:
        """Validates on the rows whose first column is largest, and looks at the labels."""

        def get_n_splits(self, X=None, y=None, groups=None):
            return 1

        def split(self, X, y, groups=None):
            assert list(X.columns) == NAMES
            assert y is labels
            late = np.asarray(X["a"] > X["a"].median())
            yield ~late, late  # masks are taken as well as numbers

    labels = pd.Series(targets(kind))
    if kind is RegularizedMLPClassifier:
        labels = labels.map({0: "no", 1: "maybe", 2: "yes"})
    frame = pd.DataFrame(X, columns=NAMES)
    model = kind(**SETTINGS, early_stopping=ByName()).fit(frame, labels)
    late = frame["a"] > frame["a"].median()
    kept = model.history_["valid_loss"][model.best_epoch_ - 1]
    assert kept == pytest.approx(mean_loss(model, frame[late], labels[late]))


def test_a_refit_repeats_the_rates_that_a_schedule_of_skorch_has_made():
    y = targets(RegularizedMLPRegressor)
    options = {**SETTINGS, "early_stopping": True, "refit_on_all": True, "max_iter": 12}
    options["learning_rate_init"] = 0.003
    step = {"policy": "StepLR", "step_size": 3, "gamma": 0.3}
    model = RegularizedMLPRegressor(**options, callbacks=[LRScheduler(**step)]).fit(X, y)
    by_hand = RegularizedMLPRegressor(
        **options | {"early_stopping": False, "refit_on_all": False, "max_iter": model.best_epoch_},
        callbacks=[LRScheduler(**step)],
    ).fit(X, y)
    assert model.best_epoch_ > 3
    np.testing.assert_allclose(model.coefs_[0], by_hand.coefs_[0], rtol=1e-12)


def test_what_watches_validation_rows_has_no_part_in_the_refit(tmp_path):
    y = targets(RegularizedMLPRegressor)
    watching = [EarlyStopping(patience=3), LRScheduler("ReduceLROnPlateau", monitor="valid_loss")]
    model = RegularizedMLPRegressor(**SETTINGS, early_stopping=True, refit_on_all=True, callbacks=watching)
    assert model.fit(X, y).best_epoch_ >= 1


def test_weights_that_vanish_beside_others_are_no_rows_of_a_batch():
    y = targets(RegularizedMLPRegressor)
    weight = np.where(np.arange(N_ROWS) < N_ROWS // 2, 1e-46, 1.0)
    options = {**SETTINGS, "normalization": "batch", "batch_size": 10, "shuffle": False}
    X32 = X.astype(np.float32)
    model = RegularizedMLPRegressor(**options).fit(X32, y, weight)
    without = RegularizedMLPRegressor(**options).fit(X32[weight == 1], y[weight == 1])
    np.testing.assert_allclose(model.coefs_[0], without.coefs_[0], rtol=1e-4)
