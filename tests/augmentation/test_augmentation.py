"""Batches that are changed before the network sees them: alone, in populations, and where training goes on."""

import pickle

import numpy as np
import pytest
import scipy.sparse
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import make_regression
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold
from sklearn.preprocessing import scale
from skorch.callbacks import Callback

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._estimator.prepare import prepare
from skreg.augmentation import BatchTransform, GaussianNoise
from skreg.averaging import EMA
from skreg.engine.grouping import n_bytes
from skreg.engine.streams import BatchRandom
from skreg.model_selection import GridSearchCV, RegularizedMLPRegressorCV, cross_validate
from tests.helpers import BOTH, SHORT

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, Y = make_regression(80, 3, n_informative=2, noise=10, random_state=0)
X, Y = scale(X), scale(Y)
LABELS = np.array(["a", "b", "c"])[np.digitize(Y, [-0.5, 0.5])]


def make(kind=RegularizedMLPClassifier, **options):
    return kind(**SHORT | {"augmentation": GaussianNoise(0.3)} | options)


def target_of(kind):
    return LABELS if kind is RegularizedMLPClassifier else Y


class Batches(Callback):
    """Notes the inputs of every batch."""

    def __init__(self):
        self.seen = []

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        self.seen.append(batch[0].numpy().copy())


class OtherTargets(BatchTransform):
    """Trains towards the negative targets."""

    def __call__(self, batch, random):
        return batch._replace(target=-batch.target)


class FewerRows(BatchTransform):
    def __call__(self, batch, random):
        return batch._replace(X=batch.X[:, 1:])


class Returns(BatchTransform):
    """Returns what a function makes of a batch."""

    def __init__(self, function=None):
        self.function = function

    def __call__(self, batch, random):
        return self.function(batch)


def in_place(name):
    def change(batch):
        getattr(batch, name).mul_(2)
        return batch

    return change


class AlongGradient(BatchTransform):
    """Moves inputs along the gradient of their own sum of squares: code of a user's that needs autograd."""

    def __call__(self, batch, random):
        with torch.enable_grad():
            inputs = batch.X.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(inputs.square().sum(), inputs)
        return batch._replace(X=batch.X + 0.05 * gradient)


@pytest.mark.parametrize("stddev", [0.3, 1.0])
def test_noise_on_a_linear_model_is_ridge(stddev):
    """Bishop (1995): in expectation, noise adds n stddev² |w|² to the sum of squares. Many draws for each row."""
    model = RegularizedMLPRegressor(
        (),
        penalty=None,
        solver="sgd",
        momentum=0,
        learning_rate_init=0.1,
        averaging=EMA(0.995),
        augmentation=GaussianNoise(stddev),
        batch_size=80 * 50,
        max_iter=600,
        n_iter_no_change=np.inf,
        random_state=0,
    ).fit(np.tile(X, (50, 1)), np.tile(Y, 50))
    expected = Ridge(alpha=80 * stddev**2).fit(X, Y).coef_
    assert np.abs(expected - Ridge(alpha=0).fit(X, Y).coef_).max() > 0.05
    assert_allclose(model.coefs_[0][:, 0], expected, atol=0.005)


def test_noise_is_normal_and_new_in_every_step():
    notes = Batches()
    data = np.zeros((80, 3))
    make(augmentation=GaussianNoise(0.3), callbacks=[notes], max_iter=60).fit(data, LABELS)
    noise = np.concatenate(notes.seen)
    assert noise.shape == (60 * 80, 3)
    assert len(np.unique(noise)) == noise.size
    assert_allclose(noise.std(axis=0), 0.3, rtol=0.03)
    assert_allclose(noise.mean(axis=0), 0, atol=0.015)
    assert np.mean(np.abs(noise) < 0.3) == pytest.approx(0.6827, abs=0.015)


def test_no_noise_is_no_augmentation():
    assert_array_equal(
        make(augmentation=GaussianNoise(0.0)).fit(X, LABELS).coefs_[0], make(augmentation=None).fit(X, LABELS).coefs_[0]
    )
    assert np.abs(make(augmentation="noise").fit(X, LABELS).coefs_[0] - make().fit(X, LABELS).coefs_[0]).max() > 1e-3


