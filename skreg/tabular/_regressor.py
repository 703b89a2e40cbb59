"""The regressor to start with."""

from typing import ClassVar

from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted

from skreg._estimator.docstring import with_docstring
from skreg._parameter import with_parameters
from skreg.ensemble import FoldEnsembleRegressor
from skreg.regressor import RegularizedMLPRegressor
from skreg.tabular._base import BaseTabularMLP, member_of
from skreg.tabular._docs import ATTRIBUTES, DESCRIPTION, REFERENCES, SEE_ALSO
from skreg.tabular._folds import WeightedFoldRegressor


@with_docstring(
    description=(DESCRIPTION.format(predictions="predictions"),),
    attributes={name: text.format(loss="1 - R²", score="R²") for name, text in ATTRIBUTES.items()},
    sections={
        "See Also": SEE_ALSO.format(kind="Regressor"),
        "References": REFERENCES,
        "Examples": """
>>> from sklearn.datasets import load_diabetes
>>> from skreg import TabularMLPRegressor
>>> df, y = load_diabetes(return_X_y=True, as_frame=True)
>>> model = TabularMLPRegressor(random_state=0).fit(df, y)
>>> 0.45 < model.oof_score_ < 0.55
True
>>> model.predict_interval(df[:3]).shape
(3, 2)
""",
    },
)
@with_parameters
class TabularMLPRegressor(RegressorMixin, BaseTabularMLP):
    """Regressor of tables as they are, made of several networks on several folds."""

    _network_kind, _fold_kind = RegularizedMLPRegressor, WeightedFoldRegressor
    # Where a size is to be predicted, those of columns count: a bound would make all large ones one. Chosen with
    # benchmarks/bench_defaults.py; docs/benchmarks.rst, "Defaults".
    _encoder_parameters: ClassVar = {"max_absolute_value": None}
    _loss_name = "1 - R²"
    score = BaseTabularMLP.score  # the mixin comes first, and has another

    def _member(self, name):
        return member_of(self.folds_, FoldEnsembleRegressor, name)

    def predict_interval(self, X, coverage=0.9, *, method="scaled"):
        """Predict intervals that hold the target of a new row with a given probability (conformal prediction).

        The rows that tell how wide the intervals must be have also told the weights of the networks, so the probability
        comes close to `coverage`, without a guarantee; see
        :meth:`skreg.ensemble.FoldEnsembleRegressor.predict_interval`.

        Parameters
        ----------
        X : {dataframe, array-like} of shape (n_samples, n_features)
            A table with the columns of `fit`.
        coverage : float, default=0.9
            Probability, in (0, 1), for each output by itself.
        method : {'scaled', 'cv+', 'one_fold'}, default='scaled'
            How rows are compared with held-out ones.

        Returns
        -------
        ndarray of shape (n_samples, 2) or (n_samples, n_outputs, 2)
            Lower and upper ends.

        Raises
        ------
        ValueError
            If `coverage` is not in (0, 1) or needs more rows than there are, or if `method` is none of these.
        """
        check_is_fitted(self)
        return self.folds_.predict_interval(X, coverage, method=method)
