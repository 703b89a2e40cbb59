"""Predictions of ensembles of classifiers."""

import numpy as np
from sklearn.base import ClassifierMixin, is_classifier
from sklearn.metrics import accuracy_score
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted

from skreg._parameter import with_parameters
from skreg.classifier import RegularizedMLPClassifier
from skreg.ensemble._base import BaseEnsemble


@with_parameters
class EnsembleClassifier(ClassifierMixin, BaseEnsemble):
    """Base class of ensembles of classifiers."""

    def _default_estimator(self):
        return RegularizedMLPClassifier(early_stopping=True)

    def _check_estimator(self, estimator):
        if not is_classifier(estimator):
            raise TypeError(f"The 'estimator' parameter must be a classifier; got {estimator!r}.")
        if not hasattr(estimator, "predict_proba"):
            raise TypeError(
                "The 'estimator' parameter must be a classifier with probabilities (predict_proba), which the ensemble "
                f"averages; got {estimator!r}."
            )

    def _set_targets(self, y):
        check_classification_targets(y)
        self._multilabel = type_of_target(y) == "multilabel-indicator"
        if self._multilabel:
            y = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
            self.classes_ = np.arange(y.shape[1])
            return y, None
        y = column_or_1d(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(f"y must hold at least two classes; got one class, {self.classes_.tolist()!r}.")
        return y, self.classes_

    def _member_predictions(self, member, X):
        found = member.predict_proba(X)
        if isinstance(found, list):  # of scikit-learn's classifiers, one array for each label
            found = _label_probabilities(found, member.classes_)
        if self._multilabel or np.array_equal(member.classes_, self.classes_):
            return found
        probabilities = np.zeros((len(found), len(self.classes_)), dtype=found.dtype)
        probabilities[:, np.searchsorted(self.classes_, member.classes_)] = found
        return probabilities

    def _score_of(self, predictions, y, sample_weight):
        return float(accuracy_score(y, self._labels(predictions), sample_weight=sample_weight))

    def _labels(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the labels of the largest probabilities."""
        if self._multilabel:
            return (probabilities > 0.5).astype(int)
        return self.classes_[probabilities.argmax(axis=1)]

    def predict(self, X):
        """Predict the classes of the largest mean probability.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Labels, or a label indicator matrix if `fit` was given one.
        """
        check_is_fitted(self)
        return self._labels(self.predict_proba(X))

    def predict_proba(self, X):
        """Return the mean of the members' probabilities, calibrated if `calibration` says so.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities in the order of `classes_`. Rows sum to 1, except for label indicator matrices, where
            each label has its own.
        """
        return self._mean_prediction(X)

    def predict_log_proba(self, X):
        """Return the logarithms of the probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Log-probabilities in the order of `classes_`.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def decision_function(self, X):
        """Return the log-odds of two classes or of labels, and the log-probabilities of more classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Decisions; with two classes those of ``classes_[1]``. They are finite: a probability of 0 counts as the
            smallest positive number.
        """
        probabilities = self.predict_proba(X)
        tiny = np.finfo(probabilities.dtype).tiny
        if self._multilabel:
            return np.log(np.maximum(probabilities, tiny)) - np.log(np.maximum(1 - probabilities, tiny))
        logs = np.log(np.maximum(probabilities, tiny))
        return logs[:, 1] - logs[:, 0] if len(self.classes_) == 2 else logs


def _label_probabilities(found: list[np.ndarray], classes: list[np.ndarray]) -> np.ndarray:
    """Return the probability of each label from those of its values, of which a member may know 0 or 1 alone."""
    columns = [of_values[:, values == 1].sum(axis=1) for of_values, values in zip(found, classes, strict=True)]
    return np.column_stack(columns)
