"""Base class of the ensembles: their parameters, and `fit`."""

import copy
from abc import abstractmethod
from collections.abc import Sequence
from numbers import Integral
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.exceptions import FitFailedWarning
from sklearn.utils import get_tags, indexable
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from skreg._composition import last_of, opened, with_last
from skreg._doc_link import DocLink
from skreg._estimator.attributes import forget
from skreg._estimator.base import BaseRegularizedMLP
from skreg._estimator.data import as_numpy, as_target, check_weights
from skreg._estimator.groups import GroupsMixin, group_of_rows
from skreg._estimator.shared_checks import CheckedWhole, SharedChecks
from skreg._parameter import parameter, with_parameters
from skreg._seeds import SEED_LIMIT, random_numbers
from skreg._sklearn_private import HasMethods, Interval, fit_context, num_samples, safe_indexing
from skreg._warnings import Message, give_warnings
from skreg.ensemble._held_out import HeldOutPredictions
from skreg.ensemble._members import EnsembleData, MemberFit, PendingEnsemble, Plan, prepare_members
from skreg.ensemble._shared_networks import member_plans
from skreg.model_selection._batched_fits import is_trained_together, network_of
from skreg.model_selection._deferred import FittedTogether
from skreg.stopping import RowStructure


class MemberPredictions(NamedTuple):
    """Predictions of the members of an ensemble, and their mean and spread.

    Attributes
    ----------
    members : ndarray of shape (n_members, n_rows) or (n_members, n_rows, n_outputs)
        Predictions of each member.
    mean, std : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Their mean and standard deviation.
    """

    members: np.ndarray
    mean: np.ndarray
    std: np.ndarray


def _can_be_pruned(ensemble) -> bool:
    member = next(iter(getattr(ensemble, "members_", ())), ensemble._template())
    return hasattr(last_of(member), "prune")


def _pruned(network):
    """Return a smaller copy of a fitted network; one that is not fitted, as a part beside its fitted copy, as it is."""
    return network.prune() if hasattr(network, "n_features_in_") else network


# Parameters of all estimators that train populations.
MEMORY_LIMIT = parameter(
    "int or None",
    """Largest number of bytes for the networks that are trained at the same time, without the data. None means a size
    that the processor's cache can hold.
    """,
    default=None,
    constraints=[Interval(Integral, 1, None, closed="left"), None],
)
VERBOSE = parameter("bool", "Whether to show a progress bar of the epochs.", default=False, constraints=["verbose"])


