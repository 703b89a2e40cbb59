"""Data whose truth is known: are they what they say?"""

import numpy as np
import pytest

from skreg.datasets import make_interactions


def test_the_signal_is_what_the_docstring_says():
    X, y = make_interactions(20_000, 10, noise=0.0, random_state=0)
    a, b, c, d, e = X[:, :5].T
    signal = a + 0.7 * b + a * b + (c**2 - 1) / np.sqrt(2) + d + 0.7 * e + 0.7 * d * e
    np.testing.assert_allclose(y, signal / np.sqrt(5.47), rtol=1e-12)
    assert y.var() == pytest.approx(1, abs=0.05)


def test_noise_and_decoys():
    X, y = make_interactions(20_000, 12, noise=0.5, decoy_correlation=0.8, random_state=0)
    _, clean = make_interactions(20_000, 12, noise=0.0, decoy_correlation=0.8, random_state=0)
    assert (y - clean).std() == pytest.approx(0.5, abs=0.01)
    correlation = np.corrcoef(X.T)
    np.testing.assert_allclose(np.diag(correlation[:5, 5:10]), 0.8, atol=0.02)
    correlation[range(5), range(5, 10)] = correlation[range(5, 10), range(5)] = 0
    np.testing.assert_allclose(correlation, np.eye(12), atol=0.03)


def test_classes_are_the_sign():
    X, y = make_interactions(1000, random_state=1)
    X_classes, labels = make_interactions(1000, task="classification", random_state=1)
    np.testing.assert_array_equal(X, X_classes)
    np.testing.assert_array_equal(labels, y > 0)
    assert 0.35 < labels.mean() < 0.65


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_samples": 0}, "'n_samples' parameter of make_interactions .* Got 0"),
        ({"n_features": 9}, "'n_features' parameter .* Got 9"),
        ({"task": "ranking"}, "'task' parameter .* Got 'ranking'"),
        ({"decoy_correlation": 1.0}, "'decoy_correlation' parameter .* Got 1.0"),
        ({"noise": -1}, "'noise' parameter .* Got -1"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        make_interactions(**options)