def test_data_stay_and_what_is_not_trained_on_sees_them_as_they_are():
    before = X.copy()
    model = make(augmentation=GaussianNoise(2.0)).fit(X[:50], LABELS[:50], X_val=X[50:], y_val=LABELS[50:])
    assert_array_equal(X, before)
    assert_array_equal(model.predict_proba(X), model.predict_proba(X))
    loss = log_loss(LABELS[50:], model.predict_proba(X[50:]))
    assert loss == pytest.approx(model.history_["valid_loss"][model.best_epoch_ - 1], rel=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@BOTH
@pytest.mark.parametrize("options", [{}, {"early_stopping": True, "n_iter_no_change": 2, "dropout": 0.2}], ids=str)
def test_members_are_as_alone(kind, options, dtype):
    """Also with folds of other sizes, where batches are filled up, and where members leave before others."""
    data, target = X.astype(dtype), target_of(kind)
    model, folds = make(kind, **options), KFold(3)
    names = ("augmentation__stddev", "alpha", "random_state")
    values = [(0.0, 0.001, 0), (0.1, 0.1, 1), (0.5, 0.001, 1), (0.5, 0.1, 0), (0.5, 0.1, 1)]
    grid = [{name: [value] for name, value in zip(names, row, strict=True)} for row in values]
    search = GridSearchCV(model, grid, cv=folds, refit=False).fit(data, target)
    for number, parameters in enumerate(search.cv_results_["params"]):
        for fold, (train, test) in enumerate(folds.split(data)):
            alone = clone(model).set_params(**parameters).fit(data[train], target[train])
            score = search.cv_results_[f"split{fold}_test_score"][number]
            assert score == pytest.approx(
                alone.score(data[test], target[test]), rel=1e-4 if dtype == np.float32 else 1e-9
            )


def test_members_draw_numbers_of_their_own():
    device, like = torch.device("cpu"), torch.zeros(4, 5, 2, dtype=torch.float64)
    streams = BatchRandom([(7, 9), (7, 8), (7, 9), (3, 9)], device)
    streams.begin({9: 5, 8: 4})
    drawn = streams.normal(like)
    assert drawn.shape == like.shape
    assert_array_equal(drawn[0], drawn[2])
    assert not np.intersect1d(drawn[0], drawn[3]).size
    assert not drawn[1, 4].any()
    alone = BatchRandom([(7, 8)], device)
    alone.begin({8: 4})
    assert_array_equal(alone.normal(like[:1, :4])[0], drawn[1, :4])
    streams.select([1])
    streams.begin({8: 5})
    alone.begin({8: 5})
    numbers = streams.uniform(like[:1])
    assert_array_equal(numbers, alone.uniform(like[:1]))
    assert 0 <= numbers.min() < numbers.max() < 1


class SwappedRows(BatchTransform):
    """Half of the values, and of the targets, of another row."""

    def __call__(self, batch, random):
        numbers = random.permutation(batch.X)
        X, target = (part.take_along_dim(numbers, dim=1) for part in (batch.X, batch.target))
        return batch._replace(X=(batch.X + X) / 2, target=(batch.target + target) / 2)


def test_rows_are_mixed_with_rows_of_the_same_member():
    streams = BatchRandom([(7, 9), (7, 8)], torch.device("cpu"))
    streams.begin({9: 5, 8: 4})
    numbers = streams.permutation(torch.zeros(2, 5, 3))
    assert numbers.shape == (2, 5, 1)
    assert sorted(numbers[0, :, 0].tolist()) == sorted(numbers[1, :, 0].tolist()) == list(range(5))
    assert numbers[1, 4] == 4
    folds = KFold(3)
    model = make(augmentation=SwappedRows())
    search = GridSearchCV(model, {"alpha": [0.001, 0.1]}, cv=folds, refit=False, scoring="neg_log_loss").fit(X, LABELS)
    for number, alpha in enumerate([0.001, 0.1]):
        for fold, (train, test) in enumerate(folds.split(X)):
            alone = clone(model).set_params(alpha=alpha).fit(X[train], LABELS[train])
            score = search.cv_results_[f"split{fold}_test_score"][number]
            assert score == pytest.approx(-log_loss(LABELS[test], alone.predict_proba(X[test])), rel=1e-9)


def test_sparse_rows_get_the_same_noise():
    sparse = make().fit(scipy.sparse.csr_matrix(X), LABELS)
    assert_allclose(sparse.coefs_[0], make().fit(X, LABELS).coefs_[0], rtol=1e-9)


def test_dropout_and_order_draw_what_they_draw_without_noise():
    options = {"dropout": 0.3, "input_dropout": 0.1}
    assert_array_equal(
        make(augmentation=GaussianNoise(0.0), **options).fit(X, LABELS).coefs_[0],
        make(augmentation=None, **options).fit(X, LABELS).coefs_[0],
    )
    # A generator of the user's is advanced as before.
    generators = [np.random.RandomState(0), np.random.RandomState(0)]
    make(random_state=generators[0]).fit(X, LABELS)
    make(random_state=generators[1], augmentation=None).fit(X, LABELS)
    assert generators[0].randint(1000) == generators[1].randint(1000)


class TestGoingOn:
    def test_a_checkpoint_goes_on_bit_for_bit(self, tmp_path):
        make(max_iter=3).fit(X, LABELS).save_checkpoint(tmp_path / "state")
        resumed = make().load_checkpoint(tmp_path / "state").fit(X, LABELS)
        assert_array_equal(resumed.coefs_[0], make().fit(X, LABELS).coefs_[0])

    @pytest.mark.parametrize("before", [None, "noise"])
    def test_augmentation_may_begin_or_end_there(self, before, tmp_path):
        after = "noise" if before is None else None
        make(augmentation=before, max_iter=3).fit(X, LABELS).save_checkpoint(tmp_path / "state")
        resumed = make(augmentation=after).load_checkpoint(tmp_path / "state").fit(X, LABELS)
        assert resumed.n_iter_ == 8

    def test_a_damaged_state_is_named(self, tmp_path):
        make(max_iter=3).fit(X, LABELS).save_checkpoint(tmp_path / "state")
        model = make().load_checkpoint(tmp_path / "state")
        model._checkpoint["generator_augmentation"] = model._checkpoint["generator_augmentation"][:-1]
        with pytest.raises(ValueError, match="'generator_augmentation' must be of shape"):
            model.fit(X, LABELS)

    def test_partial_fit_draws_new_noise(self):
        notes = Batches()
        model = make(callbacks=[notes], shuffle=False)
        for _ in range(2):
            model.partial_fit(X, LABELS, classes=np.unique(LABELS))
        first, second = notes.seen[: len(notes.seen) // 2], notes.seen[len(notes.seen) // 2 :]
        assert np.abs(np.concatenate(first) - np.concatenate(second)).min() > 0


def test_losses_are_those_of_the_targets_that_training_has_seen():
    model = make(RegularizedMLPRegressor, augmentation=OtherTargets(), learning_rate_init=0.1, max_iter=60).fit(X, Y)
    assert model.loss_ < 0.1
    assert model.score(X, -Y) > 0.9


def test_transforms_of_the_users_own():
    moved = make(augmentation=AlongGradient()).fit(X, LABELS)
    assert_allclose(moved.coefs_[0], make(augmentation=None).fit(1.1 * X, LABELS).coefs_[0], rtol=1e-6)


def test_estimators_that_choose_their_strength_take_it():
    model = RegularizedMLPRegressorCV(**SHORT | {"max_iter": 40}, alphas=[0.001, 0.1], cv=2, augmentation="noise")
    assert model.fit(X, Y).score(X, Y) > 0.5


def test_a_refit_on_all_rows_has_noise_too():
    notes = Batches()
    model = make(early_stopping=True, refit_on_all=True, callbacks=[notes]).fit(X, LABELS)
    assert len(notes.seen) > 8 * 3
    assert not np.isin(np.concatenate(notes.seen), X).any()
    assert model.score(X, LABELS) > 0.3


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"augmentation": "mixup"},
            "'augmentation' parameter .* must be a str among {'noise'}, .* Got 'mixup' instead",
        ),
        ({"augmentation": 0.1}, "'augmentation' parameter .* Got 0.1 instead"),
        ({"augmentation": GaussianNoise}, "'augmentation' parameter"),
        ({"augmentation": GaussianNoise(-1)}, r"'stddev' parameter of GaussianNoise .* range \[0.0, inf\). Got -1"),
        ({"augmentation": GaussianNoise(np.inf)}, "'stddev' parameter of GaussianNoise"),
        ({"augmentation": GaussianNoise(np.nan)}, "'stddev' parameter of GaussianNoise"),
        ({"augmentation": "noise", "solver": "lbfgs"}, "got augmentation='noise'. Use solver='adam' or 'sgd'"),
        (
            {"augmentation": FewerRows()},
            r"'augmentation' .* X as a tensor of shape \(1, 27, 3\) and type .* FewerRows\(\) .* \(1, 26, 3\)",
        ),
    ],
)
def test_bad_input(options, text):
    model = make(**options)
    with pytest.raises(ValueError, match=text):
        model.fit(X, LABELS)
    assert not hasattr(model, "coefs_")


