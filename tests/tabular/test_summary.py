"""What an estimator tells in words."""

import re

import pytest
from sklearn.pipeline import make_pipeline

from skreg import RegularizedMLPClassifier
from skreg.penalties import L1
from skreg.preprocessing import PiecewiseLinearEncoder
from skreg.tabular._summary import describe
from tests.tabular_helpers import EPOCHS, data, model, networks

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_numbers_are_those_of_the_attributes():
    members = [
        *networks(),
        ("wide", RegularizedMLPClassifier((8, 4), weight_decay=0.1, dropout=0.2, penalty=None, **EPOCHS)),
    ]
    found = model(members=members).fit(*data())
    first, second, *lines = found.summary().splitlines()
    assert first.startswith("3 networks on 2 folds of 60 rows and 4 columns.")
    best = found.best_member_
    assert second == (
        f"log-loss of the weighted mean: {found.loss_:.4g}; of the best network, {best!r}: {found.losses_[best]:.4g}."
    )
    pattern = re.compile(r"  (\w+) +(?:weight (\d\.\d\d)|not used   )  log-loss (\S+)  (.+)")
    rows = [pattern.fullmatch(line).groups() for line in lines]
    assert sorted(name for name, *_ in rows) == sorted(found.weights_)
    for name, weight, loss, _ in rows:
        assert float(weight or 0) == pytest.approx(found.weights_[name], abs=0.005)
        assert loss == f"{found.losses_[name]:.4g}"
    weights = [found.weights_[name] for name, *_ in rows]
    assert weights == sorted(weights, reverse=True)
    words = {name: text for name, _, _, text in rows}
    assert words["linear"] == "linear; penalty 'l2' with alpha=0.1"
    assert words["small"] == "layers of 4 units"
    assert words["wide"] == "layers of 8, 4 units; weight_decay=0.1; dropout=0.2"


def test_of_numbers_it_is_the_share_that_is_not_explained():
    found = model("regressor").fit(*data("regressor"))
    assert f"1 - R² of the weighted mean: {found.loss_:.4g}" in found.summary()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"hidden_layer_sizes": 7}, "layers of 7 units"),
        ({"hidden_layer_sizes": (), "alpha": 0.5}, "linear; penalty 'l2' with alpha=0.5"),
        ({"hidden_layer_sizes": (3,), "input_dropout": 0.1}, "layers of 3 units; input_dropout=0.1"),
        ({"hidden_layer_sizes": (3, 2), "penalty": "group_lasso", "alpha": [0.1, 0]}, "with alpha=[0.1, 0]"),
        ({"penalty": "l1"}, "; penalty 'l1'"),
        ({"penalty": L1(alpha=0.3)}, "; penalty L1(alpha=0.3)"),
        ({"hidden_layer_sizes": (3, 2), "dropout": (0.1, 0.2)}, "dropout=(0.1, 0.2)"),
    ],
)
def test_networks_in_words(options, text):
    assert text in describe(RegularizedMLPClassifier(**options))


def test_transformers_in_words():
    member = make_pipeline(PiecewiseLinearEncoder(), RegularizedMLPClassifier(7))
    assert describe(member) == "layers of 7 units; behind PiecewiseLinearEncoder"
