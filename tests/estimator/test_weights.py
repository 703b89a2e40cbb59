"""sample_weight is repetition, and class_weight the sample weights that it implies."""

import numpy as np
import pytest
from sklearn.metrics import log_loss
from sklearn.model_selection import PredefinedSplit
from sklearn.utils.class_weight import compute_sample_weight

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from tests.helpers import BOTH, assert_same_bits, assert_unchanged_by, learned_numbers

N_ROWS = 60
# Full batches: repeated rows then change neither the number of steps nor what each of them sees.
FULL = {
    "hidden_layer_sizes": (6,),
    "activation": "tanh",
    "alpha": 0.01,
    "batch_size": N_ROWS * 4,
    "learning_rate_init": 0.02,
    "max_iter": 15,
    "tol": 0,
    "n_iter_no_change": np.inf,
    "random_state": 0,
}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N_ROWS, 4))
LABELS = np.select([X[:, 0] + X[:, 1] > 1, X[:, 2] > 0], ["up", "in"], "no")  # unequal classes
INDICATORS = np.column_stack([X[:, 0] > 0.8, X[:, 1] > 0, X[:, 2] + X[:, 3] > -1]).astype(int)
NUMBERS = X[:, :2] @ [[1.0, 0.3], [-0.5, 1.0]] + 0.1 * RNG.normal(size=(N_ROWS, 2))
COUNTS = RNG.integers(0, 4, size=N_ROWS)  # some rows do not count at all
TARGETS = {
    "binary": (LABELS == "up").astype(int),
    "multiclass": LABELS,
    "multilabel": INDICATORS,
    "one number": NUMBERS[:, 0],
    "two numbers": NUMBERS,
}
pytestmark = pytest.mark.filterwarnings("ignore:batch_size=.* is larger than:UserWarning")


def estimator_for(name, **options):
    kind = RegularizedMLPRegressor if "number" in name else RegularizedMLPClassifier
    return kind(**FULL | options)


def repeated(*arrays, counts=COUNTS):
    return [np.repeat(array, counts, axis=0) for array in arrays]


def assert_equal_fits(first, second, rtol=1e-6):
    scale = np.abs(learned_numbers(second)).max()
    np.testing.assert_allclose(learned_numbers(first), learned_numbers(second), rtol=rtol, atol=rtol * scale)
    for name in ("train_loss", "train_score", "penalty"):
        np.testing.assert_allclose(first.history_[name], second.history_[name], rtol=rtol, atol=rtol)


def assert_same_training(first, second):
    assert_same_bits(first, second)
    np.testing.assert_array_equal(first.history_["train_loss"], second.history_["train_loss"])


# -- sample_weight is repetition ----------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"solver": "sgd", "learning_rate": "cosine"},
        {"penalty": "l1", "hidden_layer_sizes": (5, 4)},
        {"normalization": "batch", "alpha": 0.0},
        {"solver": "lbfgs", "tol": 1e-3, "max_iter": 400},
    ],
)
def test_fit(target, options):
    y = TARGETS[target]
    weighted = estimator_for(target, **options).fit(X, y, COUNTS)
    by_hand = estimator_for(target, **options).fit(*repeated(X, y))
    assert_equal_fits(weighted, by_hand)
    unweighted = estimator_for(target, **options).fit(X, y)
    assert np.abs(learned_numbers(weighted) - learned_numbers(unweighted)).max() > 1e-3


@pytest.mark.parametrize("target", TARGETS)
def test_partial_fit(target):
    y = TARGETS[target]
    options = {"learning_rate": "constant", "solver": "adam"}
    weighted, by_hand = estimator_for(target, **options), estimator_for(target, **options)
    if target in ("binary", "multiclass"):
        weighted.partial_fit(X, y, COUNTS, classes=np.unique(y))
        by_hand.partial_fit(*repeated(X, y), classes=np.unique(y))
    elif target == "multilabel":
        weighted.partial_fit(X, y, COUNTS, classes=[0, 1, 2])
        by_hand.partial_fit(*repeated(X, y), classes=[0, 1, 2])
    for _ in range(5):
        weighted.partial_fit(X, y, COUNTS)
        by_hand.partial_fit(*repeated(X, y))
    assert_equal_fits(weighted, by_hand)


