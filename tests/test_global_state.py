"""Nothing public draws from a generator that others share, or changes other global state, with `random_state=None`."""

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline

from skreg import RegularizedMLPClassifier
from skreg.datasets import make_interactions
from skreg.inspection import (
    ColumnImportanceDisplay,
    ComparisonDisplay,
    FeatureSelectionDisplay,
    GeneralizationGapDisplay,
    PenaltyGeometryDisplay,
    TrainingHistoryDisplay,
    WeightDistributionDisplay,
    compare_regularizers,
    default_regularizers,
)
from skreg.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    RegularizedMLPClassifierCV,
    alpha_max,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    regularization_path,
    validation_curve,
)

X, Y = make_classification(40, 4, random_state=0)
NETWORK = RegularizedMLPClassifier((3,), dropout=0.2, max_iter=1, n_iter_no_change=np.inf)
SELECTING = RegularizedMLPClassifier((), penalty="l1", max_iter=2, n_iter_no_change=np.inf)
SHUFFLED = StratifiedShuffleSplit(2, test_size=0.3)
PATH = {"max_iter": 1, "n_iter_no_change": np.inf, "alphas": [0.01, 0.1]}
ALPHAS = {"alpha": [0.0, 0.1]}

CALLS = {
    "fit": lambda: NETWORK.fit(X, Y).predict_dropout_samples(X, 2),
    "partial_fit": lambda: RegularizedMLPClassifier((3,), dropout=0.2).partial_fit(X, Y, classes=[0, 1]),
    "early_stopping": lambda: RegularizedMLPClassifier((3,), max_iter=1, early_stopping=True, tol=0).fit(X, Y),
    "early_stopping, splitter": lambda: RegularizedMLPClassifier((), max_iter=1, early_stopping=SHUFFLED).fit(X, Y),
    "path": lambda: regularization_path(SELECTING, X, Y, alphas=2),
    "alpha_max": lambda: alpha_max(SELECTING, X, Y),
    "CV": lambda: RegularizedMLPClassifierCV((3,), cv=SHUFFLED, **PATH).fit(X, Y),
    "GridSearchCV": lambda: GridSearchCV(NETWORK, ALPHAS, cv=SHUFFLED).fit(X, Y),
    "RandomizedSearchCV": lambda: RandomizedSearchCV(
        NETWORK, {"alpha": loguniform(1e-3, 1), "dropout": [0, 0.1]}, n_iter=2, cv=2
    ).fit(X, Y),
    "RandomizedSearchCV, others": lambda: RandomizedSearchCV(
        LogisticRegression(), {"C": loguniform(1e-3, 1)}, n_iter=2, cv=2
    ).fit(X, Y),
    "cross_validate": lambda: cross_validate(NETWORK, X, Y, cv=ShuffleSplit(2)),
    "cross_val_score": lambda: cross_val_score(NETWORK, X, Y, cv=SHUFFLED),
    "cross_val_predict": lambda: cross_val_predict(NETWORK, X, Y, cv=KFold(2, shuffle=True)),
    "learning_curve": lambda: learning_curve(NETWORK, X, Y, cv=SHUFFLED, shuffle=True, train_sizes=[0.8, 1.0]),
    "learning_curve, others": lambda: learning_curve(
        LogisticRegression(), X, Y, cv=2, shuffle=True, train_sizes=[0.8, 1.0]
    ),
    "validation_curve": lambda: validation_curve(
        NETWORK, X, Y, cv=SHUFFLED, param_name="alpha", param_range=[0.0, 0.1]
    ),
    "compare_regularizers": lambda: compare_regularizers(
        X, Y, {"forest": RandomForestClassifier(3), "network": (NETWORK, ALPHAS)}, cv=2, n_repeats=1, inner_cv=2
    ),
    "compare_regularizers, splitter": lambda: compare_regularizers(
        X, Y, {"network": (NETWORK, ALPHAS)}, cv=SHUFFLED, inner_cv=KFold(2, shuffle=True)
    ),
    "default_regularizers": lambda: default_regularizers(make_pipeline(NETWORK)),
    "ComparisonDisplay": lambda: ComparisonDisplay.from_estimators(
        {"a": LogisticRegression(), "b": NETWORK}, X, Y, cv=2, n_repeats=1
    ),
    "GeneralizationGapDisplay": lambda: GeneralizationGapDisplay.from_estimator(NETWORK, X, Y, cv=SHUFFLED),
    "FeatureSelectionDisplay": lambda: FeatureSelectionDisplay.from_estimator(
        SELECTING.fit(X, Y), X, Y, cv=KFold(2, shuffle=True)
    ),
    "ColumnImportanceDisplay": lambda: ColumnImportanceDisplay.from_estimator(NETWORK.fit(X, Y), X, Y, n_repeats=1),
    "TrainingHistoryDisplay": lambda: TrainingHistoryDisplay.from_estimator(NETWORK.fit(X, Y)),
    "WeightDistributionDisplay": lambda: WeightDistributionDisplay.from_estimator(NETWORK.fit(X, Y)),
    "PenaltyGeometryDisplay": lambda: PenaltyGeometryDisplay.from_penalty("l1", alpha=0.5),
    "make_interactions": lambda: make_interactions(20, 12),
}


@pytest.mark.filterwarnings("ignore")  # without seeds, a network may end anywhere
@pytest.mark.usefixtures("global_state", "closed_figures")
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_it_is_left_alone(call):
    call()


def test_a_splitter_without_a_seed_has_that_of_a_comparison():
    scores = [
        compare_regularizers(X, Y, {"network": (NETWORK, ALPHAS)}, cv=SHUFFLED, random_state=seed).folds["test_score"]
        for seed in (0, 0, 1)
    ]
    assert scores[0].tolist() == scores[1].tolist() != scores[2].tolist()
    assert SHUFFLED.random_state is None


def test_a_splitter_without_a_seed_has_that_of_an_estimator_that_chooses():
    fits = [
        RegularizedMLPClassifierCV((3,), cv=SHUFFLED, random_state=seed, refit=False, **PATH).fit(X, Y).scores_path_
        for seed in (0, 0, 1)
    ]
    assert (fits[0] == fits[1]).all()
    assert (fits[0] != fits[2]).any()


def test_candidates_without_a_seed_are_other_ones_every_time():
    space = {"alpha": loguniform(1e-3, 1)}
    searches = [RandomizedSearchCV(NETWORK, space, n_iter=1, cv=2, refit=False).fit(X, Y) for _ in range(2)]
    assert searches[0].cv_results_["params"] != searches[1].cv_results_["params"]
    assert searches[0].random_state is None


def test_gaps_of_several_estimators_are_those_of_the_same_folds():
    twice = {"a": LogisticRegression(), "b": LogisticRegression()}
    display = GeneralizationGapDisplay.from_estimators(twice, X, Y, cv=SHUFFLED)
    assert display.test_scores["a"].tolist() == display.test_scores["b"].tolist()
