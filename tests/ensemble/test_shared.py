"""Members that share weights, from estimator and data to fitted estimators."""

import copy
import pickle
import re

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.base import clone
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.metrics import log_loss
from sklearn.preprocessing import scale
from skorch.callbacks import GradientNormClipping

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._estimator.prepare import finish, prepare
from skreg._estimator.weights import module_of
from skreg.backends import train_fits
from skreg.engine.grouping import make_populations, n_bytes
from skreg.engine.trainer import Trainer
from skreg.ensemble._shared import finish_shared, prepare_shared
from tests.helpers import state_around

OPTIONS = {
    "hidden_layer_sizes": (12,),
    "max_iter": 25,
    "batch_size": 40,
    "learning_rate_init": 0.02,
    "n_iter_no_change": np.inf,
    "random_state": 0,
}


def classes(n_classes, n_rows=120):
    X, y = make_classification(n_rows, 6, n_informative=4, n_redundant=0, n_classes=n_classes, random_state=0)
    return scale(X), y


def numbers(n_outputs=1, n_rows=120):
    X, y = make_regression(n_rows, 6, n_targets=n_outputs, noise=5.0, random_state=0)
    return scale(X), scale(y)


def labels(n_rows=120):
    X, Y = make_multilabel_classification(n_rows, 6, n_classes=3, random_state=0)
    return scale(X), Y


PROBLEMS = {
    "binary": (RegularizedMLPClassifier, lambda: classes(2)),
    "multiclass": (RegularizedMLPClassifier, lambda: classes(3)),
    "multilabel": (RegularizedMLPClassifier, labels),
    "regression": (RegularizedMLPRegressor, numbers),
    "outputs": (RegularizedMLPRegressor, lambda: numbers(2)),
}


def trained(estimator, X, y, *arguments, n_members=4, **options):
    """Return the pending fit, its result, and the members."""
    pending = prepare_shared(estimator, X, y, *arguments, n_members=n_members, **options)
    (result,) = train_fits([(pending.spec, pending.dataset)])
    return pending, result, finish_shared(pending, result)[0]


def predictions(member, X):
    return member.predict_proba(X) if hasattr(member, "predict_proba") else member.predict(X)


def weights_of(members):
    return np.concatenate([array.ravel() for m in members for array in (*m.coefs_, *m.intercepts_)])


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("options", [{}, {"dropout": 0.3, "input_dropout": 0.1}, {"activation": "tanh"}])
def test_members_predict_as_the_shared_network(problem, options):
    kind, load = PROBLEMS[problem]
    X, y = load()
    pending, result, members = trained(kind(**OPTIONS, **options), X, y)
    module = module_of(result.weights, pending.spec.network)
    with torch.no_grad():
        Z = module(torch.from_numpy(X))
    assert len(members) == len(Z) == 4
    for own, member in zip(Z, members, strict=True):
        assert type(member) is kind
        np.testing.assert_allclose(member._outputs(X), own, rtol=1e-10, atol=1e-12)
    assert len({predictions(member, X).tobytes() for member in members}) == 4
    W, _, s, _, r, _ = result.weights
    np.testing.assert_allclose(members[2].coefs_[0], r[2][:, None] * W * s[1, 2], rtol=1e-12)
    np.testing.assert_array_equal(members[2].intercepts_[0], s[0, 2])


@pytest.mark.parametrize("problem", PROBLEMS)
def test_the_monitored_loss_is_that_of_the_mean_prediction(problem):
    kind, load = PROBLEMS[problem]
    X, y = load()
    _, result, members = trained(kind(early_stopping=True, **OPTIONS), X[:90], y[:90], X_val=X[90:], y_val=y[90:])
    mean, target = np.mean([predictions(member, X[90:]) for member in members], axis=0), y[90:]
    if problem in ("binary", "multiclass"):
        loss, score = log_loss(target, mean), (mean.argmax(axis=1) == target).mean()
    elif problem == "multilabel":
        loss = -(target * np.log(mean) + (1 - target) * np.log(1 - mean)).sum(axis=1).mean()
        score = ((mean > 0.5) == target).all(axis=1).mean()
    else:
        squares = (mean - target) ** 2
        loss = squares.reshape(len(target), -1).sum(axis=1).mean() / 2
        score = np.mean(1 - squares.sum(axis=0) / ((target - target.mean(axis=0)) ** 2).sum(axis=0))
    best = result.best_epoch - 1
    assert result.epochs[best]["valid_loss"] == pytest.approx(loss, rel=1e-9)
    assert result.epochs[best]["valid_score"] == pytest.approx(score, rel=1e-9)
    for member in members:
        assert member.history_["valid_loss"][best] == result.epochs[best]["valid_loss"]
        assert member.best_validation_score_ == pytest.approx(score, rel=1e-9)
        assert member.best_epoch_ == result.best_epoch