@pytest.mark.parametrize("target", TARGETS)
def test_score(target):
    y = TARGETS[target]
    model = estimator_for(target).fit(X, y)
    assert model.score(X, y, COUNTS) == pytest.approx(model.score(*repeated(X, y)), rel=1e-6)
    assert model.score(X, y, COUNTS) != model.score(X, y)


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "absolute_error"},
        {"loss": "huber", "delta": 0.3},
        {"loss": "quantile", "quantile": 0.8},
        {"loss": "quantile", "quantile": (0.1, 0.5, 0.9)},
        {"loss": "poisson"},
        {"loss": "gamma"},
        {"loss": "huber", "delta": 0.3, "solver": "lbfgs"},
        {"loss": "poisson", "solver": "lbfgs"},
    ],
)
@pytest.mark.parametrize("target", ["one number", "two numbers"])
@pytest.mark.filterwarnings("ignore:solver='lbfgs' has not converged:sklearn.exceptions.ConvergenceWarning")
def test_every_loss_of_the_regressor(options, target):
    y = np.exp(TARGETS[target]) if options["loss"] in ("poisson", "gamma") else TARGETS[target]
    weighted = estimator_for(target, **options).fit(X, y, COUNTS)
    by_hand = estimator_for(target, **options).fit(*repeated(X, y))
    assert_equal_fits(weighted, by_hand)
    assert weighted.score(X, y, COUNTS) == pytest.approx(weighted.score(*repeated(X, y)), rel=1e-6)


def own_loss(y_true, y_pred):
    """Return a loss that belongs to no name."""
    return ((y_true - y_pred) ** 4).sum(dim=1)


def test_a_loss_of_ones_own():
    weighted = estimator_for("two numbers", loss=own_loss).fit(X, NUMBERS, COUNTS)
    assert_equal_fits(weighted, estimator_for("two numbers", loss=own_loss).fit(*repeated(X, NUMBERS)))


@pytest.mark.parametrize("class_weight", ["balanced", {"up": 3, "in": 0.5}])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_sample_weight_and_class_weight_together(class_weight, solver):
    options = {"class_weight": class_weight, "solver": solver}
    options |= {"tol": 1e-3, "max_iter": 400} if solver == "lbfgs" else {}
    weighted = estimator_for("multiclass", **options).fit(X, LABELS, COUNTS)
    by_hand = estimator_for("multiclass", **options).fit(*repeated(X, LABELS))
    assert_equal_fits(weighted, by_hand)
    alone = estimator_for("multiclass", **options | {"class_weight": None}).fit(X, LABELS, COUNTS)
    assert np.abs(learned_numbers(weighted) - learned_numbers(alone)).max() > 1e-3


@pytest.mark.parametrize("class_weight", ["balanced", [{0: 1, 1: 4}, {0: 2}, {}]])
def test_sample_weight_and_class_weight_of_labels_together(class_weight):
    weighted = estimator_for("multilabel", class_weight=class_weight).fit(X, INDICATORS, COUNTS)
    by_hand = estimator_for("multilabel", class_weight=class_weight).fit(*repeated(X, INDICATORS))
    assert_equal_fits(weighted, by_hand)


