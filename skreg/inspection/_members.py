"""Scores of an ensemble and of each of its members."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import accuracy_score, check_scoring, r2_score
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skreg._composition import opened
from skreg._numbers import numbers_in

# Key of the estimator itself among the scores; members have numbers.
WHOLE = "whole"


@dataclass
class Scores:
    """Scorer of an estimator and of its members, for rows that are transformed once for all members."""

    estimators: list
    scorer: Callable
    transformers: list
    members: list
    # The table, where the scorer gets the numbers of its rows, in a column for each of its columns.
    table: object = None

    @classmethod
    def of(cls, estimator, scoring, n_outputs: int) -> "Scores":
        """Return the scorer of a fitted estimator, or of a list of them."""
        estimators = list(estimator) if isinstance(estimator, list | tuple) else [estimator]
        if not estimators:
            raise ValueError(
                f"The 'estimator' parameter must be a fitted estimator or a list of at least one; got {estimator!r}."
            )
        for fitted in estimators:
            check_is_fitted(fitted)
        if scoring is None:  # members have no search around them
            scoring = scoring_of_score(estimators[0])
        if isinstance(estimator, list | tuple):
            return cls(estimators, check_scoring(estimators[0], scoring=scoring), [], estimators)
        return cls(estimators, check_scoring(estimator, scoring=scoring), *members_of(estimator, n_outputs))

    def __call__(self, estimator, X, y, sample_weight=None) -> dict:
        """Return the score of all, and that of each member by its number."""
        if self.table is not None:
            X = self.table.with_columns([self.table[name][X[name].to_numpy()] for name in X])
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        inputs = X
        for transformer in self.transformers:
            inputs = transformer.transform(inputs)
        scores = {number: self._score(member, inputs, y, **weights) for number, member in enumerate(self.members)}
        if self.members is self.estimators:
            return {WHOLE: np.mean(list(scores.values())), **scores}
        return {WHOLE: self._score(estimator, X, y, **weights), **scores}

    def _score(self, estimator, X, y, **weights) -> float:
        score = self.scorer(estimator, X, y, **weights)
        number = numbers_in(score)
        if number is None or number.ndim or not np.isfinite(number):
            raise ValueError(
                f"The 'scoring' parameter must give a finite number; got {score!r} for a {type(estimator).__name__}."
            )
        return float(number)


def scoring_of_score(estimator):
    """Return the scorer, or its name, that `score` of a fitted estimator uses; None means accuracy, R² or D².

    That is what a search scores by, alone or in pipelines. Other parameters `scoring`, as those of networks and of
    boosting, are for early stopping or the choice of a strength.
    """
    for part in opened(estimator):
        if isinstance(part, LogisticRegressionCV):
            return part.scoring
        is_search = hasattr(part, "best_estimator_")
        if is_search and part.scoring is not None:
            return _scorer_of_search(part)
        if not is_search and not isinstance(part, Pipeline):
            return None
    return None


def _scorer_of_search(search):
    """Return the scorer of a fitted search, or its name; of several, the one that its `refit` names."""
    if not search.multimetric_:
        return search.scoring
    scorers, chosen = search.scorer_, search.refit
    return scorers[chosen] if isinstance(scorers, dict) else lambda model, X, y: scorers(model, X, y)[chosen]


class Member(BaseEstimator):
    """A member of an ensemble, which takes the ensemble's inputs and predicts the ensemble's labels.

    Ensembles of scikit-learn train their members on codes of the classes, and some of them on a part of the features.

    Parameters
    ----------
    member : estimator
        The fitted member.
    ensemble : estimator
        The fitted ensemble.
    features : ndarray of shape (n_used,), default=None
        Which of the ensemble's features the member reads; None means all.
    """

    def __init__(self, member, ensemble, features=None):
        self.member = member
        self.ensemble = ensemble
        self.features = features

    @property
    def classes_(self):
        """The classes of the ensemble."""
        return self.ensemble.classes_

    def __sklearn_tags__(self):
        """Return the tags of the ensemble."""
        return get_tags(self.ensemble)

    def __sklearn_is_fitted__(self):
        """Return that there is nothing to fit."""
        return True

    def predict(self, X):
        """Return predictions, for classifiers labels of the ensemble."""
        predicted = self.member.predict(self._inputs(X))
        if not is_classifier(self.ensemble) or np.array_equal(self.member.classes_, self.classes_):
            return predicted
        return self.classes_[predicted.astype(int)]

    @available_if(lambda self: hasattr(self.member, "predict_proba"))
    def predict_proba(self, X):
        """Return probabilities of the ensemble's classes."""
        return self.member.predict_proba(self._inputs(X))

    @available_if(lambda self: hasattr(self.member, "decision_function"))
    def decision_function(self, X):
        """Return decisions in the order of the ensemble's classes."""
        return self.member.decision_function(self._inputs(X))

    def score(self, X, y, sample_weight=None):
        """Return the accuracy, or R² of a regressor."""
        score = accuracy_score if is_classifier(self.ensemble) else r2_score
        return score(y, self.predict(X), sample_weight=sample_weight)

    def _inputs(self, X):
        """Return what the member was trained on: without names, if it has seen none, and its features alone."""
        if not hasattr(self.member, "feature_names_in_") and hasattr(self.ensemble, "feature_names_in_"):
            X = np.asarray(X)
        return X if self.features is None else np.asarray(X)[:, self.features]


def members_of(estimator, n_outputs: int = 1) -> tuple[list, list[Member]]:
    """Return the transformers before a fitted ensemble, in pipelines and searches, and its members.

    Members are fitted estimators in a list ``members_`` or ``estimators_`` of the innermost estimator that predict its
    target each on its own: not the steps of boosting, and not the parts of a target that are learned one by one.

    Parameters
    ----------
    estimator : estimator
        A fitted estimator.
    n_outputs : int, default=1
        Number of targets. With several, the members of ``estimators_`` may each have one of them, and are none.

    Returns
    -------
    transformers : list of estimator
        What the inputs go through before they reach the ensemble, in this order.
    members : list of Member
        The members; empty if there are none.
    """
    transformers = []
    for innermost in opened(estimator):
        if hasattr(innermost, "regressor_"):  # members predict the transformed target
            return [], []
        if hasattr(innermost, "steps"):
            transformers += [step for _, step in innermost.steps[:-1] if step not in (None, "passthrough")]
    members = getattr(innermost, "members_", None)
    if members is None and n_outputs == 1:
        members = getattr(innermost, "estimators_", None)
    if not isinstance(members, Sequence) or not all(_predicts_like(member, innermost) for member in members):
        return [], []
    features = getattr(innermost, "estimators_features_", [None] * len(members))
    return transformers, [Member(member, innermost, own) for member, own in zip(members, features, strict=True)]


def _predicts_like(member, ensemble) -> bool:
    """Return whether a member predicts the classes of an ensemble, or their codes, or a number where that does."""
    if not is_classifier(ensemble):
        return is_regressor(member) and is_regressor(ensemble)
    classes, own = getattr(ensemble, "classes_", None), getattr(member, "classes_", None)
    if not isinstance(classes, np.ndarray) or own is None:
        return False
    return np.array_equal(own, classes) or np.array_equal(own, np.arange(len(classes)))