@pytest.mark.parametrize("problem", PROBLEMS)
def test_members_learn(problem):
    kind, load = PROBLEMS[problem]
    X, y = load()
    _, result, members = trained(kind(**OPTIONS | {"max_iter": 150}), X, y)
    assert result.epochs[-1]["train_loss"] < 0.6 * result.epochs[0]["train_loss"]
    constant = kind(**OPTIONS | {"max_iter": 1, "learning_rate_init": 1e-9}).fit(X, y)
    for member in members:
        assert member._mean_loss(X, y) < 0.7 * constant._mean_loss(X, y)


def test_the_gradient_of_an_epoch_is_that_of_the_mean_of_the_losses():
    """One batch of all rows and one step: every parameter has moved along the mean of the members' gradients."""
    X, y = numbers(n_rows=24)
    options = OPTIONS | {"max_iter": 1, "batch_size": 24, "solver": "sgd", "momentum": 0.0, "shuffle": False}
    pending = prepare_shared(RegularizedMLPRegressor(penalty=None, activation="tanh", **options), X, y, n_members=4)
    (result,) = train_fits([(pending.spec, pending.dataset)])
    start = Trainer([(pending.spec, pending.dataset)]).module
    parameters = [torch.tensor(array, requires_grad=True) for array in start.arrays()]
    W1, W2, after1, after2, before1, before2 = parameters
    loss = 0.0
    for member in range(4):
        x, target = (torch.from_numpy(np.asarray(part[member::4])) for part in (X, y))
        hidden = torch.tanh(after1[1, member] * ((x * before1[member]) @ W1) + after1[0, member])
        z = after2[1, member] * ((hidden * before2[member]) @ W2) + after2[0, member]
        loss = loss + (z[:, 0] - target).square().sum() / 2 / len(X)
    loss.backward()
    assert result.epochs[0]["train_loss"] == pytest.approx(loss.item(), rel=1e-12)
    for parameter, end in zip(parameters, result.weights, strict=True):
        expected = parameter.detach() - options["learning_rate_init"] * parameter.grad
        np.testing.assert_allclose(end, expected, rtol=1e-9, atol=1e-12)