@pytest.mark.parametrize("is_search", [False, True])
@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda batch: None, "must return a batch, as batch._replace.X=..., target=.... does; .* returned None"),
        (lambda batch: (batch.X, batch.target), r"must return a batch, .* returned \(tensor"),
        (lambda batch: batch._replace(X=batch.X.float()), "type torch.float64 on cpu; .* torch.float32 on cpu"),
        (
            lambda batch: batch._replace(target=batch.target.half()),
            "target as a tensor of shape .* torch.float64 .* torch.float16",
        ),
        (lambda batch: batch._replace(X=batch.X.to("meta")), "on cpu; .* on meta"),
        (lambda batch: batch._replace(X=batch.X.numpy()), "X as a tensor of shape .* returned array"),
        (lambda batch: batch._replace(weight=torch.ones_like(batch.X[..., :1])), "must not change the weights of rows"),
        (in_place("X"), "must not change tensors in place"),
        (in_place("target"), "must not change tensors in place"),
        (in_place("weight"), "must not change tensors in place"),
    ],
)
def test_what_a_transform_may_not_do(function, text, is_search):
    """Networks that are trained together share tensors, and weights are those of all epochs."""
    model = make(augmentation=Returns(function))
    if is_search:
        model = GridSearchCV(model, {"alpha": [0.1, 0.2]}, cv=2, error_score="raise")
    with pytest.raises(ValueError, match=f"(?s)'augmentation' parameter .*{text}"):
        model.fit(X, LABELS, sample_weight=np.linspace(1, 2, 80))


