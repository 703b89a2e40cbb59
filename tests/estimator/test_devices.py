"""Where predictions are computed when the device of the fit does not exist on this machine."""

import pickle

import numpy as np
import pytest
import torch

import skreg._estimator.fitted
from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._estimator.devices import device_here, n_devices
from skreg.network.mlp import MLP
from tests.helpers import TINY

X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
Y = np.arange(40) % 2


@pytest.fixture(scope="module")
def fitted():
    return RegularizedMLPClassifier(dropout=0.2, **TINY).fit(X, Y)


@pytest.fixture
def machine(monkeypatch):
    """Return a function that pretends that a machine has so many GPUs of each kind."""

    def has(*, cuda=0, xpu=0, mps=0):
        for module, number in ((torch.cuda, cuda), (torch.xpu, xpu)):
            monkeypatch.setattr(module, "is_available", lambda number=number: number > 0)
            monkeypatch.setattr(module, "device_count", lambda number=number: number)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps > 0)

    return has


@pytest.fixture
def used(monkeypatch):
    """Return a list of the devices that networks for predictions are made for; they are made on the CPU."""
    devices = []

    def make(*args, device, **options):
        devices.append(str(device))
        return MLP(*args, device="cpu", **options)

    monkeypatch.setattr(skreg._estimator.fitted, "MLP", make)
    return devices


# What was asked for, what the machine has, what is used.
CHOICES = [
    ("cpu", {}, "cpu"),
    ("cpu", {"cuda": 2}, "cpu"),
    ("cuda", {"cuda": 1}, "cuda"),
    ("cuda:0", {"cuda": 1}, "cuda:0"),
    ("cuda:1", {"cuda": 2}, "cuda:1"),
    ("cuda:1", {"cuda": 1}, "cuda:0"),
    ("cuda:7", {"cuda": 4}, "cuda:0"),
    ("cuda:1", {"xpu": 2}, "cpu"),
    ("cuda", {}, "cpu"),
    ("mps", {"mps": 1}, "mps"),
    ("mps:0", {"mps": 1}, "mps:0"),
    ("mps", {"cuda": 1}, "cpu"),
    ("xpu:3", {"xpu": 2, "cuda": 4}, "xpu:0"),
    ("xpu:0", {"cuda": 1}, "cpu"),
    ("meta", {"cuda": 1}, "cpu"),  # holds no numbers
    ("hpu:1", {"cuda": 1}, "cpu"),  # of an extension that is not installed
    ("npu:0", {"cuda": 1}, "cpu"),  # one whose name torch does not even know without it
]


@pytest.mark.parametrize(("wished", "counts", "expected"), CHOICES)
def test_the_choice_of_a_device(wished, counts, expected):
    chosen = device_here(wished, lambda kind: counts.get(kind, 0))
    assert isinstance(chosen, torch.device)
    assert str(chosen) == expected
    if wished != "npu:0":
        assert device_here(torch.device(wished), lambda kind: counts.get(kind, 0)) == chosen


def test_devices_are_counted(machine):
    machine(cuda=2, xpu=1, mps=1)
    assert [n_devices(kind) for kind in ("cuda", "xpu", "mps", "meta", "hpu")] == [2, 1, 1, 0, 0]
    machine()
    assert [n_devices(kind) for kind in ("cuda", "xpu", "mps", "meta", "hpu")] == [0] * 5


def test_cards_that_the_driver_cannot_use_do_not_count(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert n_devices("cuda") == 0


@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "decision_function", "transform", "predict_dropout_samples"]
)
@pytest.mark.parametrize(
    ("wished", "counts", "expected"),
    [
        ("cuda:1", {"cuda": 2}, "cuda:1"),
        ("cuda:1", {"cuda": 1}, "cuda:0"),
        ("cuda:1", {}, "cpu"),
        ("mps", {"mps": 1}, "mps"),
        ("mps", {"cuda": 1}, "cpu"),
        ("npu:0", {"cuda": 1}, "cpu"),
    ],
)
def test_what_is_fitted_elsewhere_predicts_here(method, wished, counts, expected, fitted, machine, used):
    machine(**counts)
    here = pickle.loads(pickle.dumps(fitted.set_params(device=wished)))
    fitted.set_params(device="cpu")
    options = {"n_samples": 2, "random_state": 0} if method == "predict_dropout_samples" else {}
    found, right = (getattr(model, method)(X, **options) for model in (here, fitted))
    assert used == [expected, "cpu"]
    for a, b in zip(found, right, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("device", ["cuda:1", "xpu", "mps", "meta", torch.device("cuda:1")])
def test_a_machine_without_the_device_scores_and_prunes_but_does_not_train(device, fitted):
    here = pickle.loads(pickle.dumps(RegularizedMLPRegressor(**TINY).fit(X, X[:, 0]).set_params(device=device)))
    assert np.isfinite(here.score(X, X[:, 0]))
    assert here.prune().predict(X).shape == (40,)
    weights = [W.copy() for W in here.coefs_]
    for train in (here.fit, here.partial_fit):
        with pytest.raises(ValueError, match="The 'device' parameter must name a device that torch can use here"):
            train(X, X[:, 0])
    for W, before in zip(here.coefs_, weights, strict=True):
        np.testing.assert_array_equal(W, before)
