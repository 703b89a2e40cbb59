"""The classifier to start with."""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from skreg._estimator.data import Table
from skreg._estimator.docstring import with_docstring
from skreg._parameter import parameter, with_parameters
from skreg._sklearn_private import StrOptions
from skreg.classifier import RegularizedMLPClassifier
from skreg.ensemble import FoldEnsembleClassifier
from skreg.ensemble._calibration import CALIBRATIONS
from skreg.tabular._base import BaseTabularMLP, member_of
from skreg.tabular._docs import ATTRIBUTES, DESCRIPTION, REFERENCES, SEE_ALSO
from skreg.tabular._folds import WeightedFoldClassifier


@with_docstring(
    description=(DESCRIPTION.format(predictions="probabilities"),),
    attributes={
        "classes_": """ndarray of shape (n_classes,)
    Class labels, sorted; column indices for label indicator matrices.
    """,
        **{name: text.format(loss="Log-loss", score="Accuracy") for name, text in ATTRIBUTES.items()},
    },
    sections={
        "See Also": SEE_ALSO.format(kind="Classifier"),
        "References": REFERENCES,
        "Examples": """
>>> import numpy as np
>>> import pandas as pd
>>> from skreg import TabularMLPClassifier
>>> random = np.random.default_rng(0)
>>> df = pd.DataFrame({"dose": random.lognormal(size=200), "ward": random.choice(["east", "west", None], size=200)})
>>> y = np.where((df["dose"] > 1) & (df["ward"] != "east"), "well", "ill")
>>> df.loc[::9, "dose"] = np.nan
>>> model = TabularMLPClassifier(random_state=0).fit(df, y)
>>> bool(model.oof_score_ > 0.85)
True
>>> model.predict(pd.DataFrame({"dose": [3.0, 3.0], "ward": ["west", "east"]})).tolist()
['well', 'ill']
""",
    },
)
@with_parameters
class TabularMLPClassifier(ClassifierMixin, BaseTabularMLP):
    """Classifier of tables as they are, made of several networks on several folds."""

    class_weight: object = parameter(
        "dict, list of dict, 'balanced' or None",
        """Weights of the classes, as in :class:`~skreg.RegularizedMLPClassifier`; 'balanced' takes the (weighted)
        frequencies among all rows. Rows count so much in the fits, in early stopping, in the weights of the networks
        and in calibration, but not in accuracies. None means equal weights.
        """,
        default=None,
        constraints=[dict, list, StrOptions({"balanced"}), None],
        after="cv",
    )
    calibration: str | None = parameter(
        "{'temperature', 'isotonic', 'sigmoid'} or None",
        "Calibration of the probabilities, as in :class:`~skreg.ensemble.FoldEnsembleClassifier`.",
        default="temperature",
        constraints=[StrOptions(set(CALIBRATIONS)), None],
        after="class_weight",
    )

    _network_kind, _fold_kind = RegularizedMLPClassifier, WeightedFoldClassifier
    _fold_parameters = ("calibration",)
    _loss_name = "log-loss"
    score = BaseTabularMLP.score  # the mixin comes first, and has another

    def _target_network(self):
        return self._network_kind(class_weight=self.class_weight)

    def _row_weights(self, network, targets, sample_weight):
        if self.class_weight is None:
            return sample_weight
        table = Table(None, targets, sample_weight, sample_weight, ())
        rows = np.arange(len(targets)) if sample_weight is None else np.flatnonzero(sample_weight)
        of_class = network._class_weights(table, rows)(targets)
        return of_class if sample_weight is None else of_class * sample_weight

    def _set_fitted(self, folds, y, sample_weight):
        super()._set_fitted(folds, y, sample_weight)
        if self.class_weight is None:
            return
        # The folds have weighted classes; accuracies are those that `score` gives.
        labels, _ = folds._set_targets(y)
        known = np.isfinite(self.oof_predictions_).all(axis=1) & (sample_weight is None or sample_weight > 0)
        weight = None if sample_weight is None else sample_weight[known]
        for fitted in (folds, self, *self.members_.values()):
            fitted.oof_score_ = folds._score_of(fitted.oof_predictions_[known], labels[known], weight)

    def _member(self, name):
        member = member_of(self.folds_, FoldEnsembleClassifier, name)
        member.calibrator_ = None
        return member

    def predict_proba(self, X):
        """Return calibrated probabilities.

        Parameters
        ----------
        X : {dataframe, array-like} of shape (n_samples, n_features)
            A table with the columns of `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities in the order of `classes_`. Rows sum to 1, except for label indicator matrices, where
            each label has its own.
        """
        check_is_fitted(self)
        return self.folds_.predict_proba(X)

    def predict_log_proba(self, X):
        """Return the logarithms of the probabilities.

        Parameters
        ----------
        X : {dataframe, array-like} of shape (n_samples, n_features)
            A table with the columns of `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Log-probabilities in the order of `classes_`.
        """
        check_is_fitted(self)
        return self.folds_.predict_log_proba(X)

    def decision_function(self, X):
        """Return the log-odds of two classes or of labels, and the log-probabilities of more classes.

        Parameters
        ----------
        X : {dataframe, array-like} of shape (n_samples, n_features)
            A table with the columns of `fit`.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Decisions; with two classes those of ``classes_[1]``.
        """
        check_is_fitted(self)
        return self.folds_.decision_function(X)

    def predict_set(self, X, coverage=0.9, *, method="one_fold", allow_empty=True):
        """Predict sets of classes that hold the class of a new row with a given probability (conformal prediction).

        The rows that tell how large the sets must be have also told the weights of the networks, so the probability
        comes close to `coverage`, without a guarantee; see
        :meth:`skreg.ensemble.FoldEnsembleClassifier.predict_set`.

        Parameters
        ----------
        X : {dataframe, array-like} of shape (n_samples, n_features)
            A table with the columns of `fit`.
        coverage : float, default=0.9
            Probability, in (0, 1).
        method : {'one_fold', 'cv+'}, default='one_fold'
            How rows are compared with held-out ones.
        allow_empty : bool, default=True
            Whether sets may be empty, for rows that are unlike others.

        Returns
        -------
        ndarray of bool of shape (n_samples, n_classes)
            Whether a class, in the order of `classes_`, is in the set.

        Raises
        ------
        ValueError
            If `coverage` is not in (0, 1) or needs more rows than there are, if `method` is none of these, or if the
            targets are label indicator matrices.
        """
        check_is_fitted(self)
        return self.folds_.predict_set(X, coverage, method=method, allow_empty=allow_empty)
