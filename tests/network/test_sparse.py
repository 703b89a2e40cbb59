"""Sparse inputs: the same networks as of dense ones, and no dense copy of rows on the way."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse
import skorch.callbacks
import torch

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg.augmentation import GaussianNoise
from skreg.model_selection import GridSearchCV
from skreg.network.mlp import MLP

N_ROWS, N_COLUMNS = 90, 400
OPTIONS = {"max_iter": 4, "tol": 0, "n_iter_no_change": np.inf, "learning_rate_init": 0.01, "random_state": 0}
# Of every place where the inputs are multiplied.
CASES = {
    "narrow": {"hidden_layer_sizes": (7,)},
    "wide": {"hidden_layer_sizes": (20, 5)},
    "linear": {"hidden_layer_sizes": ()},
    "skip": {"hidden_layer_sizes": (20,), "penalty": "hierarchical", "alpha": 0.001},
    "normalized": {"hidden_layer_sizes": (20,), "normalization": "batch", "dropout": 0.2},
    "validated": {"hidden_layer_sizes": (20,), "early_stopping": True, "n_iter_no_change": 4},
    "lbfgs": {"hidden_layer_sizes": (20,), "solver": "lbfgs"},
}


@pytest.fixture(scope="module")
def rows():
    """Return sparse rows, with as few nonzeros as make sparse products pay, and targets."""
    X = scipy.sparse.random(N_ROWS, N_COLUMNS, density=0.03, format="csr", random_state=0)
    rng = np.random.default_rng(0)
    return X, rng.normal(size=N_ROWS), rng.integers(0, 3, N_ROWS)


@pytest.fixture
def no_dense_rows(monkeypatch):
    """Let it be an error to make sparse rows dense."""

    def refuse(X, *arguments, **options):
        raise AssertionError("sparse rows were made dense")

    for cls in (scipy.sparse.csr_matrix, scipy.sparse.csr_array):
        monkeypatch.setattr(cls, "toarray", refuse)


def fitted(rows, X, options):
    _, numbers, labels = rows
    options = {**OPTIONS, **options}
    if options.get("solver") == "lbfgs":
        options = {**options, "tol": 1e-4}
    classifier = RegularizedMLPClassifier(**options).fit(X, labels, sample_weight=np.linspace(1, 2, N_ROWS))
    return classifier, RegularizedMLPRegressor(**options).fit(X, numbers)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.csr_array])
def test_sparse_products_make_the_network_of_dense_ones(name, kind, rows, request):
    X = rows[0]
    expected = fitted(rows, X.toarray(), CASES[name])
    outputs = [model.predict(X.toarray()) for model in expected]
    hidden = [model.transform(X.toarray()) for model in expected] if name != "linear" else []
    request.getfixturevalue("no_dense_rows")
    models = fitted(rows, kind(X), CASES[name])
    for model, other, prediction in zip(models, expected, outputs, strict=True):
        for own, dense in zip([*model.coefs_, *model.intercepts_], [*other.coefs_, *other.intercepts_], strict=True):
            np.testing.assert_allclose(own, dense, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(model.loss_curve_, other.loss_curve_, rtol=1e-9)
        np.testing.assert_allclose(model.predict(kind(X)), prediction, rtol=1e-7, atol=1e-9)
    for model, features in zip(models, hidden, strict=False):
        np.testing.assert_allclose(model.transform(kind(X)), features, rtol=1e-7, atol=1e-9)


class Watching(skorch.callbacks.Callback):
    """Reads batches, which are dense."""

    def on_batch_end(self, net, batch=None, **kwargs):
        assert batch[0].shape[1] == N_COLUMNS
        assert batch[0].layout is torch.strided


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "options",
    [{"input_dropout": 0.3}, {"augmentation": GaussianNoise(0.1)}, {"callbacks": [Watching()]}],
    ids=lambda options: next(iter(options)),
)
def test_what_reads_or_changes_inputs_gets_dense_ones(options, rows):
    X = rows[0]
    sparse, dense = (fitted(rows, inputs, options)[1] for inputs in (X, X.toarray()))
    np.testing.assert_array_equal(sparse.coefs_[0], dense.coefs_[0])
    if "input_dropout" in options:
        samples = [
            model.predict_dropout_samples(inputs, 3, random_state=0).samples
            for model, inputs in ((sparse, X), (dense, X.toarray()))
        ]
        np.testing.assert_array_equal(*samples)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_populations_multiply_sparse_rows_of_each_member(rows, request):
    """Networks of one fold share their rows; those of several have their own."""
    X, numbers, _ = rows
    search = GridSearchCV(
        RegularizedMLPRegressor((20,), early_stopping=True, **{**OPTIONS, "n_iter_no_change": 4}),
        {"alpha": [0.0, 0.1, 1.0]},
        cv=3,
    )
    expected = search.fit(X.toarray(), numbers).cv_results_["mean_test_score"]
    request.getfixturevalue("no_dense_rows")
    np.testing.assert_allclose(search.fit(X, numbers).cv_results_["mean_test_score"], expected, rtol=1e-7)


@pytest.fixture(scope="module")
def wide():
    """Return a network on many columns, and dense rows of them."""
    X = np.random.default_rng(0).normal(size=(300, 8000))
    return RegularizedMLPRegressor((4,), **{**OPTIONS, "max_iter": 1, "tol": 1e9}).fit(X[:20], X[:20, 0]), X


def test_wide_rows_are_predicted_together(wide, monkeypatch):
    """Products with a few rows take ten times as long. One block of 1 MiB holds 16 of these rows."""
    model, X = wide
    blocks, forward = [], MLP.forward
    monkeypatch.setattr(MLP, "forward", lambda self, X, **kw: blocks.append(X.shape[-2]) or forward(self, X, **kw))
    expected = np.maximum(X @ model.coefs_[0] + model.intercepts_[0], 0) @ model.coefs_[1] + model.intercepts_[1]
    read_only = X.copy()
    read_only.flags.writeable = False
    for inputs, n_blocks in ((X, 1), (X.astype(np.float32), 1), (np.asfortranarray(X), 5), (read_only, 5)):
        blocks.clear()
        prediction = model.predict(inputs)
        assert len(blocks) == n_blocks
        assert sum(blocks) == len(X)
        np.testing.assert_allclose(prediction, expected[:, 0], rtol=1e-4, atol=1e-4)


def test_wide_rows_are_not_copied(wide):
    model, X = wide
    tracemalloc.start()
    model.predict(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.25 * X.nbytes


def test_wide_rows_are_validated_together(monkeypatch):
    X = np.random.default_rng(0).normal(size=(60, 8000))
    blocks, forward = [], MLP.forward

    def recorded(self, X, *, record=None, **options):
        if record is None:
            blocks.append(X.shape[-2])
        return forward(self, X, record=record, **options)

    monkeypatch.setattr(MLP, "forward", recorded)
    RegularizedMLPRegressor(
        (4,), early_stopping=True, validation_fraction=0.5, max_iter=1, random_state=0, n_iter_no_change=np.inf
    ).fit(X, X[:, 0])
    assert blocks[0] == 30
