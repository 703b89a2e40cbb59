"""Ensembles of the networks of a cross-validation."""

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.model_selection import KFold, check_cv

from skreg._estimator.docstring import with_docstring
from skreg._parameter import parameter, with_parameters
from skreg._seeds import fresh_seed, seeded_splitter
from skreg._sklearn_private import Interval, num_samples
from skreg.ensemble._base import BaseEnsemble, with_seeds
from skreg.ensemble._classifier import EnsembleClassifier
from skreg.ensemble._docs import CLASSIFIER_ATTRIBUTES, DESCRIPTION, REGRESSOR_ATTRIBUTES
from skreg.ensemble._members import EnsembleData, Plan, stopped_on_held_out_rows, stops_early
from skreg.ensemble._regressor import EnsembleRegressor
from skreg.model_selection._cv_splits import shuffled_folds
from skreg.stopping import all_splits, check_groups, row_indices


@with_parameters
class FoldMembers(BaseEnsemble):
    """Base class of ensembles whose members are fitted on the training rows of folds."""

    cv: Any = parameter(
        "int, cross-validation splitter, iterable of splits or None",
        """Folds, one member for each. An int is their number, at least 2: of shuffled rows, stratified for class
        labels, and of whole groups where `fit` is given groups; of contiguous rows in a cross-validation whose folds
        keep to the order of rows. None means 5.
        """,
        default=5,
        constraints=["cv_object"],
        after="estimator",
    )
    n_repeats: int = parameter(
        "int",
        """Number of times that the rows are split into folds, each time in another way, with new members. More than 1
        needs an int as `cv`, or a splitter that shuffles and has ``random_state=None``.
        """,
        default=1,
        constraints=[Interval(Integral, 1, None, closed="left")],
        after="cv",
    )

    _holds_out_rows = True

    def _plan(self, template, data: EnsembleData, groups, random):
        early = stops_early(template)
        member = stopped_on_held_out_rows(template) if early else template
        plans = []
        for _ in range(self.n_repeats):
            splitter = self._splitter(data, groups, random)
            for train, held_out in self._splits(splitter, data, groups):
                plans.append(Plan(with_seeds(member, random), train, held_out))
        return plans

    def _splitter(self, data: EnsembleData, groups, random):
        """Return the splitter of one repetition."""
        cv = 5 if self.cv is None else self.cv
        if isinstance(cv, Integral) and data.structure.time is not None and groups is None:
            return KFold(cv)
        if isinstance(cv, Integral):
            stratified, has_groups = data.classes is not None, groups is not None
            return shuffled_folds(cv, stratified=stratified, has_groups=has_groups, seed=fresh_seed(random))
        splitter = check_cv(cv, data.y, classifier=data.classes is not None)
        seeded = seeded_splitter(splitter, fresh_seed(random))
        if self.n_repeats > 1 and seeded is splitter:
            raise ValueError(
                "The 'cv' parameter must be an int, or a splitter that shuffles and has random_state=None, if the rows "
                f"are to be split in different ways (n_repeats={self.n_repeats!r}); got {self.cv!r}."
            )
        return seeded

    def _splits(self, splitter, data: EnsembleData, groups) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the rows to train on and the held-out rows of each fold.

        Raises
        ------
        ValueError
            If the splitter does not split these rows, or a fold has none to train on or to hold out, or some for both.
        """
        n_rows = num_samples(data.X)
        check_groups(splitter, groups, "cv", "fit(X, y, groups=...).")
        by_order = data.y if data.classes is not None or not isinstance(self.cv, Integral) else None
        splits = all_splits(splitter, data.X, by_order, groups, "cv")
        found = []
        for number, (train, held_out) in enumerate(splits):
            train, held_out = (row_indices(rows, n_rows) for rows in (train, held_out))
            rows = np.concatenate([train, held_out])
            has_both = len(train) > 0 and len(held_out) > 0
            if has_both and not (rows.dtype.kind in "iu" and rows.min() >= 0 and rows.max() < n_rows):
                raise ValueError(
                    f"The 'cv' parameter must give indices or masks of the {n_rows} rows of X; got others in fold "
                    f"{number}."
                )
            n_both = 0
            if has_both:
                is_trained_on = np.zeros(n_rows, dtype=bool)
                is_trained_on[train] = True
                n_both = len(np.unique(held_out[is_trained_on[held_out]]))
            if not has_both or n_both:
                raise ValueError(
                    f"The 'cv' parameter must give rows to train on, and other rows to hold out; got {len(train)} and "
                    f"{len(held_out)} rows in fold {number}, {n_both} of them the same."
                )
            found.append((train, held_out))
        if not found:
            raise ValueError(f"The 'cv' parameter must give folds; got none from {self.cv!r}.")
        return found


_SEE_ALSO = """
DeepEnsemble{kind} : Members that differ in their seeds or bootstrap rows.
skreg.model_selection.cross_validate : Scores of folds, without an ensemble.
sklearn.ensemble.Bagging{kind} : Members on random rows, fitted one by one.
"""
_REFERENCES = """
.. [1] A. Krogh and J. Vedelsby, "Neural network ensembles, cross validation, and active learning", NeurIPS 1994.
.. [2] L. Breiman, "Stacked regressions", Machine Learning 24, 1996 (out-of-fold predictions).
"""


@with_docstring(
    description=(
        """
