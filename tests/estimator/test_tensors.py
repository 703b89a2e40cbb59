"""Sparse tensors, and data sets of torch, which are no arrays."""

import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from skreg import RegularizedMLPClassifier
from skreg.inspection import compare_regularizers
from skreg.model_selection import (
    GridSearchCV,
    RegularizedMLPClassifierCV,
    cross_val_predict,
    cross_val_score,
    learning_curve,
    regularization_path,
    validation_curve,
)
from tests.helpers import TINY, assert_same_bits

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4)) * (rng.uniform(size=(60, 4)) < 0.5)
Y = np.arange(60) % 2
DENSE = torch.from_numpy(X)
HALF = (DENSE / 2).to_sparse()
# torch warns, once in a process, that it may change these layouts.
pytestmark = pytest.mark.filterwarnings("ignore:Sparse .* tensor support is in beta state")
LAYOUTS = {
    "coo": DENSE.to_sparse,
    "csr": DENSE.to_sparse_csr,
    "csc": DENSE.to_sparse_csc,
    "bsr": lambda: DENSE.to_sparse_bsr((2, 2)),
    "not coalesced": lambda: torch.sparse_coo_tensor(
        torch.cat([HALF.indices()] * 2, dim=1), torch.cat([HALF.values()] * 2), DENSE.shape, check_invariants=True
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_sparse_tensors_are_read_as_sparse_matrices(layout):
    sparse = LAYOUTS[layout]()
    model = RegularizedMLPClassifier(**TINY).fit(sparse, torch.from_numpy(Y))
    np.testing.assert_allclose(model.predict_proba(sparse), model.predict_proba(X), rtol=1e-12)
    np.testing.assert_allclose(
        model.predict_proba(X), RegularizedMLPClassifier(**TINY).fit(X, Y).predict_proba(X), rtol=1e-9
    )


MODEL = RegularizedMLPClassifier(**TINY)
CV = RegularizedMLPClassifierCV(**TINY, alphas=[0.1, 1.0], cv=2)
CALLS = {
    "fit": lambda X: MODEL.fit(X, Y).predict(X),
    "search": lambda X: GridSearchCV(MODEL, {"alpha": [0.1, 1.0]}, cv=2).fit(X, Y).cv_results_["mean_test_score"],
    "search of a pipeline": lambda X: (
        GridSearchCV(make_pipeline(MaxAbsScaler(), MODEL), {}, cv=2).fit(X, Y).cv_results_["mean_test_score"]
    ),
    "cross_val_score": lambda X: cross_val_score(MODEL, X, Y, cv=2),
    "cross_val_predict": lambda X: cross_val_predict(MODEL, X, Y, cv=2),
    "learning_curve": lambda X: learning_curve(MODEL, X, Y, cv=2, train_sizes=[0.5, 1.0])[1],
    "validation_curve": lambda X: validation_curve(MODEL, X, Y, cv=2, param_name="alpha", param_range=[0.1])[1],
    "compare_regularizers": lambda X: compare_regularizers(
        X, Y, {"a": (MODEL, {})}, cv=2, n_repeats=1, random_state=0
    ).folds["test_score"],
    "regularization_path": lambda X: (
        regularization_path(RegularizedMLPClassifier(**TINY, penalty="l1"), X, Y, alphas=[0.1, 1.0]).scores
    ),
    "CV": lambda X: CV.fit(X, Y).scores_path_,
}


@pytest.mark.parametrize("name", CALLS)
def test_tensors_give_the_results_of_arrays_everywhere(name):
    expected = CALLS[name](X)
    np.testing.assert_allclose(CALLS[name](DENSE), expected, rtol=1e-9)
    np.testing.assert_allclose(CALLS[name](LAYOUTS["csr"]()), expected, rtol=1e-6)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", ["TensorDataset", "loader", "other data set"])
def test_data_sets_of_torch_are_refused_with_what_to_do(name, kind):
    data = torch.utils.data.TensorDataset(DENSE, torch.from_numpy(Y))
    text = r"got a TensorDataset\. Give its tensors: X, y = dataset\.tensors"
    if kind != "TensorDataset":
        data = torch.utils.data.DataLoader(data) if kind == "loader" else torch.utils.data.Subset(data, [0, 1])
        text = f"got a {type(data).__name__} of torch. Collect its rows"
    with pytest.raises(TypeError, match=f"X must be an array, a data frame, a torch tensor .*{text}"):
        CALLS[name](data)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_tensors_without_numbers_are_refused():
    for tensor in (DENSE.to("meta"), torch.quantize_per_tensor(DENSE.float(), 0.1, 0, torch.qint8)):
        with pytest.raises(TypeError, match="X must be a tensor of numbers; got one of"):
            MODEL.fit(tensor, Y)


def test_tensors_with_gradients_are_read_as_they_are():
    assert_same_bits(
        RegularizedMLPClassifier(**TINY).fit(DENSE.clone().requires_grad_(), Y),
        RegularizedMLPClassifier(**TINY).fit(X, Y),
    )
