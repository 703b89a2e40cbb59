"""Ensembles of networks that differ in their seeds, or in the rows that they are trained on."""

from numbers import Integral

import numpy as np

from skreg._estimator.docstring import with_docstring
from skreg._parameter import parameter, with_parameters
from skreg._sklearn_private import Interval, StrOptions, num_samples
from skreg.ensemble._base import BaseEnsemble, with_seeds
from skreg.ensemble._classifier import EnsembleClassifier
from skreg.ensemble._docs import CLASSIFIER_ATTRIBUTES, DESCRIPTION, REGRESSOR_ATTRIBUTES
from skreg.ensemble._members import EnsembleData, Plan, stopped_on_held_out_rows, stops_early
from skreg.ensemble._regressor import EnsembleRegressor
from skreg.ensemble._shared_networks import with_shared_weights
from skreg.model_selection._batched_fits import network_of


@with_parameters
class DeepMembers(BaseEnsemble):
    """Base class of ensembles whose members differ in their seeds, and in bootstrap rows where that is asked for."""

    n_members: int = parameter(
        "int",
        "Number of members, at least 1.",
        default=8,
        constraints=[Interval(Integral, 1, None, closed="left")],
        after="estimator",
    )
    bootstrap: bool = parameter(
        "bool",
        """Whether each member is trained on as many rows as there are, drawn with replacement (whole groups where `fit`
        is given groups). The rows that are not drawn, about 37 %, are held out of it: a network with
        ``early_stopping=True`` stops on them (on training rows if all groups are drawn). Otherwise all members are
        trained on all rows, and each stops early on rows of its own choice.
        """,
        default=False,
        constraints=["boolean"],
        after="n_members",
    )

    weight_sharing: str | None = parameter(
        "{'batch_ensemble'} or None",
        """Whether members are networks of their own, or share their weights [3]_ [4]_: with 'batch_ensemble' there is
        one matrix W for each layer, and member i has a vector before and after it and biases, ``z = s_i * (W (r_i * x))
        + b_i``. They are trained as one network, with each row of a batch seen by one of them, so that all take one
        and a half to two times as long as one network, but need more epochs or a higher rate. Penalties act on the
        shared matrices, early stopping on the mean prediction. Not with `bootstrap`.
        """,
        default=None,
        constraints=[StrOptions({"batch_ensemble"}), None],
        after="bootstrap",
    )

    @property
    def _holds_out_rows(self):
        return self.bootstrap

    def _plan(self, template, data: EnsembleData, groups, random):
        n_rows = num_samples(data.X)
        if self.weight_sharing is not None:
            self._check_can_share(template)
            rows = np.arange(n_rows)
            return [Plan(with_shared_weights(with_seeds(template, random), self.n_members), rows, rows[:0])]
        if not self.bootstrap:
            rows = np.arange(n_rows)
            return [Plan(with_seeds(template, random), rows, rows[:0]) for _ in range(self.n_members)]
        member = stopped_on_held_out_rows(template) if stops_early(template) else template
        plans = []
        for _ in range(self.n_members):
            train = _bootstrap_rows(n_rows, groups, random)
            held_out = np.setdiff1d(np.arange(n_rows), train)
            plans.append(Plan(with_seeds(member, random), train, held_out))
        return plans

    def _check_can_share(self, template) -> None:
        if self.bootstrap:
            raise ValueError(
                "The 'bootstrap' parameter must be False with members that share weights; got "
                f"bootstrap={self.bootstrap!r}, weight_sharing={self.weight_sharing!r}."
            )
        if network_of(template) is None:
            raise ValueError(
                "The 'estimator' parameter must be a RegularizedMLPClassifier or RegularizedMLPRegressor, alone or at "
                f"the end of pipelines, with weight_sharing='batch_ensemble'; got {template!r}."
            )


def _bootstrap_rows(n_rows: int, groups: np.ndarray | None, random: np.random.RandomState) -> np.ndarray:
    """Return rows drawn with replacement, in ascending order; whole groups if there are any."""
    if groups is None:
        return np.sort(random.randint(n_rows, size=n_rows))
    _, codes = np.unique(groups, return_inverse=True)
    n_groups = codes.max() + 1
    times = np.bincount(random.randint(n_groups, size=n_groups), minlength=n_groups)
    return np.repeat(np.arange(n_rows), times[codes])


_SEE_ALSO = """
FoldEnsemble{kind} : Members on the folds of a cross-validation, with out-of-fold predictions.
sklearn.ensemble.Bagging{kind} : Members on random rows, fitted one by one.
"""
_REFERENCES = """
.. [1] B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and scalable predictive uncertainty estimation using
   deep ensembles", NeurIPS 2017.
.. [2] L. Breiman, "Bagging predictors", Machine Learning 24, 1996.
.. [3] Y. Wen, D. Tran and J. Ba, "BatchEnsemble: an alternative approach to efficient ensemble and lifelong learning",
   ICLR 2020.
.. [4] Y. Gorishniy, A. Kotelnikov and A. Babenko, "TabM: advancing tabular deep learning with parameter-efficient
   ensembling", ICLR 2025.
"""


@with_docstring(
    description=(
        """
Members start from different weights and see the rows in a different order, or are trained on bootstrap rows; their
probabilities are averaged.
""",
        DESCRIPTION,
    ),
    attributes=CLASSIFIER_ATTRIBUTES,
    sections={
        "See Also": _SEE_ALSO.format(kind="Classifier"),
        "References": _REFERENCES,
        "Examples": """
>>> from sklearn.datasets import load_iris
>>> from skreg import RegularizedMLPClassifier
>>> from skreg.ensemble import DeepEnsembleClassifier
>>> X, y = load_iris(return_X_y=True)
>>> network = RegularizedMLPClassifier((20,), learning_rate_init=0.02, learning_rate="cosine", max_iter=60)
>>> ensemble = DeepEnsembleClassifier(network, n_members=4, random_state=0).fit(X, y)
>>> len(ensemble.members_), ensemble.predict_members(X).std.shape
(4, (150, 3))
>>> bool(ensemble.score(X, y) > 0.95)
True
""",
    },
)
@with_parameters
class DeepEnsembleClassifier(DeepMembers, EnsembleClassifier):
    """Classifier that averages networks with different seeds."""


@with_docstring(
    description=(
        """
Members start from different weights and see the rows in a different order, or are trained on bootstrap rows; their
predictions are averaged.
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
>>> from skreg.ensemble import DeepEnsembleRegressor
>>> X, y = load_diabetes(return_X_y=True)
>>> network = RegularizedMLPRegressor(
...     (20,), early_stopping=True, target_transform="standard", learning_rate_init=0.01
... )
>>> model = make_pipeline(StandardScaler(), DeepEnsembleRegressor(network, n_members=4, bootstrap=True, random_state=0))
>>> 0.35 < model.fit(X, y)[-1].oof_score_ < 0.55
True
""",
    },
)
@with_parameters
class DeepEnsembleRegressor(DeepMembers, EnsembleRegressor):
    """Regressor that averages networks with different seeds."""