@with_parameters
class BaseEnsemble(FittedTogether, MetaEstimatorMixin, GroupsMixin, DocLink, BaseEstimator):
    """Base class of the ensembles; use a subclass."""

    estimator: object = parameter(
        "estimator or None",
        """What the members are copies of: a network of skreg, alone or at the end of pipelines and transformations of
        the target, or any other estimator. Networks are trained together. Every fit starts with new copies, so
        ``warm_start=True`` in it has no effect, as in scikit-learn's bagging. None means a network with its defaults
        and ``early_stopping=True``.
        """,
        default=None,
        constraints=[HasMethods(["fit", "predict"]), None],
        kw_only=False,
    )
    n_jobs: int | None = parameter(
        "int or None",
        """Number of populations of networks that are trained at the same time, in threads or by the backend of
        :func:`joblib.parallel_config`; members that cannot be trained together are fitted in as many threads or, if
        they are not of skreg, processes. None means the number of the joblib configuration, else 1.
        """,
        default=None,
        constraints=[Integral, None],
    )
    memory_limit: int | None = MEMORY_LIMIT
    random_state: int | np.random.RandomState | None = parameter(
        "int, RandomState instance or None",
        """Seed of the rows of the members and of all that is random in them: it takes the place of every
        `random_state` in `estimator`. None means fresh entropy.
        """,
        default=None,
        constraints=["random_state"],
    )
    verbose: bool | int = VERBOSE

    # Whether there are rows that a member has not seen.
    _holds_out_rows: bool

    # -- hooks of subclasses -------------------------------------------------------------------------------

    @abstractmethod
    def _default_estimator(self):
        """Return what ``estimator=None`` stands for."""

    @abstractmethod
    def _check_estimator(self, estimator) -> None:
        """Raise if an estimator is of the wrong kind."""

    @abstractmethod
    def _set_targets(self, y) -> tuple[np.ndarray, np.ndarray | None]:
        """Set the attributes of the targets; return them, and the classes of a target of one column, if it has any."""

    @abstractmethod
    def _plan(self, template, data: EnsembleData, groups, random: np.random.RandomState) -> list[Plan]:
        """Return which rows each member is fitted on, with a copy of the estimator and seeds of its own."""

    @abstractmethod
    def _member_predictions(self, member, X) -> np.ndarray:
        """Return what is averaged of a fitted member: its predictions, or its probabilities of all classes."""

    @abstractmethod
    def _score_of(self, predictions: np.ndarray, y, sample_weight) -> float:
        """Return the score of averaged predictions."""

    @abstractmethod
    def _set_out_of_fold(
        self, held: HeldOutPredictions, known: np.ndarray, sample_weight: np.ndarray | None, data: EnsembleData
    ) -> None:
        """Set what follows from out-of-fold predictions.

        Parameters
        ----------
        held : HeldOutPredictions
            Those of the members, for rows with positive weight.
        known : ndarray of bool of shape (n_rows,)
            Which rows have any.
        sample_weight : ndarray or None
            Weights of these rows.
        data : EnsembleData
            All rows.
        """

    # -- fit -----------------------------------------------------------------------------------------------

    def _template(self):
        """Return the estimator that the members are copies of."""
        return self._default_estimator() if self.estimator is None else self.estimator

    @property
    def _wants_groups(self) -> bool:
        return True

    def _trains_together(self):
        return is_trained_together(self._template())

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None, *, groups=None):
        """Fit all members.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs that `estimator` takes.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels (or a label indicator matrix) for classification, numbers for regression.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, at least 0, for the fits, for early stopping and for out-of-fold scores. None means equal weights.
        groups : array-like of shape (n_samples,), default=None
            Group of each row. Whole groups are held out of a member.

        Returns
        -------
        self : object
            The fitted ensemble.

        Raises
        ------
        ValueError
            If a parameter or the data are not as described, or if all members fail. The ensemble is then as it was
            before.
        """
        self._fit_alone(X, y, sample_weight, groups=groups, warn=give_warnings)
        return self

    def _prepare(
        self, X, y, sample_weight=None, *, groups=None, structure: RowStructure, messages: list[Message], stopped=None
    ) -> PendingEnsemble:
        forget(self)
        template = self._template()
        self._check_estimator(template)
        data, groups = self._checked_data(template, X, y, sample_weight, groups, structure)
        plans = self._plan(template, data, groups, random_numbers(self.random_state))
        members = prepare_members(plans, data, n_jobs=self.n_jobs, stopped=stopped)

        def conclude(fits: list[MemberFit]) -> list[Message]:
            return self._conclude(fits, data)

        return PendingEnsemble(members, conclude)

    def _checked_data(
        self, template, X, y, sample_weight, groups, structure: RowStructure
    ) -> tuple[EnsembleData, np.ndarray | None]:
        """Return the rows of a fit and their groups, and set the attributes of the data."""
        X, y = as_numpy(X), as_target(y)
        if y is None:
            raise ValueError(f"This {type(self).__name__} estimator requires y to be passed, but the target y is None.")
        network, checks = network_of(template), SharedChecks()
        if network is template:  # raises the errors of fit for all rows, before some are held out
            checks = CheckedWhole(clone(network), X, y, network._as_weights(sample_weight, X))
        X, y = (data if hasattr(data, "shape") else np.asarray(data) for data in indexable(X, y))
        validate_data(self, X, skip_check_array=True)
        if isinstance(network, BaseRegularizedMLP):
            sample_weight = network._as_weights(sample_weight, X)
        weight = check_weights(as_numpy(sample_weight, "sample_weight"), X)
        groups = group_of_rows(groups, num_samples(X))
        y, classes = self._set_targets(y)
        if groups is not None:
            structure = RowStructure(groups, True, structure.time)
        data = EnsembleData(X, y, weight, classes, structure, checks)
        return data, structure.groups if structure.whole_groups else None

    def _conclude(self, fits: Sequence[MemberFit], data: EnsembleData) -> list[Message]:
        """Set the fitted attributes from the fits of the members, and return the warnings."""
        messages = [message for fit in fits for message in fit.messages]
        failed = {number: fit.error for number, fit in enumerate(fits) if fit.error is not None}
        if len(failed) == len(fits):
            error = fits[0].error
            if len(fits) > 1:
                error.add_note(f"All {len(fits)} members of the ensemble have failed; this is the error of the first.")
            raise error
        self.failures_ = {number: f"{type(error).__name__}: {error}" for number, error in failed.items()}
        if failed:
            number, text = next(iter(self.failures_.items()))
            message = (
                f"{len(failed)} of {len(fits)} members of the ensemble have failed and are left out; the error of "
                f"member {number} was {text}"
            )
            messages.append((message, FitFailedWarning))
        fitted = [plan for fit in fits if fit.error is None for plan in member_plans(fit.plan)]
        self.members_ = [plan.estimator for plan in fitted]
        self._set_oof_predictions(fitted, data)
        return messages

    def _set_oof_predictions(self, plans: Sequence[Plan], data: EnsembleData) -> None:
        """Predict each row by the members that have not seen it."""
        held_out = np.zeros((len(plans), num_samples(data.X)), dtype=bool)
        for row, plan in zip(held_out, plans, strict=True):
            row[plan.held_out] = True
        self.oof_predictions_ = self.oof_score_ = self._residuals = None
        if not held_out.any():
            return
        held = HeldOutPredictions(held_out, self._held_out_predictions(plans, held_out, data))
        self.oof_predictions_ = held.mean()
        known = data.known_rows(held_out)
        if known.any():
            weight = None if data.sample_weight is None else data.sample_weight[known]
            self._set_out_of_fold(held.of_rows(known), known, weight, data)
            self.oof_score_ = self._score_of(self.oof_predictions_[known], np.asarray(data.y)[known], weight)

    def _held_out_predictions(
        self, plans: Sequence[Plan], held_out: np.ndarray, data: EnsembleData
    ) -> list[np.ndarray]:
        """Return the predictions of each member for its held-out rows, in ascending order."""
        # A member that has seen all rows, as a bootstrap sample of few rows can be, predicts one, and it is left out.
        rows = [np.flatnonzero(row) for row in held_out]
        return [
            self._member_predictions(plan.estimator, safe_indexing(data.X, own if len(own) else [0]))[: len(own)]
            for plan, own in zip(plans, rows, strict=True)
        ]

    # -- the fitted ensemble -------------------------------------------------------------------------------

    def predict_members(self, X):
        """Return the predictions of each member, for an estimate of uncertainty.

        Where the training rows determine the prediction least, members differ most [1]_. The spread is that of the
        fits: it does not contain the noise of the targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)
            Inputs.

        Returns
        -------
        MemberPredictions
            A named tuple: ``members`` of shape (n_members, n_rows, ...), where ... stands for the shape of one row of
            `predict_proba`, or of `predict` for numbers; and their ``mean`` and ``std`` over the first axis. They are
            not calibrated.

        References
        ----------
        .. [1] B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and scalable predictive uncertainty estimation
           using deep ensembles", NeurIPS 2017.
        """
        check_is_fitted(self)
        predictions = stacked_predictions(self, X)
        return MemberPredictions(predictions, predictions.mean(axis=0), predictions.std(axis=0))

    def _mean_prediction(self, X) -> np.ndarray:
        check_is_fitted(self)
        total = sum(self._member_predictions(member, X) for member in self.members_)
        return total / len(self.members_)

    @property
    def feature_importances_(self) -> np.ndarray:
        """Mean of the members' importances."""
        return np.mean(self._of_members("feature_importances_"), axis=0)

    @property
    def selected_features_(self) -> np.ndarray:
        """Features that at least one member uses, as indices, or as names if members know those."""
        used = np.unique(np.concatenate(self._of_members("selected_features_")))
        names = getattr(self, "feature_names_in_", used)
        return names[np.isin(names, used)] if np.isin(used, names).all() else used

    def _required_residuals(self, method: str):
        """Return what a method compares new rows with; raise ValueError if there is nothing."""
        check_is_fitted(self)
        if self._residuals is None:
            raise ValueError(
                f"{method} needs rows with positive weight that members have not seen, from folds or bootstrap=True; "
                "got none."
            )
        return self._residuals

    def _of_members(self, name: str) -> list[np.ndarray]:
        """Return an attribute of every member that speaks of features."""
        check_is_fitted(self)
        owners = [_owner_of(member, name) for member in self.members_]
        if len({owner.n_features_in_ for owner in owners}) > 1:
            raise AttributeError(
                f"{name} needs members with the same features; got members whose transformers have made "
                f"{[owner.n_features_in_ for owner in owners]} features of their rows."
            )
        return [getattr(owner, name) for owner in owners]

    @available_if(_can_be_pruned)
    def prune(self):
        """Return an ensemble of smaller members with the same predictions.

        See :meth:`skreg.RegularizedMLPClassifier.prune`.

        Returns
        -------
        object
            A new ensemble of the same class and parameters.

        Raises
        ------
        NotFittedError
            If the ensemble has not been fitted.
        """
        check_is_fitted(self)
        pruned = copy.copy(self)
        pruned.members_ = [with_last(copy.deepcopy(member), _pruned) for member in self.members_]
        return pruned

    def __sklearn_is_fitted__(self):
        return hasattr(self, "members_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        of_member = get_tags(self._template())
        tags.input_tags = of_member.input_tags
        tags.target_tags = of_member.target_tags
        for name in ("classifier_tags", "regressor_tags"):
            if getattr(tags, name) is not None and getattr(of_member, name) is not None:
                setattr(tags, name, getattr(of_member, name))
        tags.non_deterministic = of_member.non_deterministic
        return tags


def stacked_predictions(ensemble: BaseEnsemble, X) -> np.ndarray:
    """Return the predictions of all members, of shape (n_members, n_rows, ...)."""
    return np.stack([ensemble._member_predictions(member, X) for member in ensemble.members_])


def _owner_of(member, name: str):
    """Return a fitted member, or what is inside of it if it does not have an attribute.

    A pipeline that makes features of columns has importances of its own, if it knows which column each is of.
    """
    if hasattr(member, name):
        return member
    *_, innermost = opened(member)
    return innermost


def with_seeds(estimator, random: np.random.RandomState):
    """Return a copy of an estimator, every ``random_state`` in which is set to a number drawn from a generator."""
    member = clone(estimator)
    names = sorted(name for name in member.get_params() if name == "random_state" or name.endswith("__random_state"))
    return member.set_params(**{name: int(random.randint(SEED_LIMIT)) for name in names})
