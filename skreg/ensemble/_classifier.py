"""Predictions of ensembles of classifiers."""

import numpy as np
from sklearn.base import ClassifierMixin, is_classifier
from sklearn.metrics import accuracy_score
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted

from skreg._estimator.data import as_numpy
from skreg._parameter import parameter, with_parameters
from skreg._sklearn_private import StrOptions, num_samples, safe_indexing
from skreg.classifier import RegularizedMLPClassifier
from skreg.ensemble._base import BaseEnsemble, stacked_predictions
from skreg.ensemble._calibration import CALIBRATIONS, averaging_factor, logit_variances, make_calibrator
from skreg.ensemble._conformal import OutOfFoldScores
from skreg.ensemble._draws import row_draws


@with_parameters
class EnsembleClassifier(ClassifierMixin, BaseEnsemble):
    """Base class of ensembles of classifiers."""

    calibration: str | None = parameter(
        "{'temperature', 'isotonic', 'sigmoid'} or None",
        """Calibration of the mean probabilities, which is fitted to the out-of-fold predictions: 'temperature' divides
        the logits by one number, close to 1 if rows are few, so that predicted classes stay the same; 'isotonic' and
        'sigmoid' are scikit-learn's, one class against the rest. Needs rows that members have not seen: folds, or
        ``bootstrap=True``. Rows of a class that none of these members knows are left out.
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
                "The 'calibration' parameter must be None where no row with positive weight is held out of a member "
                f"that knows its class; got {self.calibration!r}."
            )

    def _set_out_of_fold(self, held, known, sample_weight, data):
        labels = np.asarray(data.y)[known]
        targets = labels if self._multilabel else np.searchsorted(self.classes_, labels)
        if self.calibration is not None:
            self._set_calibrator(held, known, targets, sample_weight, data)
        if not self._multilabel:
            codes = np.zeros(len(known), dtype=np.intp)
            codes[known] = targets
            self._residuals = OutOfFoldScores(codes, held)

    def _set_calibrator(self, held, rows, targets, sample_weight, data):
        """Fit the calibrator to the rows of classes that a member knows that has not seen the row.

        The others, as the only row of a class, have a probability of 0 for want of rows, not of calibration: one of
        them would give a temperature that is far too high for all others.
        """
        if not self._multilabel:
            knows = np.stack([np.isin(self.classes_, member.classes_) for member in self.members_])
            known = (held.held_out[:, rows] & knows[:, targets]).any(axis=0)
            rows = rows.copy()
            rows[rows] = known
            targets = targets[known]
            sample_weight = None if sample_weight is None else sample_weight[known]
        if len(targets):
            averaging = self._averaging(held, rows, sample_weight, data) if self.calibration == "temperature" else 1.0
            calibrator = make_calibrator(self.calibration, multilabel=self._multilabel, averaging=averaging)
            self.calibrator_ = calibrator.fit(self.oof_predictions_[rows], targets, sample_weight)

    def _averaging(self, held, rows, sample_weight, data):
        """Return how much less sure the mean of all members is than the out-of-fold predictions of some rows."""
        parts = self._comparable(held, rows, data)
        variances = logit_variances(parts, len(rows), multilabel=self._multilabel)
        return averaging_factor(
            self.oof_predictions_[rows],
            variances[rows],
            held.held_out[:, rows].sum(axis=0),
            len(self.members_),
            sample_weight,
            multilabel=self._multilabel,
        )

    def _comparable(self, held, rows, data):
        """Yield rows and probabilities of the members that know all classes.

        Of all of these that have not seen a row, if some row was held out of two; else of all that have seen it.
        """
        n_classes = len(self.classes_)
        able = [
            number for number, one in enumerate(self.members_) if self._multilabel or len(one.classes_) == n_classes
        ]
        several = (held.held_out[able][:, rows].sum(axis=0) > 1).any()
        for number in able:
            seen = rows & ~held.held_out[number]
            if several:
                yield held.held_out[number], held.predictions[number]
            elif seen.any():
                yield seen, self._member_predictions(self.members_[number], safe_indexing(data.X, np.flatnonzero(seen)))

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
        X = as_numpy(X)
        X = X if hasattr(X, "shape") else np.asarray(X)
        draws = row_draws(X) if method == "one_fold" else None
        sets = []
        # Few rows at a time: the probabilities by all members are many times the sets.
        for rows in residuals.blocks(max(1, num_samples(X)), len(self.members_) * len(self.classes_)):
            members = stacked_predictions(self, safe_indexing(X, rows))
            options = {"method": method, "draws": None if draws is None else draws[rows], "allow_empty": allow_empty}
            sets.append(residuals.sets(members, coverage, **options))
        return np.concatenate(sets)

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