def test_a_fit_that_diverges_names_augmentation_as_a_cause():
    model = make(augmentation=Returns(lambda batch: batch._replace(X=batch.X * np.nan)))
    with pytest.raises(ValueError, match=r"diverged in epoch 1.* what augmentation=Returns\(.* makes of the rows"):
        model.fit(X, LABELS)
    with pytest.raises(ValueError, match="diverged in epoch 1") as caught:
        make(augmentation=None, solver="sgd", learning_rate_init=1e300).fit(X, LABELS)
    assert "augmentation" not in str(caught.value)


def test_memory_for_changed_rows_is_counted():
    """Copies of the targets of an epoch, and of the inputs of a batch."""

    def needed(augmentation, X, Y):
        model = make(RegularizedMLPRegressor, augmentation=augmentation, batch_size=40, hidden_layer_sizes=())
        return n_bytes(prepare(model, X, Y).spec)

    many_targets, many_columns = (X, np.tile(Y[:, np.newaxis], 100)), (np.tile(X, 100), Y)
    assert needed("noise", *many_targets) - needed(None, *many_targets) >= 2 * 80 * 100 * 8
    assert needed("noise", *many_columns) - needed(None, *many_columns) >= 2 * 40 * 300 * 8


def test_objects_are_never_changed_and_are_kept_in_pickles():
    noise = GaussianNoise(0.2)
    cross_validate(make(augmentation=noise), X, LABELS, cv=2)
    assert noise.get_params() == {"stddev": 0.2}
    assert pickle.loads(pickle.dumps(make(augmentation=noise).fit(X, LABELS))).augmentation.stddev == 0.2
