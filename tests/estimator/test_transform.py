"""transform, feature names, and samples with dropout."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.network.norm import NORMALIZATION_EPSILON
from tests.helpers import BOTH

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 5))
Y = np.column_stack([X[:, 0] - X[:, 1], X[:, 2] ** 2])
CLASSES = np.digitize(Y[:, 0], [-0.5, 0.5])
LABELS = (Y > 0.3).astype(int)
SHORT = {"max_iter": 4, "n_iter_no_change": np.inf, "learning_rate_init": 0.02, "batch_size": 35, "random_state": 0}
ACTIVATIONS = {
    "identity": lambda Z: Z,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda Z: np.maximum(Z, 0),
}


def by_hand(model, rows):
    """Return the last hidden layer in NumPy."""
    A = rows[:, model.input_features_]
    for i in range(len(model.coefs_) - 1):
        Z = A @ model.coefs_[i] + model.intercepts_[i]
        if model.normalization_params_:
            layer = model.normalization_params_[i]
            mean = layer["mean"] if "mean" in layer else Z.mean(axis=1, keepdims=True)
            variance = layer["variance"] if "mean" in layer else Z.var(axis=1, keepdims=True)
            Z = layer["gain"] * (Z - mean) / np.sqrt(variance + NORMALIZATION_EPSILON) + layer["shift"]
        A = ACTIVATIONS[model.activation](Z)
    return A


def outputs_by_hand(model, rows):
    skipped = 0 if model.skip_coef_ is None else rows[:, model.input_features_] @ model.skip_coef_
    return by_hand(model, rows) @ model.coefs_[-1] + model.intercepts_[-1] + skipped


# -- transform ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [(), (6,), (6, 4)])
@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_transform_is_the_last_hidden_layer(activation, normalization, hidden):
    options = {"alpha": 0, "activation": activation, "normalization": normalization, **SHORT}
    for model, y in (
        (RegularizedMLPRegressor(hidden, **options), Y),
        (RegularizedMLPClassifier(hidden, **options), CLASSES),
    ):
        hidden_layer = model.fit(X, y).transform(X)
        assert hidden_layer.shape == (70, hidden[-1] if hidden else 5)
        np.testing.assert_allclose(hidden_layer, by_hand(model, X), rtol=1e-10, atol=1e-12)
        np.testing.assert_array_equal(model.transform(scipy.sparse.csr_array(X)), hidden_layer)
    # What the regressor makes of it, and the classifier.
    np.testing.assert_allclose(outputs_by_hand(model, X), model.decision_function(X), rtol=1e-9, atol=1e-12)


def test_without_hidden_layers_the_inputs_are_left_as_they_are():
    model = RegularizedMLPRegressor((), **SHORT).fit(X, Y)
    np.testing.assert_array_equal(model.transform(X), X)
    assert model.transform(X) is not X


@pytest.mark.parametrize("hidden", [(6,), (6, 4)])
def test_a_skip_connection_is_no_part_of_the_hidden_layer(hidden):
    model = RegularizedMLPRegressor(hidden, penalty="hierarchical", alpha=0.01, **SHORT).fit(X, Y)
    np.testing.assert_allclose(model.transform(X), by_hand(model, X), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(outputs_by_hand(model, X), model.predict(X), rtol=1e-9)
    assert np.abs(model.skip_coef_).max() > 0.01


def test_dropout_acts_in_training_alone():
    model = RegularizedMLPRegressor((6,), dropout=0.5, input_dropout=0.3, **SHORT).fit(X, Y)
    np.testing.assert_allclose(model.transform(X), by_hand(model, X), rtol=1e-10, atol=1e-12)


def test_a_pruned_network_has_fewer_columns():
    model = RegularizedMLPRegressor((6, 4), alpha=0, **SHORT).fit(X, Y)
    model.coefs_[0][[1, 3]] = 0
    model.coefs_[0][:, [0, 2]] = 0
    model.coefs_[1][:, 1] = 0
    pruned = model.prune()
    assert pruned.input_features_.tolist() == [0, 2, 4]
    np.testing.assert_allclose(pruned.transform(X), np.delete(model.transform(X), 1, axis=1), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(pruned.transform(X), by_hand(pruned, X), rtol=1e-10, atol=1e-12)
    assert pruned.get_feature_names_out().tolist() == [f"regularizedmlpregressor{i}" for i in range(3)]


@pytest.mark.parametrize("hidden", [(6,), (6, 4)])
def test_a_network_that_reads_no_hidden_unit_keeps_one(hidden):
    model = RegularizedMLPRegressor(hidden, **SHORT).fit(X, Y)
    model.coefs_[-1][:] = 0
    pruned = model.prune()
    assert pruned.transform(X).shape == (70, 1)
    assert len(pruned.get_feature_names_out()) == 1
    np.testing.assert_allclose(pruned.predict(X), model.predict(X))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_type_is_that_of_the_network(dtype):
    model = RegularizedMLPClassifier((6,), **SHORT).fit(X.astype(dtype), CLASSES)
    assert model.transform(X).dtype == dtype


def test_rows_are_read_in_blocks(monkeypatch):
    model = RegularizedMLPClassifier((6,), **SHORT).fit(X, CLASSES)
    whole = model.transform(X)
    monkeypatch.setattr("skreg.engine.batches.BLOCK_BYTES", 8 * 5 * 3)
    monkeypatch.setattr("skreg.engine.batches.MIN_PRODUCT_ROWS", 1)
    np.testing.assert_allclose(model.transform(X), whole, rtol=1e-12)


def test_bad_input_to_transform():
    model = RegularizedMLPClassifier((6,), **SHORT)
    with pytest.raises(NotFittedError):
        model.transform(X)
    with pytest.raises(NotFittedError):
        model.get_feature_names_out()
    model.fit(X, CLASSES)
    with pytest.raises(ValueError, match="X has 4 features, but RegularizedMLPClassifier is expecting 5 features"):
        model.transform(X[:, :4])
    with pytest.raises(ValueError, match="Input X contains NaN"):
        model.transform(np.full_like(X, np.nan))


@BOTH
def test_set_output_and_names(kind):
    frame = pd.DataFrame(X, columns=list("abcde"), index=np.arange(70) + 1000)
    model = kind((3,), **SHORT).set_output(transform="pandas").fit(frame, CLASSES)
    names = [f"{kind.__name__.lower()}{i}" for i in range(3)]
    assert model.get_feature_names_out().tolist() == names
    hidden = model.transform(frame)
    assert isinstance(hidden, pd.DataFrame)
    assert hidden.columns.tolist() == names
    assert hidden.index.equals(frame.index)
    np.testing.assert_allclose(hidden.to_numpy(), by_hand(model, X), rtol=1e-10, atol=1e-12)
    assert isinstance(model.set_output(transform="polars").transform(frame), pl.DataFrame)
    assert isinstance(model.set_output(transform="default").transform(frame), np.ndarray)
    # Predictions stay arrays.
    assert isinstance(model.set_output(transform="pandas").predict(frame), np.ndarray)


def test_fit_transform_is_fit_then_transform():
    weight = np.arange(1.0, 71)
    model = RegularizedMLPClassifier((3,), **SHORT)
    expected = clone(model).fit(X, CLASSES, sample_weight=weight).transform(X)
    np.testing.assert_array_equal(model.fit_transform(X, CLASSES, sample_weight=weight), expected)


def test_a_network_makes_features_for_another_estimator():
    network = RegularizedMLPClassifier((8,), **{**SHORT, "max_iter": 100})
    pipe = make_pipeline(StandardScaler(), network, LogisticRegression(C=100)).set_output(transform="pandas")
    pipe.fit(X, CLASSES)
    hidden = by_hand(network, StandardScaler().fit_transform(X))
    logistic = LogisticRegression(C=100).fit(hidden, CLASSES)
    np.testing.assert_allclose(pipe.predict_proba(X), logistic.predict_proba(hidden), atol=1e-6)
    assert pipe[:-1].get_feature_names_out().tolist() == [f"regularizedmlpclassifier{i}" for i in range(8)]
    assert pipe[-1].feature_names_in_.tolist() == [f"regularizedmlpclassifier{i}" for i in range(8)]


# -- samples with dropout ----------------------------------------------------------------------------------

TARGETS = {
    "binary": (RegularizedMLPClassifier, CLASSES > 0, {}, (2,)),
    "multiclass": (RegularizedMLPClassifier, CLASSES, {}, (3,)),
    "multilabel": (RegularizedMLPClassifier, LABELS, {}, (2,)),
    "numbers": (RegularizedMLPRegressor, Y[:, 0], {}, ()),
    "a column": (RegularizedMLPRegressor, Y[:, :1], {}, (1,)),
    "several outputs": (RegularizedMLPRegressor, Y, {}, (2,)),
    "quantiles": (RegularizedMLPRegressor, Y[:, 0], {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]}, (3,)),
    "quantiles of several outputs": (
        RegularizedMLPRegressor,
        Y,
        {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]},
        (2, 3),
    ),
    "counts": (RegularizedMLPRegressor, np.round(np.abs(Y[:, 0])), {"loss": "poisson"}, ()),
}


@pytest.mark.parametrize(("kind", "y", "options", "shape"), TARGETS.values(), ids=TARGETS)
def test_samples_have_the_shape_of_predictions(kind, y, options, shape, global_state):
    model = kind((20,), dropout=0.3, **options, **SHORT).fit(X, y)
    plain = model.predict_proba(X[:9]) if hasattr(model, "predict_proba") else model.predict(X[:9])
    assert plain.shape == (9, *shape)
    samples, mean, std = model.predict_dropout_samples(X[:9], 7, random_state=0)
    assert samples.shape == (7, 9, *shape)
    np.testing.assert_allclose(mean, samples.mean(axis=0))
    np.testing.assert_allclose(std, samples.std(axis=0))
    assert (std > 0).all()
    if "quantile" in options:
        assert (np.diff(samples, axis=-1) >= 0).all()
    if kind is RegularizedMLPClassifier and y is not LABELS:
        np.testing.assert_allclose(samples.sum(axis=-1), 1)


@pytest.mark.parametrize(("kind", "y", "options", "shape"), TARGETS.values(), ids=TARGETS)
def test_with_small_rates_the_mean_is_the_prediction(kind, y, options, shape):
    model = kind((20,), dropout=0.02, **options, **SHORT).fit(X, y)
    plain = model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)
    samples = model.predict_dropout_samples(X, 200, random_state=0)
    np.testing.assert_allclose(samples.mean, plain, atol=6 * samples.std.max() / np.sqrt(200))
    assert samples.std.mean() < 0.2


def test_a_linear_output_of_dropped_units_has_the_variance_of_the_masks():
    model = RegularizedMLPRegressor((10,), dropout=0.4, **SHORT).fit(X, Y[:, 0])
    samples = model.predict_dropout_samples(X, 2000, random_state=0)
    np.testing.assert_allclose(samples.mean, model.predict(X), atol=5 * samples.std.max() / np.sqrt(2000))
    # A unit is kept with probability 0.6 and then scaled by 1/0.6: variance (1/0.6 - 1) of each term.
    terms = model.transform(X) * model.coefs_[1][:, 0]
    np.testing.assert_allclose(samples.std, np.sqrt((terms**2).sum(axis=1) * 0.4 / 0.6), rtol=0.1)


def test_the_inputs_of_a_linear_network_can_be_dropped():
    model = RegularizedMLPRegressor((), input_dropout=0.25, **SHORT).fit(X, Y[:, 0])
    samples = model.predict_dropout_samples(X, 2000, random_state=0)
    np.testing.assert_allclose(samples.mean, model.predict(X), atol=5 * samples.std.max() / np.sqrt(2000))
    terms = X * model.coefs_[0][:, 0]
    np.testing.assert_allclose(samples.std, np.sqrt((terms**2).sum(axis=1) * 0.25 / 0.75), rtol=0.1)


def test_there_is_no_spread_where_no_unit_is_read():
    model = RegularizedMLPRegressor((10,), dropout=0.4, **SHORT).fit(X, Y[:, 0])
    model.coefs_[1][:] = 0
    samples = model.predict_dropout_samples(X, 3, random_state=0)
    np.testing.assert_allclose(samples.std, 0, atol=1e-15)
    np.testing.assert_array_equal(samples.samples[0], model.predict(X))


def test_each_layer_has_its_own_rate():
    model = RegularizedMLPRegressor((10, 10), dropout=(0.0, 0.5), **SHORT).fit(X, Y[:, 0])
    samples = model.predict_dropout_samples(X, 2000, random_state=0)
    terms = model.transform(X) * model.coefs_[2][:, 0]
    np.testing.assert_allclose(samples.std, np.sqrt((terms**2).sum(axis=1)), rtol=0.1, atol=1e-12)


def test_seeds(global_state):
    model = RegularizedMLPClassifier((10,), dropout=0.4, **SHORT).fit(X, CLASSES)

    def samples(seed):
        return model.predict_dropout_samples(X, 3, random_state=seed).samples

    np.testing.assert_array_equal(samples(3), samples(3))
    assert not np.array_equal(samples(3), samples(4))
    assert not np.array_equal(samples(None), samples(None))
    instance = np.random.RandomState(3)
    assert not np.array_equal(samples(instance), samples(instance))
    np.testing.assert_array_equal(samples(np.random.RandomState(3)), samples(np.random.RandomState(3)))
    # No two samples have the same masks, and the model is as it was.
    first, second, third = samples(0)
    assert not np.array_equal(first, second)
    assert not np.array_equal(second, third)
    before, predictions = vars(model).copy(), model.predict_proba(X)
    samples(0)
    assert vars(model) == before
    np.testing.assert_array_equal(model.predict_proba(X), predictions)


@pytest.mark.parametrize("normalization", ["batch", "layer"])
def test_a_row_does_not_depend_on_the_others(normalization):
    model = RegularizedMLPRegressor((10,), dropout=0.4, alpha=0, normalization=normalization, **SHORT).fit(X, Y[:, 0])
    others = X.copy()
    others[1:] = 100 * np.random.default_rng(1).normal(size=(69, 5))
    np.testing.assert_array_equal(
        model.predict_dropout_samples(X, 5, random_state=0).samples[:, 0],
        model.predict_dropout_samples(others, 5, random_state=0).samples[:, 0],
    )
    # One row alone has no moments of its own.
    assert np.isfinite(model.predict_dropout_samples(X[:1], 5, random_state=0).std).all()


def test_sparse_rows_give_the_samples_of_dense_ones():
    model = RegularizedMLPRegressor((10,), dropout=0.4, **SHORT).fit(X, Y[:, 0])
    np.testing.assert_array_equal(
        model.predict_dropout_samples(scipy.sparse.csc_array(X), 5, random_state=0).samples,
        model.predict_dropout_samples(X, 5, random_state=0).samples,
    )


def test_a_pruned_network_gives_samples():
    model = RegularizedMLPRegressor((10,), dropout=0.4, input_dropout=0.2, **SHORT).fit(X, Y[:, 0])
    model.coefs_[0][[1, 3]] = 0
    model.coefs_[0][:, :4] = 0
    samples = model.prune().predict_dropout_samples(X, 400, random_state=0)
    assert samples.std.min() > 0
    full = model.predict_dropout_samples(X, 400, random_state=0)
    assert np.corrcoef(samples.mean, full.mean)[0, 1] > 0.95


@pytest.mark.parametrize(
    "options", [{}, {"dropout": [0.0]}, {"hidden_layer_sizes": (), "dropout": 0.5}, {"dropout": 0, "input_dropout": 0}]
)
def test_samples_need_dropout(options):
    model = RegularizedMLPRegressor(**{"hidden_layer_sizes": (4,), **SHORT, **options}).fit(X, Y)
    with pytest.raises(ValueError, match=".*") as error:
        model.predict_dropout_samples(X)
    assert str(error.value) == (
        f"predict_dropout_samples needs a network with dropout; got dropout={model.dropout!r}, "
        f"input_dropout={model.input_dropout!r}."
    )


def test_bad_arguments_of_samples():
    model = RegularizedMLPRegressor((4,), dropout=0.5, **SHORT)
    with pytest.raises(NotFittedError):
        model.predict_dropout_samples(X)
    model.fit(X, Y)
    for n_samples in (1, 0, -3, 2.5, "many"):
        with pytest.raises(ValueError, match=".*") as error:
            model.predict_dropout_samples(X, n_samples)
        assert str(error.value) == (
            "The 'n_samples' parameter of predict_dropout_samples must be an int in the range [2, inf). Got "
            f"{n_samples!r} instead."
        )
    with pytest.raises(ValueError, match="The 'random_state' parameter of predict_dropout_samples must be"):
        model.predict_dropout_samples(X, random_state="seed")
    with pytest.raises(ValueError, match="X has 4 features"):
        model.predict_dropout_samples(X[:, :4])


def test_samples_have_the_rates_of_the_fit():
    model = RegularizedMLPRegressor((5,), dropout=0.2, max_iter=2, n_iter_no_change=np.inf, random_state=0)
    X = np.random.default_rng(0).normal(size=(30, 3))
    expected = model.fit(X, X[:, 0]).predict_dropout_samples(X, 3, random_state=0).samples
    for rate in (0.0, 0.5, [0.1, 0.1], 1.5):
        model.set_params(dropout=rate)
        np.testing.assert_array_equal(model.predict_dropout_samples(X, 3, random_state=0).samples, expected)