def test_fits_are_reproducible_and_differ_between_seeds():
    X, y = classes(2)
    before = state_around()
    first, again, other = (
        weights_of(trained(RegularizedMLPClassifier(**OPTIONS | {"random_state": seed, "dropout": 0.2}), X, y)[2])
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert state_around() == before


def test_fits_beside_others_are_those_alone():
    X, y = classes(2)
    plain = [RegularizedMLPClassifier(**OPTIONS | {"random_state": seed}) for seed in (0, 1)]
    fits = [prepare(plain[0], X, y)]
    fits += [prepare_shared(RegularizedMLPClassifier(**OPTIONS), X, y, n_members=k) for k in (4, 3, 4)]
    fits.append(prepare(plain[1], X, y))
    pairs = [(pending.spec, pending.dataset) for pending in fits]
    assert sorted(map(sorted, make_populations(pairs, None, 1))) == [[0, 4], [1], [2], [3]]
    together, alone = train_fits(pairs), [train_fits([pair])[0] for pair in pairs]
    for number, (one, other) in enumerate(zip(together, alone, strict=True)):
        for a, b in zip(one.weights, other.weights, strict=True):
            np.testing.assert_allclose(a, b, rtol=0 if 0 < number < 4 else 1e-9, atol=0 if 0 < number < 4 else 1e-12)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_one_member_is_a_plain_network(problem):
    kind, load = PROBLEMS[problem]
    X, y = load()
    estimator = kind(early_stopping=True, **OPTIONS)
    _, _, (member,) = trained(estimator, X, y, n_members=1)
    np.testing.assert_array_equal(weights_of([member]), weights_of([clone(estimator).fit(X, y)]))


@pytest.mark.parametrize("n_rows", [3, 7, 40, 61])
@pytest.mark.parametrize("batch_size", [2, 9, 200])
def test_batches_of_any_size(n_rows, batch_size):
    X, y = numbers(n_rows=61)
    estimator = RegularizedMLPRegressor(**OPTIONS | {"batch_size": min(batch_size, n_rows), "max_iter": 8})
    pending, result, members = trained(estimator, X[:n_rows], y[:n_rows], n_members=8)
    assert pending.spec.n_batches == min(-(-n_rows // min(batch_size, n_rows)), max(1, n_rows // 8))
    assert len(members) == 8
    assert result.n_rows == n_rows
    # In eight epochs every member has learned from its rows.
    start = Trainer([(pending.spec, pending.dataset)]).module.folded()
    before = [W.detach().numpy().copy() for W in start.weights]
    assert all((member.coefs_[0] != W).any() for member, W in zip(members, before[0], strict=True))


def test_sparse_rows_are_those_of_a_dense_array():
    rng = np.random.default_rng(0)
    X = scipy.sparse.random(80, 300, density=0.03, format="csr", random_state=rng)
    y = rng.normal(size=80)
    estimator = RegularizedMLPRegressor(early_stopping=True, **OPTIONS)
    sparse, dense = (trained(estimator, inputs, y)[2] for inputs in (X, X.toarray()))
    np.testing.assert_allclose(weights_of(sparse), weights_of(dense), rtol=1e-9, atol=1e-12)


def test_float32_is_kept_and_near_float64():
    X, y = numbers()
    single, double = (trained(RegularizedMLPRegressor(**OPTIONS), X.astype(t), y)[2] for t in ("f4", "f8"))
    assert {array.dtype for m in single for array in (*m.coefs_, *m.intercepts_)} == {np.dtype(np.float32)}
    np.testing.assert_allclose(weights_of(single), weights_of(double), rtol=1e-2, atol=1e-3)


def test_rows_count_by_their_weights():
    """Members whose rows of one kind have next to no weight learn the others."""
    X = np.linspace(-1, 1, 80)[:, None]
    y = np.where(np.arange(80) % 2, 1.0, -1.0)
    weight = np.where(np.arange(80) % 2, 1.0, 1e-6)
    estimator = RegularizedMLPRegressor(**OPTIONS | {"max_iter": 200})
    _, _, weighted = trained(estimator, X, y, weight)
    np.testing.assert_allclose(np.mean([m.predict(X) for m in weighted], axis=0), 1, atol=0.05)
    estimator.set_params(max_iter=40)
    _, _, equal = trained(estimator, X, y, np.full(80, 3.0))
    _, _, plain = trained(estimator, X, y)
    np.testing.assert_allclose(weights_of(equal), weights_of(plain), rtol=1e-7, atol=1e-9)


def test_rows_of_weight_zero_are_left_out():
    X, y = classes(2)
    weight = (np.arange(len(X)) >= 37).astype(float)
    estimator = RegularizedMLPClassifier(**OPTIONS)
    np.testing.assert_allclose(
        weights_of(trained(estimator, X, y, weight)[2]), weights_of(trained(estimator, X[37:], y[37:])[2]), rtol=1e-7
    )


def test_a_group_penalty_removes_a_feature_from_all_members():
    X, y = numbers()
    X = np.column_stack([X, np.random.default_rng(0).normal(size=(len(X), 4))])
    y = scale(X[:, 0] - 2 * X[:, 1])
    options = OPTIONS | {"max_iter": 300}
    _, result, members = trained(RegularizedMLPRegressor(penalty="group_lasso", alpha=0.05, **options), X, y)
    zero = (result.weights[0] == 0).all(axis=1)
    assert zero[2:].any()
    assert not zero[:2].any()
    for member in members:
        np.testing.assert_array_equal(member.feature_importances_ == 0, zero)
        pruned = member.prune()
        np.testing.assert_allclose(pruned.predict(X), member.predict(X), rtol=1e-9, atol=1e-12)
        assert len(pruned.input_features_) == (~zero).sum()


def test_penalty_and_decay_act_on_the_shared_matrices():
    X, y = numbers()
    _, result, _ = trained(RegularizedMLPRegressor(penalty="l2", alpha=0.3, **OPTIONS), X, y)
    W1, W2 = result.weights[:2]
    # Recorded after the last step, as for every network.
    assert result.epochs[-1]["penalty"] == pytest.approx(0.15 * ((W1**2).sum() + (W2**2).sum()), rel=1e-9)
    options = OPTIONS | {"learning_rate_init": 1e-9, "max_iter": 2, "penalty": None}
    plain, decayed = (
        trained(RegularizedMLPRegressor(weight_decay=decay, **options), X, y)[1].weights for decay in (0.0, 1e8)
    )
    n_steps = 2 * 3
    for number, (one, other) in enumerate(zip(plain, decayed, strict=True)):
        np.testing.assert_allclose(other, one * (0.9**n_steps if number < 2 else 1), rtol=1e-4, atol=1e-7)


def test_members_are_ordinary_estimators():
    X, y = classes(3)
    estimator = RegularizedMLPClassifier(early_stopping=True, **OPTIONS)
    before = copy.deepcopy(vars(estimator))
    _, result, members = trained(estimator, X, np.array(list("abc"))[y])
    assert vars(estimator) == before
    for member in members:
        assert member.classes_.tolist() == list("abc")
        assert member.n_features_in_ == 6
        assert len(member.loss_curve_) == member.n_iter_ == result.n_epochs
        restored = pickle.loads(pickle.dumps(member))
        np.testing.assert_array_equal(restored.predict_proba(X), member.predict_proba(X))
        assert clone(member).get_params() == clone(estimator).get_params()
    # Nothing is shared between them.
    members[0].coefs_[0][:] = 0
    assert (members[1].coefs_[0] != 0).any()


@pytest.mark.parametrize(
    "options",
    [
        {"averaging": "ema"},
        {"augmentation": "noise"},
        {"max_grad_norm": 0.1},
        {"solver": "sgd"},
        {"learning_rate": "cosine"},
        {"learning_rate": "adaptive", "early_stopping": True},
        {"hidden_layer_sizes": ()},
        {"hidden_layer_sizes": (20, 9, 4)},
        {"penalty": "l1", "alpha": 1e-3},
        {"class_weight": "balanced"},
        {"label_smoothing": 0.1},
    ],
    ids=str,
)
def test_other_axes(options):
    X, y = classes(3, n_rows=101)
    _, result, members = trained(RegularizedMLPClassifier(**OPTIONS | options), X, y)
    assert result.epochs[-1]["train_loss"] < result.epochs[0]["train_loss"]
    mean = np.mean([member.predict_proba(X) for member in members], axis=0)
    assert log_loss(y, mean) < 1.05


@pytest.mark.parametrize("loss", ["poisson", "gamma", "huber", "quantile"])
def test_losses_of_numbers(loss):
    X, y = numbers()
    y = np.exp(0.3 * y)
    options = {"quantile": (0.2, 0.8)} if loss == "quantile" else {}
    _, result, _ = trained(RegularizedMLPRegressor(loss=loss, early_stopping=True, **OPTIONS, **options), X, y)
    best = result.best_epoch - 1
    assert result.epochs[best]["valid_loss"] < result.epochs[0]["valid_loss"]


def test_a_loss_of_the_user():
    def squared(y_true, y_pred):
        return (y_true - y_pred).square().sum(dim=1) / 2

    X, y = numbers()
    options = OPTIONS | {"early_stopping": True}
    own, ours = (
        weights_of(trained(RegularizedMLPRegressor(loss=loss, **options), X, y)[2])
        for loss in (squared, "squared_error")
    )
    np.testing.assert_allclose(own, ours, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("options", "allowed", "reason"),
    [
        ({"solver": "lbfgs"}, "'adam' or 'sgd'", "batches are divided among the members"),
        ({"normalization": "layer"}, "None", "members have no normalization of layers"),
        ({"constraint": "max_norm"}, "None", "the weights of a member are not those that are shared"),
        ({"penalty": "hierarchical"}, "one without a skip connection", "members have none"),
        ({"scoring": "accuracy", "early_stopping": True}, "'loss'", "training monitors the loss"),
        ({"refit_on_all": True, "early_stopping": True}, "False", "members are not fitted again"),
        ({"warm_start": True}, "False", "training always starts with new weights"),
        ({"callbacks": [GradientNormClipping()]}, "None", "members have no callbacks"),
    ],
)
def test_parameters_that_members_do_not_share(options, allowed, reason):
    X, y = classes(2)
    name, value = next(iter(options.items()))
    message = (
        f"The '{name}' parameter must be {allowed} with weight_sharing='batch_ensemble', where {reason}; got {value!r}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        prepare_shared(RegularizedMLPClassifier(**options), X, y, n_members=4)


def test_scorers_of_rows_to_validate_on():
    X, y = classes(2)
    estimator = RegularizedMLPClassifier(scoring="accuracy")
    with pytest.raises(ValueError, match="^The 'scoring' parameter must be 'loss' with .*; got 'accuracy'"):
        prepare_shared(estimator, X, y, n_members=4, X_val=X, y_val=y)


@pytest.mark.parametrize("n_members", [0, 2.0, True, "all", None])
def test_the_number_of_members_is_checked(n_members):
    X, y = classes(2)
    with pytest.raises(ValueError, match="'n_members' parameter must be an integer of at least 1; got"):
        prepare_shared(RegularizedMLPClassifier(), X, y, n_members=n_members)


def test_errors_of_training_are_raised():
    X, y = numbers()
    pending = prepare_shared(RegularizedMLPRegressor(**OPTIONS | {"learning_rate_init": 1e6}), X, y, n_members=4)
    (result,) = train_fits([(pending.spec, pending.dataset)])
    with pytest.raises(ValueError, match="Training diverged"):
        finish_shared(pending, result)


def test_training_does_not_continue_from_a_state():
    X, y = numbers()
    pending = prepare_shared(RegularizedMLPRegressor(**OPTIONS), X, y, n_members=4)
    trainer = Trainer([(pending.spec, pending.dataset)])
    (result,) = trainer.train()
    with pytest.raises(ValueError, match="members that share weights cannot continue from a state"):
        Trainer([(pending.spec, pending.dataset)], state=result.training_state, restore="last")


def test_memory_counts_the_vectors_and_the_predictions_of_all_members():
    X, y = numbers()
    specs = [
        prepare_shared(RegularizedMLPRegressor(early_stopping=stops, **OPTIONS), X, y, n_members=k).spec
        for stops in (False, True)
        for k in (1, 4, 16)
    ]
    sizes = [n_bytes(spec) for spec in specs]
    assert all(sizes[i] < sizes[i + 1] for i in (0, 1, 3, 4))
    for spec, size in zip(specs, sizes, strict=True):
        numbers_of_network = spec.network.module().flat.numel()
        assert size >= 8 * numbers_of_network * 10  # parameters, gradients, two moments and copies


def test_the_result_of_another_fit_is_refused():
    X, y = numbers()
    first, second = (prepare_shared(RegularizedMLPRegressor(**OPTIONS), X, y, n_members=4) for _ in range(2))
    (result,) = train_fits([(first.spec, first.dataset)])
    with pytest.raises(ValueError, match="must be of the fit"):
        finish_shared(second, result)


def test_messages_of_preparation_and_of_training():
    X, y = numbers()
    messages = []
    estimator = RegularizedMLPRegressor(**OPTIONS | {"batch_size": 500, "n_iter_no_change": 10, "max_iter": 2})
    pending = prepare_shared(estimator, X, y, n_members=4, messages=messages)
    assert [text for text, _ in messages] == [
        "batch_size=500 is larger than the 120 training rows; all rows form one batch."
    ]
    (result,) = train_fits([(pending.spec, pending.dataset)])
    _, later = finish_shared(pending, result)
    assert len(later) == 1
    assert "before it converged" in later[0][0]


def test_plain_fits_do_not_know_of_shared_ones():
    X, y = classes(2)
    estimator = RegularizedMLPClassifier(**OPTIONS)
    pending = prepare(estimator, X, y)
    assert pending.spec.network.n_shared == 1
    (result,) = train_fits([(pending.spec, pending.dataset)])
    finish(pending, result)
    np.testing.assert_array_equal(weights_of([estimator]), weights_of([RegularizedMLPClassifier(**OPTIONS).fit(X, y)]))
