"""Estimators that choose the strength of their penalty by cross-validation along a path."""

from skreg._estimator.docstring import with_docstring
from skreg._parameter import with_parameters
from skreg.classifier import (
    CLASSIFIER_ATTRIBUTES,
    CLASSIFIER_DESCRIPTION,
    FittedClassifier,
    RegularizedMLPClassifier,
)
from skreg.model_selection._path_cv import PathCV
from skreg.regressor import REGRESSOR_ATTRIBUTES, REGRESSOR_DESCRIPTION, FittedRegressor, RegularizedMLPRegressor

# Parts of the docstrings of both.
_ATTRIBUTES = {
    "alpha_": """float
    Chosen strength.
    """,
    "alphas_": """ndarray of shape (n_alphas,)
    Strengths that were given, or the grid, ascending.
    """,
    "scores_path_": """ndarray of shape (n_folds, n_alphas)
    Score of every fold and strength: that of the fit along the path or, if better on average, of a fit from scratch. If
    the network has hidden layers and the path starts at the weakest penalty, there are fits from scratch for all
    strengths if they are at most 12, else, from the strongest down, for strengths at least a factor of 2.5 apart. The
    final fit is of the better kind, too. NaN for strengths of a grid that the search has left out (see Notes), and
    where a score is not finite: such a strength is not chosen.
    """,
    "n_selected_path_": """ndarray of int of shape (n_folds, n_alphas)
    Number of features that the fits with these scores use; -1 for strengths that the search has left out.
    """,
    "best_score_": """float
    Mean score of the chosen strength.
    """,
    "first_alpha_": """float or None
    Strength of the fit on the first path whose norms became weights; None unless `adaptive`.
    """,
}
# Attributes that mean something else with a given strength.
_OTHER_ATTRIBUTES = {
    "penalty_": """Penalty or None
    Penalty of the last fit: with `relax` its strength is 0; with `adaptive` it has weights, for the features that the
    first path has kept.
    """,
    "loss_curve_": """list of float
    Training loss plus penalty of every epoch of the last fit.
    """,
    "validation_scores_": """list of float or None
    Validation score (that of :meth:`score`) after every epoch of the last fit; None without validation rows.
    """,
}
_WARNS = {
    "Warns": """
UserWarning
    If `fit` ends with no feature, or with predictions that are all the same; or if the strength with the best mean
    score is the weakest or the strongest of those that were tried, so that a better one may lie beyond.
"""
}
_NOTES = {
    "Notes": """
By default too many features are kept: the penalty that predicts best is too weak to select sharply, because a
stronger one also shrinks what matters. `relax` takes the shrinkage out of the comparison, `adaptive` penalizes large
groups less than small ones, and ``selection='one_se'`` prefers few features among strengths that score about the same.
Use all three to find out which features matter, and the defaults to predict.

On a grid of more than 12 strengths (`alphas` is a number above 12) most strengths cannot be chosen, and a search leaves
them out. It starts from scratch a quarter of the grid above the weakest strength (with an annealed learning rate at the
weakest), or at the strongest where the path starts there, and goes along the grid by factors of about 2, each fit from
the weights of its neighbour, until the mean score of the folds is more than a standard error below the best or, except
with 'one_se', worse in a one-sided paired t-test at 5 %. From a weaker strength that is better than the first it comes
back. Then it tries strengths between the best one, with 'one_se' also the chosen one, and their neighbours, unless
scores there differ by less than a fifth of a standard error. The fit of all rows takes the steps that have led to the
chosen strength. If the scores have several maxima far apart, the search may find a lower one: strengths that are given
are all fitted.
""",
    "References": """
.. [1] N. Meinshausen, "Relaxed lasso", Computational Statistics and Data Analysis 52(1), 2007.
.. [2] H. Zou, "The adaptive lasso and its oracle properties", Journal of the American Statistical Association
   101(476), 2006.
.. [3] T. Hastie, R. Tibshirani and J. Friedman, "The Elements of Statistical Learning", 2nd edition, 2009, section
   7.10.1 (one standard error).
""",
}


@with_docstring(
    description=CLASSIFIER_DESCRIPTION,
    attributes=_ATTRIBUTES | CLASSIFIER_ATTRIBUTES | _OTHER_ATTRIBUTES,
    sections={
        **_WARNS,
        "See Also": """
skreg.RegularizedMLPClassifier : Classifier with a given strength.
skreg.model_selection.regularization_path : The path alone.
""",
        **_NOTES,
        "Examples": """
Which of 15 features matter, of which five do and five are correlated with those?

>>> from skreg.datasets import make_interactions
>>> from skreg.model_selection import RegularizedMLPClassifierCV
>>> X, y = make_interactions(n_samples=300, n_features=15, task="classification", random_state=0)
>>> model = RegularizedMLPClassifierCV(
...     (20,), alphas=6, adaptive=True, relax=True, selection="one_se", cv=2, learning_rate="cosine",
...     learning_rate_init=0.05, max_iter=30, batch_size=100, random_state=0,
... ).fit(X, y)
>>> model.selected_features_
array([0, 1, 2, 3, 4])
""",
    },
)
@with_parameters
class RegularizedMLPClassifierCV(PathCV, FittedClassifier):
    """Multilayer perceptron classifier that chooses the strength of its penalty by cross-validation along a path."""

    _plain_class = RegularizedMLPClassifier


@with_docstring(
    description=REGRESSOR_DESCRIPTION,
    attributes=_ATTRIBUTES | REGRESSOR_ATTRIBUTES | _OTHER_ATTRIBUTES,
    sections={
        **_WARNS,
        "See Also": """
skreg.RegularizedMLPRegressor : Regressor with a given strength.
skreg.model_selection.regularization_path : The path alone.
""",
        **_NOTES,
        "Examples": """
Which of 15 features matter, of which five do and five are correlated with those?

>>> from skreg.datasets import make_interactions
>>> from skreg.model_selection import RegularizedMLPRegressorCV
>>> X, y = make_interactions(n_samples=300, n_features=15, task="regression", random_state=0)
>>> model = RegularizedMLPRegressorCV(
...     (20,), alphas=6, adaptive=True, relax=True, selection="one_se", cv=3, learning_rate="cosine",
...     learning_rate_init=0.05, max_iter=30, batch_size=100, random_state=0,
... ).fit(X, y)
>>> model.selected_features_
array([0, 1, 2, 3, 4])
""",
    },
)
@with_parameters
class RegularizedMLPRegressorCV(PathCV, FittedRegressor):
    """Multilayer perceptron regressor that chooses the strength of its penalty by cross-validation along a path."""

    _plain_class = RegularizedMLPRegressor