Each member is trained without one fold, and the members' probabilities are averaged. With ``early_stopping=True`` a
network stops on the fold that it is trained without, so that no row is lost. Each row is predicted by the member that
has not been trained on it, which gives honest out-of-fold predictions.
""",
        DESCRIPTION,
    ),
    attributes=CLASSIFIER_ATTRIBUTES,
    sections={
        "See Also": _SEE_ALSO.format(kind="Classifier"),
        "References": _REFERENCES,
        "Examples": """
>>> from sklearn.datasets import load_breast_cancer
>>> from sklearn.model_selection import train_test_split
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> from skreg import RegularizedMLPClassifier
>>> from skreg.ensemble import FoldEnsembleClassifier
>>> X, y = load_breast_cancer(return_X_y=True)
>>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
>>> network = RegularizedMLPClassifier((30,), early_stopping=True, learning_rate_init=0.03)
>>> ensemble = FoldEnsembleClassifier(make_pipeline(StandardScaler(), network), random_state=0).fit(X_train, y_train)
>>> len(ensemble.members_), ensemble.oof_predictions_.shape
(5, (426, 2))
>>> bool(ensemble.score(X_test, y_test) > 0.95)
True
>>> bool(abs(ensemble.oof_score_ - ensemble.score(X_test, y_test)) < 0.03)
True
""",
    },
)
@with_parameters
class FoldEnsembleClassifier(FoldMembers, EnsembleClassifier):
    """Classifier that averages the networks of the folds of a cross-validation."""


@with_docstring(
    description=(
        """
Each member is trained without one fold, and the members' predictions are averaged. With ``early_stopping=True`` a
network stops on the fold that it is trained without, so that no row is lost. Each row is predicted by the member that
has not been trained on it, which gives honest out-of-fold predictions.
""",
        DESCRIPTION,
    ),
    attributes=REGRESSOR_ATTRIBUTES,
    sections={
        "See Also": _SEE_ALSO.format(kind="Regressor"),
        "References": _REFERENCES,
        "Examples": """
>>> from sklearn.datasets import load_diabetes
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> from skreg import RegularizedMLPRegressor
>>> from skreg.ensemble import FoldEnsembleRegressor
>>> X, y = load_diabetes(return_X_y=True)
>>> network = RegularizedMLPRegressor(
...     (30,), early_stopping=True, target_transform="standard", learning_rate_init=0.01
... )
>>> ensemble = FoldEnsembleRegressor(make_pipeline(StandardScaler(), network), random_state=0).fit(X, y)
>>> 0.4 < ensemble.oof_score_ < 0.55
True
>>> ensemble.predict_members(X[:3]).std.shape
(3,)
""",
    },
)
@with_parameters
class FoldEnsembleRegressor(FoldMembers, EnsembleRegressor):
    """Regressor that averages the networks of the folds of a cross-validation."""
