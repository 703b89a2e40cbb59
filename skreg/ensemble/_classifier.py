"""Predictions of ensembles of classifiers."""

import numpy as np
from sklearn.base import ClassifierMixin, is_classifier
from sklearn.metrics import accuracy_score
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted

from skreg._estimator.data import as_numpy
from skreg._parameter import parameter, with_parameters
from skreg._sklearn_private import StrOptions
from skreg.classifier import RegularizedMLPClassifier
from skreg.ensemble._base import BaseEnsemble, stacked_predictions
from skreg.ensemble._calibration import CALIBRATIONS, make_calibrator
from skreg.ensemble._conformal import OutOfFoldScores
from skreg.ensemble._draws import row_draws


@with_parameters
class EnsembleClassifier(ClassifierMixin, BaseEnsemble):
    """Base class of ensembles of classifiers."""

    calibration: str | None = parameter(
        "{'temperature', 'isotonic', 'sigmoid'} or None",
        """Calibration of the mean probabilities, which is fitted to the out-of-fold predictions: 'temperature' divides
        the logits by one number, so that predicted classes stay the same; 'isotonic' and 'sigmoid' are scikit-learn's,
        one class against the rest. Needs rows that members have not seen: folds, or ``bootstrap=True``.
        """,
        default=None,
        constraints=[StrOptions(set(CALIBRATIONS)), None],
        after="estimator",
    )

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

        if self.calibration is not None and not self._holds_out_rows:
            raise ValueError(
                "The 'calibration' parameter must be None where members have seen all rows; got "
                f"calibration={self.calibration!r} with bootstrap=False."
            )

    def _set_oof_predictions(self, plans, data):
        self.calibrator_ = None
        super()._set_oof_predictions(plans, data)
        if self.calibration is not None and self.calibrator_ is None:
            raise ValueError(
                "The 'calibration' parameter must be None where no row with positive weight is held out of a member; "
                f"got {self.calibration!r}."
            )

    def _set_out_of_fold(self, held, known, sample_weight, data):
        labels = np.asarray(data.y)[known]
        targets = labels if self._multilabel else np.searchsorted(self.classes_, labels)
        if self.calibration is not None:
            calibrator = make_calibrator(self.calibration, multilabel=self._multilabel)
            self.calibrator_ = calibrator.fit(self.oof_predictions_[known], targets, sample_weight)
        if not self._multilabel:
            codes = np.zeros(len(known), dtype=np.intp)
            codes[known] = targets
            self._residuals = OutOfFoldScores(codes, held)

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
        """Predict the classes of the largest probability, and labels whose probability is above one half.

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
        probabilities = self._mean_prediction(X)
        return probabilities if self.calibrator_ is None else self.calibrator_.predict(probabilities)

    def predict_set(self, X, coverage=0.9, *, method="one_fold", allow_empty=True):
        """Predict sets of classes that hold the class of a new row with a given probability (conformal prediction).

        They come from the probabilities that members give to the classes of rows that they have not seen, so the
        ensemble needs folds or ``bootstrap=True``. Calibration plays no part, and of weights only whether they
        are 0. The probabilities, over training rows and new ones:

        - 'one_fold': at least `coverage`, and more only where scores are equal;
        - 'cv+': with one partition into folds at least ``2 * coverage - 1 - sqrt(2 / n_samples)``. Mostly it is at
          least `coverage` [1]_, and some points more where members differ much.

        They hold for any distribution and any estimator, if rows are exchangeable (as independent ones are), folds do
        not depend on the classes, and members have not seen their held-out rows in any way. Stratified folds come close
        to that, and so does early stopping on held-out rows: in measurements the coverage of 'one_fold' is within two
        points of 90 %.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.
        coverage : float, default=0.9
            Probability, in (0, 1).
        method : {'one_fold', 'cv+'}, default='one_fold'
            'one_fold' compares each row with the held-out rows of one fold (of one member with bootstrap rows). Which
            one follows from the content of the row. 'cv+' compares the probabilities of each member with those of the
            rows that were held out of it.
        allow_empty : bool, default=True
            Whether sets may be empty, for rows that are unlike others. Where more rows than `coverage` are predicted
            right, only empty sets keep to it. False puts the class of the largest mean probability into them.

        Returns
        -------
        ndarray of bool of shape (n_samples, n_classes)
            Whether a class, in the order of `classes_`, is in the set.

        Raises
        ------
        ValueError
            If `coverage` is not in (0, 1) or needs more rows than there are, if `method` is none of these, if no row
            was held out of a member, or if the targets are label indicator matrices.

        References
        ----------
        .. [1] Y. Romano, M. Sesia and E. J. Candès, "Classification with valid and adaptive coverage", NeurIPS 2020.
        """
        check_is_fitted(self)
        if self._multilabel:
            raise ValueError("predict_set needs one column of classes as targets; got a label indicator matrix in fit.")
        residuals = self._required_residuals("predict_set")
        draws = row_draws(as_numpy(X)) if method == "one_fold" else None
        return residuals.sets(
            stacked_predictions(self, X), coverage, method=method, draws=draws, allow_empty=allow_empty
        )

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
