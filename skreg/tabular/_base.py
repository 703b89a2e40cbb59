"""What the estimators to start with have in common."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.metrics import get_scorer_names
from sklearn.pipeline import make_pipeline
from sklearn.utils import check_array, check_consistent_length, get_tags
from sklearn.utils.validation import check_is_fitted

from skreg._composition import last_of
from skreg._doc_link import DocLink
from skreg._estimator.attributes import copy_attributes, forget
from skreg._estimator.base import BaseRegularizedMLP
from skreg._estimator.data import as_numpy, as_target, check_weights
from skreg._estimator.groups import GroupsMixin
from skreg._parameter import parameter, with_parameters
from skreg._sklearn_private import StrOptions, fit_context
from skreg._warnings import Message, give_warnings, keeping_warnings
from skreg.engine.spec import FitResult
from skreg.ensemble._base import MEMORY_LIMIT, VERBOSE
from skreg.model_selection._deferred import FittedTogether, PendingFits
from skreg.pipeline import TablePipeline, table_pipeline
from skreg.preprocessing import TableEncoder
from skreg.tabular._blend import OF_DATA, Blend, can_be_blended, shares
from skreg.tabular._inputs import SharedInputs, network_of, transformers_of
from skreg.tabular._members import default_members
from skreg.tabular._summary import summary

N_FOLDS = 5


@dataclass
class PendingTabular(PendingFits):
    """An estimator whose folds are prepared but not trained."""

    estimator: "BaseTabularMLP"
    folds: object
    pending: PendingFits
    y: object
    sample_weight: np.ndarray | None

    @property
    def fits(self):
        """The fits of all networks of all folds."""
        return self.pending.fits

    def finish(self, results: Sequence[FitResult]) -> list[Message]:
        """Set the fitted attributes, and return the warnings."""
        messages = self.pending.finish(results)
        self.estimator._set_fitted(self.folds, self.y, self.sample_weight)
        failures = self.estimator.failures_
        if failures:
            name, error = next(iter(failures.items()))
            text = (
                f"{len(failures)} of {len(failures) + len(self.estimator.weights_)} networks have failed on a fold and "
                f"are left out; the error of {name!r} was {error}"
            )
            messages.append((text, FitFailedWarning))
        if isinstance(self.estimator.members, str):
            # The number of epochs follows from the number of rows, and each network keeps its best one.
            messages = [message for message in messages if not issubclass(message[1], ConvergenceWarning)]
        return messages


def encoded_widths(template: TablePipeline, X, y) -> dict[str, int]:
    """Return the number of features that each network of a blend gets for all rows; folds have about as many."""
    messages: list[Message] = []  # which folds have, too
    with keeping_warnings(messages):
        encoded = clone(template.steps[0][1]).fit(X, y).transform(X)
    inputs = SharedInputs(encoded, y, None, {}, np.random.RandomState(0))
    return {name: inputs.of(name, member).n_features for name, member in last_of(template).networks}


def without_too_many_features(members: list[tuple], widths: dict[str, int], n_rows: int) -> list[tuple]:
    """Return members without those whose transformers make more features of the encoded ones than there are rows."""
    return [(name, member) for name, member in members if not transformers_of(member) or widths[name] <= n_rows]


@with_parameters
class BaseTabularMLP(FittedTogether, GroupsMixin, DocLink, BaseEstimator):
    """Base class of the estimators to start with; use a subclass."""

    members: Any = parameter(
        "'auto' or list of (str, estimator)",
        """Names and networks, of which each is trained on every fold: :class:`~skreg.RegularizedMLPClassifier` or
        :class:`~skreg.RegularizedMLPRegressor`, or pipelines of transformers of encoded rows and such a network. 'auto'
        stands for a linear model with an L2 penalty, a network with an L1 penalty, and a medium and a wide one with
        weight decay and dropout; where there are rows enough, also for networks of pieces of each number's range
        (:class:`~skreg.preprocessing.PiecewiseLinearEncoder`); where columns outnumber rows, for one that selects
        columns. Those with early stopping stop on the rows that are held out of their fold.
        """,
        default="auto",
        constraints=[StrOptions({"auto"}), list, tuple],
        kw_only=False,
    )
    cv: Any = parameter(
        "int, cross-validation splitter, iterable of splits or None",
        """Folds. An int is their number, from 2 to that of the rows: of shuffled rows, stratified for class labels, and
        of whole groups where `fit` is given groups. None means 5.
        """,
        default=N_FOLDS,
        constraints=["cv_object"],
    )
    scoring: Any = parameter(
        "str or callable",
        """What the weights of the networks are chosen by, on held-out rows: 'loss', the log-loss or the squared error,
        or any scorer of scikit-learn (greater is better). Networks stop early by the loss in any case.
        """,
        default="loss",
        constraints=[StrOptions({"loss", *get_scorer_names()}), callable],
    )
    categorical_features: Any = parameter(
        "'from_dtype' or array-like of {bool, int, str}",
        "Columns that are categories whatever their dtype, as in :class:`~skreg.preprocessing.TableEncoder`.",
        default="from_dtype",
        constraints=["array-like", StrOptions({"from_dtype"})],
    )
    n_jobs: int | None = parameter(
        "int or None",
        """Number of populations of networks that are trained at the same time, in threads or by the backend of
        :func:`joblib.parallel_config`. None means the number of the joblib configuration, else 1.
        """,
        default=None,
        constraints=[Integral, None],
    )
    memory_limit: int | None = MEMORY_LIMIT
    random_state: int | np.random.RandomState | None = parameter(
        "int, RandomState instance or None",
        "Seed of folds, encoders and networks. None means fresh entropy.",
        default=None,
        constraints=["random_state"],
    )
    verbose: bool | int = VERBOSE

    # Class of the networks, and of the ensemble of folds.
    _network_kind: type[BaseRegularizedMLP]
    _fold_kind: type
    # Parameters of the encoder that are not its defaults.
    _encoder_parameters: ClassVar[dict[str, Any]] = {}

    # -- fit -----------------------------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None, *, groups=None):
        """Fit all networks on all folds, and weight them.

        Parameters
        ----------
        X : {dataframe, array-like} of shape (n_samples, n_features)
            A table as it is: a frame of pandas or polars with numbers, categories, text, dates and gaps, or an array.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels (or a label indicator matrix) for classification, numbers for regression.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, at least 0, for the fits, for early stopping, and for the weights of the networks. None means equal
            weights.
        groups : array-like of shape (n_samples,), default=None
            Group of each row. Whole groups are held out.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are not as described, or if all networks fail. The estimator is then as it was
            before.
        """
        self._fit_alone(X, y, sample_weight, groups=groups, warn=give_warnings)
        return self

    @property
    def _wants_groups(self) -> bool:
        return True

    def _trains_together(self):
        return True  # others than such networks are an error

    def _prepare(self, X, y, sample_weight=None, *, groups=None, messages, **options):
        forget(self)
        X, y, weight, of_user = self._checked_rows(X, y, sample_weight)
        folds = self._make_folds(*X.shape)
        widths, networks = encoded_widths(folds.estimator, X, y), last_of(folds.estimator).networks
        if isinstance(self.members, str):
            networks = without_too_many_features(networks, widths, self._n_trained(len(y)))
        folds.estimator.set_params(blend__networks=networks, blend__widths=widths)
        pending = folds._prepare(X, y, weight, groups=groups, messages=messages, **options)
        return PendingTabular(self, folds, pending, y, of_user)

    def _checked_rows(self, X, y, sample_weight) -> tuple:
        """Return X, y, weights with those of classes, and those of the user alone.

        Raises
        ------
        ValueError
            About what no fold can be fitted to.
        """
        X, y = as_numpy(X), as_target(y)
        if y is None:
            raise ValueError(f"This {type(self).__name__} estimator requires y to be passed, but the target y is None.")
        X = X if hasattr(X, "shape") else np.asarray(X)
        if len(X.shape) != 2:
            raise ValueError(
                "Expected 2D array: X must be a table of shape (n_samples, n_features); got an array of shape "
                f"{tuple(X.shape)!r}. Reshape your data with X.reshape(-1, 1) if they are one column."
            )
        check_consistent_length(X, y)
        labels = check_array(y, accept_sparse="csr", ensure_2d=False, dtype=None, input_name="y")
        network = self._target_network()
        targets = network._encode_targets(labels, np.float64, keep_classes=False)
        of_user = check_weights(network._as_weights(sample_weight, X), X)
        weight = self._row_weights(network, targets, of_user)
        network._check_weighted_targets(targets if weight is None else targets[weight > 0])
        return X, y, weight, of_user

    def _target_network(self) -> BaseRegularizedMLP:
        """Return a network that checks targets."""
        return self._network_kind()

    def _row_weights(self, network, targets, sample_weight):
        """Return the weights of the rows, with those of classes."""
        return sample_weight

    def _make_folds(self, n_rows: int, n_columns: int):
        """Return the unfitted ensemble of folds for a table."""
        cv = N_FOLDS if self.cv is None else self.cv
        if isinstance(cv, Integral) and cv > n_rows:
            raise ValueError(
                "The 'cv' parameter must be an int from 2 to the number of rows, a splitter or splits; got "
                f"cv={cv!r} with n_samples={n_rows}."
            )
        # Arrays whatever the user has set for all transformers: frames are not filled up to one width.
        encoder = TableEncoder(categorical_features=self.categorical_features, **self._encoder_parameters)
        encoder.set_output(transform="default")
        template = table_pipeline(Blend(self._checked_members(self._n_trained(n_rows), n_columns)), encoder=encoder)
        names = ("cv", "scoring", "n_jobs", "memory_limit", "random_state", "verbose", *self._fold_parameters)
        return self._fold_kind(template, **{name: getattr(self, name) for name in names})

    _fold_parameters: tuple[str, ...] = ()

    def _n_trained(self, n_rows: int) -> int:
        """Return about how many rows a fold trains on."""
        n_folds = self.cv if isinstance(self.cv, Integral) else N_FOLDS
        return max(1, round(n_rows * (1 - 1 / n_folds)))

    def _checked_members(self, n_rows: int, n_columns: int) -> list[tuple[str, BaseRegularizedMLP]]:
        """Return names and networks; raise ValueError if there are others than such."""
        if isinstance(self.members, str):
            return default_members(self._network_kind, n_rows, n_columns)
        members, kind = list(self.members), self._network_kind
        for member in members:
            is_pair = isinstance(member, tuple) and len(member) == 2 and isinstance(member[0], str)
            network = network_of(member[1]) if is_pair else None
            if not (isinstance(network, kind) and can_be_blended(network)):
                raise ValueError(
                    f"The 'members' parameter must be 'auto' or hold pairs of a name and a {kind.__name__}, or a "
                    "pipeline of transformers and such a network, that can be trained together with others and "
                    "predicts one number for each target (without solver='lbfgs', callbacks, verbose=True, "
                    "refit_on_all=True, several quantiles, or a scoring or `fit` of its own); "
                    f"got {member!r}."
                )
        names = [name for name, _ in members]
        if not names or len(set(names)) < len(names):
            raise ValueError(
                f"The 'members' parameter must be 'auto' or hold networks, each with a name of its own; got {names!r}."
            )
        return members

    def _set_fitted(self, folds, y, sample_weight: np.ndarray | None) -> None:
        """Set the fitted attributes from the fitted folds, y, and the weights of the user."""
        self.folds_ = folds
        self.weights_, self.losses_ = folds.weights_, folds.losses_
        self.best_member_ = min(folds.losses_, key=folds.losses_.get)
        self.members_ = {name: self._member(name) for name in folds.weights_}
        self.oof_predictions_, self.oof_score_ = folds.oof_predictions_, folds.oof_score_
        self.loss_, self.failures_ = folds.loss_, folds.network_failures_
        copy_attributes(folds, self, OF_DATA)

    @abstractmethod
    def _member(self, name: str):
        """Return the ensemble of folds of one network."""

    # -- the fitted estimator ------------------------------------------------------------------------------

    def predict(self, X):
        """Predict classes or numbers.

        Parameters
        ----------
        X : {dataframe, array-like} of shape (n_samples, n_features)
            A table with the columns of `fit`.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions.
        """
        check_is_fitted(self)
        return self.folds_.predict(X)

    def predict_members(self, X):
        """Return the predictions of the networks of each fold, for an estimate of uncertainty.

        Parameters
        ----------
        X : {dataframe, array-like} of shape (n_samples, n_features)
            A table with the columns of `fit`.

        Returns
        -------
        MemberPredictions
            A named tuple: ``members`` of shape (n_folds, n_samples, ...), the weighted means of the networks of each
            fold, and their ``mean`` and ``std`` over the folds.
        """
        check_is_fitted(self)
        return self.folds_.predict_members(X)

    def score(self, X, y, sample_weight=None):
        """Return the accuracy or R².

        Parameters
        ----------
        X : {dataframe, array-like} of shape (n_samples, n_features)
            A table with the columns of `fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        float
            The score; 1 is best.
        """
        check_is_fitted(self)
        return self.folds_.score(X, y, sample_weight)

    def summary(self) -> str:
        """Return in words what was trained, how much each network counts, and how good it is.

        Returns
        -------
        str
            Several lines.
        """
        check_is_fitted(self)
        return summary(self)

    @property
    def feature_importances_(self) -> np.ndarray:
        """Importance of each column of the table: weighted means over networks and folds; they sum to 1."""
        check_is_fitted(self)
        return shares(np.asarray(self.folds_.feature_importances_))

    def __sklearn_is_fitted__(self):
        return hasattr(self, "folds_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        folds = get_tags(self._fold_kind(table_pipeline(self._network_kind())))
        tags.input_tags, tags.target_tags = folds.input_tags, folds.target_tags
        for name in ("classifier_tags", "regressor_tags"):
            setattr(tags, name, getattr(folds, name))
        # Tags are asked for before the parameters are checked.
        members = () if isinstance(self.members, str) else self.members
        pairs = [member for member in members if isinstance(member, tuple)]
        parts = [network_of(part) for pair in pairs for part in pair]
        networks = [network for network in parts if isinstance(network, self._network_kind)]
        tags.target_tags.positive_only = any(get_tags(network).target_tags.positive_only for network in networks)
        return tags


def member_of(folds, kind: type, name: str):
    """Return the fitted ensemble of one network of all folds, as an estimator of a class, with the same rows."""

    def of_member(encoder, member):
        transformers = [step for _, step in transformers_of(member)]
        return TablePipeline(make_pipeline(encoder, *transformers, network_of(member)).steps)

    (_, encoder), (_, blend) = folds.estimator.steps
    template = clone(of_member(encoder, dict(blend.networks)[name]))
    names = ("cv", "n_jobs", "memory_limit", "random_state", "verbose")
    member = kind(template, **{parameter: getattr(folds, parameter) for parameter in names})
    copy_attributes(folds, member, (*OF_DATA, "_multilabel", "failures_"))
    member.members_ = [
        of_member(encoder, blend.networks_[name]) for (_, encoder), (_, blend) in (own.steps for own in folds.members_)
    ]
    alone = folds.networks_[name]
    member.oof_predictions_, member.oof_score_, member._residuals = alone.predictions, alone.score, alone.residuals
    return member