@pytest.mark.parametrize("target", ["multiclass", "two numbers"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_weights_of_validation_data(target, early_stopping):
    train, valid = slice(0, 40), slice(40, None)
    y, counts = TARGETS[target], COUNTS[valid]
    weighted = estimator_for(target, early_stopping=early_stopping)
    weighted.fit(X[train], y[train], X_val=X[valid], y_val=y[valid], sample_weight_val=counts)
    by_hand = estimator_for(target, early_stopping=early_stopping)
    X_val, y_val = repeated(X[valid], y[valid], counts=counts)
    by_hand.fit(X[train], y[train], X_val=X_val, y_val=y_val)
    assert_same_training(weighted, by_hand)
    for name in ("valid_loss", "valid_score"):
        np.testing.assert_allclose(weighted.history_[name], by_hand.history_[name], rtol=1e-6)
    plain = estimator_for(target).fit(X[train], y[train], X_val=X[valid], y_val=y[valid])
    assert np.abs(plain.history_["valid_loss"] - weighted.history_["valid_loss"][0]).min() > 0


@BOTH
def test_rows_without_weight_are_as_if_they_were_not_there(kind):
    # Also where batches, batch normalization and a validation split count the rows.
    y = TARGETS["binary"] if kind is RegularizedMLPClassifier else NUMBERS[:, 0]
    there = COUNTS > 0
    options = FULL | {"batch_size": 8, "normalization": "batch", "alpha": None, "early_stopping": True, "dropout": 0.2}
    weighted = kind(**options).fit(X, y, COUNTS)
    assert_same_training(weighted, kind(**options).fit(X[there], y[there], COUNTS[there]))


@BOTH
def test_only_ratios_of_weights_matter(kind):
    y = TARGETS["binary"] if kind is RegularizedMLPClassifier else NUMBERS[:, 0]
    model = kind(**FULL).fit(X, y, COUNTS)
    for factor in (2.0**-600, 2.0**900):
        assert_same_training(kind(**FULL).fit(X, y, COUNTS * factor), model)
    assert_equal_fits(kind(**FULL).fit(X, y, np.full(N_ROWS, 7.0)), kind(**FULL).fit(X, y))


# -- class_weight is the sample weights that it implies -----------------------------------------------------

MINI_BATCHES = FULL | {"batch_size": 16}


@pytest.mark.parametrize(
    ("target", "class_weight"),
    [
        ("binary", "balanced"),
        ("multiclass", "balanced"),
        ("multilabel", "balanced"),
        ("binary", {0: 0.25, 1: 4.0}),
        ("binary", {1: 3}),
        ("multiclass", {"up": 3.0, "in": 0.5}),
        ("multilabel", [{0: 1, 1: 5}, {0: 0.5, 1: 1}, {1: 2.0}]),
    ],
)
@pytest.mark.parametrize("options", [{}, {"solver": "sgd", "normalization": "batch", "alpha": 0.0}])
def test_bit_for_bit(target, class_weight, options):
    y = TARGETS[target]
    if isinstance(class_weight, list):  # scikit-learn wants all classes
        implied = np.prod([[w.get(v, 1.0) for v in y[:, j]] for j, w in enumerate(class_weight)], axis=0)
    else:
        implied = compute_sample_weight(class_weight, y)
    options = MINI_BATCHES | options
    model = RegularizedMLPClassifier(class_weight=class_weight, **options).fit(X, y)
    assert_same_training(model, RegularizedMLPClassifier(**options).fit(X, y, implied))
    assert np.abs(learned_numbers(model) - learned_numbers(RegularizedMLPClassifier(**options).fit(X, y))).max() > 1e-3


def test_list_of_dicts_agrees_with_scikit_learns_weights():
    weights = [{0: 1, 1: 5}, {0: 0.5, 1: 1}, {0: 1, 1: 2.0}]
    model = RegularizedMLPClassifier(class_weight=weights, **MINI_BATCHES).fit(X, INDICATORS)
    implied = compute_sample_weight(weights, INDICATORS)
    assert_same_training(model, RegularizedMLPClassifier(**MINI_BATCHES).fit(X, INDICATORS, implied))


def test_a_dict_multiplies_the_sample_weights():
    weights = {"up": 4.0, "in": 0.5}  # powers of two, so that the order of products makes no difference
    model = RegularizedMLPClassifier(class_weight=weights, **MINI_BATCHES).fit(X, LABELS, COUNTS)
    product = COUNTS * compute_sample_weight({**weights, "no": 1.0}, LABELS)
    assert_same_training(model, RegularizedMLPClassifier(**MINI_BATCHES).fit(X, LABELS, product))


def test_balanced_classes_have_equal_weights_in_total():
    # A network without inputs that matter predicts the classes' shares of the weight: a third each.
    options = FULL | {"solver": "lbfgs", "alpha": 0, "hidden_layer_sizes": (), "tol": 1e-9, "max_iter": 500}
    model = RegularizedMLPClassifier(class_weight="balanced", **options).fit(np.zeros_like(X), LABELS, COUNTS)
    np.testing.assert_allclose(model.predict_proba(np.zeros((1, 4))), 1 / 3, rtol=1e-6)


def test_partial_fit_uses_the_numbers_of_a_dict():
    weights = {"up": 3.0, "in": 0.5}
    model, implied = RegularizedMLPClassifier(class_weight=weights, **FULL), RegularizedMLPClassifier(**FULL)
    for _ in range(3):
        model.partial_fit(X, LABELS, classes=["in", "no", "up"])
        implied.partial_fit(X, LABELS, compute_sample_weight({**weights, "no": 1}, LABELS), classes=["in", "no", "up"])
    assert_same_training(model, implied)


def test_a_class_of_weight_zero_is_left_out_but_known():
    model = RegularizedMLPClassifier(class_weight={"up": 0}, early_stopping=True, **MINI_BATCHES).fit(X, LABELS)
    implied = RegularizedMLPClassifier(early_stopping=True, **MINI_BATCHES).fit(X, LABELS, LABELS != "up")
    assert model.classes_.tolist() == ["in", "no", "up"]
    assert_same_training(model, implied)


def test_validation_loss_uses_class_weights_and_scorers_do_not():
    fold = np.where(np.arange(N_ROWS) % 4 == 0, 0, -1)
    train, valid = fold == -1, fold == 0
    options = FULL | {"early_stopping": PredefinedSplit(fold)}
    model = RegularizedMLPClassifier(class_weight="balanced", **options).fit(X, LABELS)
    # Balanced on the training rows alone.
    shares = {label: 1 / np.sum(LABELS[train] == label) for label in np.unique(LABELS)}
    weight = np.array([shares[label] for label in LABELS[valid]])
    loss = log_loss(LABELS[valid], model.predict_proba(X[valid]), sample_weight=weight)
    assert model.history_["valid_loss"][model.best_epoch_ - 1] == pytest.approx(loss, rel=1e-9)
    plain = log_loss(LABELS[valid], model.predict_proba(X[valid]))
    assert abs(loss - plain) > 1e-3
    scored = RegularizedMLPClassifier(class_weight="balanced", scoring="neg_log_loss", **options).fit(X, LABELS)
    best = scored.best_epoch_ - 1
    outside = log_loss(LABELS[valid], scored.predict_proba(X[valid]))
    assert scored.validation_scores_[best] == pytest.approx(-outside, rel=1e-9)


def test_validation_data_of_the_user_use_class_weights_balanced_on_the_training_rows():
    train, valid = slice(0, 40), slice(40, None)
    model = RegularizedMLPClassifier(class_weight="balanced", **FULL)
    model.fit(X[train], LABELS[train], X_val=X[valid], y_val=LABELS[valid])
    shares = {label: 1 / np.sum(LABELS[train] == label) for label in np.unique(LABELS)}
    weight = np.array([shares[label] for label in LABELS[valid]])
    loss = log_loss(LABELS[valid], model.predict_proba(X[valid]), sample_weight=weight)
    assert model.history_["valid_loss"][-1] == pytest.approx(loss, rel=1e-9)


# -- errors -------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("weight", "text"),
    [
        (np.where(np.arange(N_ROWS) == 3, -1, 1), "Negative values in data passed to `sample_weight`"),
        (np.zeros(N_ROWS), "Sample weights must contain at least one non-zero number"),
        (np.ones(7), r"sample_weight\.shape == \(7,\), expected \(60,\)"),
        (np.ones((N_ROWS, 2)), "Sample weights must be 1D array or scalar, got 2D array"),
        (np.full(N_ROWS, np.nan), "Input sample_weight contains NaN"),
        (np.full(N_ROWS, np.inf), "Input sample_weight contains infinity"),
    ],
)
def test_bad_sample_weight_is_an_error_that_changes_nothing(kind, weight, text):
    y = TARGETS["binary"] if kind is RegularizedMLPClassifier else NUMBERS[:, 0]
    model = kind(**FULL).fit(X, y)
    assert_unchanged_by(model, ValueError, text, lambda m: m.fit(X, y, weight))
    assert_unchanged_by(model, ValueError, text, lambda m: m.partial_fit(X, y, weight))
    assert_unchanged_by(model, ValueError, text, lambda m: m.fit(X, y, X_val=X, y_val=y, sample_weight_val=weight))


def test_weights_that_leave_one_class_are_an_error():
    model = RegularizedMLPClassifier(**FULL).fit(X, LABELS)
    text = r"needs rows \(with positive weight\) of at least 2 classes; got 1 class"
    assert_unchanged_by(model, ValueError, text, lambda m: m.fit(X, LABELS, LABELS == "up"))
    model.set_params(class_weight={"in": 0, "no": 0})
    assert_unchanged_by(model, ValueError, text, lambda m: m.fit(X, LABELS))


NUMBERS_WANTED = "The 'class_weight' parameter must hold numbers of at least 0; got "


@pytest.mark.parametrize(
    ("class_weight", "text"),
    [
        ({"up": -1}, NUMBERS_WANTED + r"\{'up': -1\}"),
        ({"up": np.nan}, NUMBERS_WANTED + r"\{'up': nan\}"),
        ({"up": np.inf}, NUMBERS_WANTED + r"\{'up': inf\}"),
        ({"up": True}, NUMBERS_WANTED + r"\{'up': True\}"),
        ({"up": "much"}, NUMBERS_WANTED + r"\{'up': 'much'\}"),
        ({"down": 1}, r"'class_weight' .* only classes of y, \['in', 'no', 'up'\]; got \{'down': 1\}"),
        ({"in": 0, "no": 0, "up": 0}, "'class_weight' parameter must give a positive weight to rows with positive"),
        ("auto", "The 'class_weight' parameter of RegularizedMLPClassifier must be .*'balanced'.* Got 'auto' instead"),
        (2, "The 'class_weight' parameter of RegularizedMLPClassifier must be .* Got 2 instead"),
        ([{"up": 1}, {"in": 1}], "'class_weight' parameter must be a dict, .* each of the 1 labels"),
    ],
)
def test_bad_class_weight_is_an_error_that_changes_nothing(class_weight, text):
    model = RegularizedMLPClassifier(**FULL).fit(X, LABELS).set_params(class_weight=class_weight)
    assert_unchanged_by(model, ValueError, text, lambda m: m.fit(X, LABELS))
    assert_unchanged_by(model, ValueError, text, lambda m: m.partial_fit(X, LABELS))


@pytest.mark.parametrize(
    ("class_weight", "text"),
    [
        ({0: 1}, r"a list with one dict for each of the 3 labels, 'balanced' or None; got \{0: 1\}"),
        ([{0: 1}], r"a list with one dict for each of the 3 labels, 'balanced' or None; got \[\{0: 1\}\]"),
        ([{0: 1}, {1: 1}, "balanced"], "a list with one dict for each of the 3 labels, 'balanced' or None; got"),
        ([{0: 1}, {1: 1}, {2: 1}], r"'class_weight' .* only classes of y, \[0, 1\]; got \{2: 1\}"),
        ([{0: 1}, {1: 1}, {1: -1}], NUMBERS_WANTED),
    ],
)
def test_bad_class_weight_of_labels_is_an_error_that_changes_nothing(class_weight, text):
    model = RegularizedMLPClassifier(**FULL).fit(X, INDICATORS).set_params(class_weight=class_weight)
    assert_unchanged_by(model, ValueError, text, lambda m: m.fit(X, INDICATORS))


def test_partial_fit_cannot_balance():
    model = RegularizedMLPClassifier(class_weight="balanced", **FULL)
    with pytest.raises((AttributeError, ValueError)) as error:
        model.partial_fit(X, LABELS, classes=np.unique(LABELS))
    text = f"{error.value} {error.value.__cause__}"
    assert "class_weight='balanced' needs all rows at once, which partial_fit does not have" in text
    assert not hasattr(model, "classes_")
