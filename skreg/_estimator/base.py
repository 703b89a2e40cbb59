"""What the classifier and the regressor share: parameters and `fit`."""

from abc import abstractmethod
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import scipy.sparse
import torch
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.metrics import get_scorer_names
from sklearn.utils import check_consistent_length

from skreg._axes import AXES
from skreg._estimator.alone import train_pending
from skreg._estimator.attributes import unchanged_on_error
from skreg._estimator.checks import ChecksMixin
from skreg._estimator.data import Table, as_numpy
from skreg._estimator.fitted import FittedMLP
from skreg._estimator.groups import GroupsMixin
from skreg._estimator.incremental import IncrementalMixin
from skreg._estimator.prepare import finish, prepare
from skreg._sklearn_private import HasMethods, Hidden, Interval, Options, StrOptions, fit_context, num_samples
from skreg._warnings import Message, WarningSink, give_warnings
from skreg.constraints import Constraint
from skreg.constraints._resolve import ALIASES as CONSTRAINTS
from skreg.engine.arrays import mapped_file
from skreg.engine.spec import ClassWeights
from skreg.engine.threads import StopSignal
from skreg.losses import LabelSmoothing
from skreg.network.activation import ACTIVATIONS
from skreg.network.norm import NORMALIZATION_AXES
from skreg.penalties import Penalty
from skreg.penalties._resolve import ALIASES
from skreg.stopping import Following, split_by, split_validation, takes_groups


class BaseRegularizedMLP(CallbackSupportMixin, GroupsMixin, ChecksMixin, IncrementalMixin, FittedMLP):
    """Base class of the estimators; use a subclass."""

    _parameter_constraints: ClassVar[dict] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "penalty": [StrOptions(set(ALIASES)), Penalty, None],
        "alpha": [Interval(Real, 0, None, closed="left"), "array-like", None],
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), None],
        "constraint": [StrOptions(set(CONSTRAINTS)), Constraint, list, tuple, None],
        "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
        "input_dropout": [Interval(Real, 0, 1, closed="left")],
        "normalization": [StrOptions(set(NORMALIZATION_AXES)), None],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "solver": [StrOptions({"adam", "sgd", "lbfgs"})],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive", "cosine"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean", HasMethods(["split", "get_n_splits"]), Hidden(Following)],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "refit_on_all": ["boolean"],
        "scoring": [StrOptions({"loss", *get_scorer_names()}), callable],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "device": [str, torch.device],
        "callbacks": [list, tuple, None],
        **{axis.name: axis.constraint for axis in AXES},
    }

    def __init__(
        self,
        hidden_layer_sizes,
        activation,
        *,
        loss,
        penalty,
        alpha,
        l1_ratio,
        constraint,
        dropout,
        input_dropout,
        normalization,
        weight_decay,
        solver,
        batch_size,
        learning_rate,
        learning_rate_init,
        power_t,
        max_iter,
        shuffle,
        random_state,
        tol,
        verbose,
        warm_start,
        momentum,
        nesterovs_momentum,
        early_stopping,
        validation_fraction,
        refit_on_all,
        scoring,
        beta_1,
        beta_2,
        epsilon,
        n_iter_no_change,
        max_fun,
        device,
        callbacks,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.constraint = constraint
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.normalization = normalization
        self.weight_decay = weight_decay
        self.solver = solver
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.refit_on_all = refit_on_all
        self.scoring = scoring
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.device = device
        self.callbacks = callbacks

    # -- hooks of subclasses -------------------------------------------------------------------------------

    @abstractmethod
    def _encode_targets(self, y, dtype, keep_classes: bool) -> np.ndarray:
        """Return targets of shape (n_samples, n_targets) for the loss; set what decoding needs."""

    @property
    def _target_rules(self) -> tuple[LabelSmoothing, ...]:
        """Rules that change the targets of the training rows."""
        return ()

    @abstractmethod
    def _strata(self, targets: np.ndarray) -> np.ndarray | None:
        """Return the class of each row whose proportions a validation split keeps, or None."""

    def _given_class_weights(self, targets: np.ndarray) -> ClassWeights | None:
        """Return the weights of classes that the user has given as numbers; None without."""

    def _class_weights(self, table: Table, rows: np.ndarray) -> ClassWeights | None:
        """Return the weights of classes, balanced on some rows with class_weight='balanced'; None without."""
        return self._given_class_weights(table.targets)

    def _check_weighted_targets(self, targets: np.ndarray) -> None:
        """Raise if the targets of the rows with positive weight are not enough to learn from."""

    # -- fit -----------------------------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None, groups=None):
        """Fit the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs: an array, a data frame of pandas or polars, a torch tensor, or a sparse matrix. float32 and float64
            keep their type, everything else becomes float64. Sparse rows are made dense block by block, and rows of a
            file that is mapped into memory are read when they are needed.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels (or a label indicator matrix) for classification, numbers for regression.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, at least 0. Rows with weight 0 are left out. None means equal weights.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Rows to validate on after every epoch, instead of a part of X. With ``early_stopping=True`` they decide when
            to stop; otherwise their loss and score are recorded. In a pipeline they pass through the steps before if it
            is told ``transform_input=["X_val"]``.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Targets of `X_val`; needed with it. TransformedTargetRegressor does not transform them: give it
            transformed ones.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of these rows.
        groups : array-like of shape (n_samples,), default=None
            Group of each row. With ``early_stopping=True`` whole groups are held out; a splitter in `early_stopping`
            gets them; without early stopping they have no effect. The searches of :mod:`skreg.model_selection` hand on
            theirs, scikit-learn's and pipelines do so with metadata routing enabled.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are not as described, or if training diverges. The estimator is then as
            it was before.
        """
        validation = {"X_val": X_val, "y_val": y_val, "sample_weight_val": sample_weight_val, "groups": groups}
        self._fit_alone(X, y, sample_weight, warn=give_warnings, **validation)
        return self

    def _fit_alone(
        self, X, y, sample_weight=None, *, warn: WarningSink, stopped: StopSignal | None = None, **validation
    ) -> None:
        """Fit the network by itself, unless a signal says to give that up, and hand its warnings to ``warn``."""
        with unchanged_on_error(self):
            self._fit(X, y, sample_weight, warn=warn, stopped=stopped, **validation)

    @staticmethod
    def _as_weights(sample_weight, X):
        """Return weights as an array, or None; one number stands for all rows."""
        sample_weight = as_numpy(sample_weight)
        return np.full(num_samples(X), float(sample_weight)) if isinstance(sample_weight, Real) else sample_weight

    @with_callbacks
    def _fit(self, X, y, sample_weight, *, warn, stopped, **validation):
        X, y, sample_weight = as_numpy(X), as_numpy(y), self._as_weights(sample_weight, X)
        task = self._init_callback_context(max_subtasks=self.max_iter)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        task.call_on_fit_task_begin(estimator=self, X=X, y=y, metadata=metadata)
        checkpoint = vars(self).pop("_checkpoint", None)
        messages: list[Message] = []
        try:
            pending = prepare(self, X, y, sample_weight, checkpoint=checkpoint, messages=messages, **validation)
        finally:
            warn(messages)
        task_of_callbacks = task if getattr(self, "_skl_callbacks", None) else None
        result = train_pending(pending, checkpoint, task_of_callbacks, stopped)
        warn(finish(pending, result))
        task.call_on_fit_task_end(estimator=self, X=X, y=y, metadata=metadata, reconstruction_attributes={})

    def _can_be_a_member(self, X, X_val) -> bool:
        """Return whether the network can be trained together with others."""
        is_validated = bool(self.early_stopping) or X_val is not None
        return not (
            self.solver == "lbfgs"
            or self.callbacks
            or getattr(self, "_skl_callbacks", None)
            or hasattr(self, "_checkpoint")
            or (self.warm_start and self.learning_rate == "invscaling")  # whose rate depends on earlier calls
            or self.verbose
            or (is_validated and self.scoring != "loss")
            or (self.early_stopping and self.refit_on_all)
            or mapped_file(X) is not None
        )

    # -- parts of the fit ----------------------------------------------------------------------------------

    def _split(self, table: Table, groups, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the indices of the rows for training and for validation."""
        indices = table.nonzero_weight_indices
        rule, structure = self._stopping_rule()
        if groups is not None:
            check_consistent_length(table.targets, groups)
        if hasattr(rule, "split"):
            if groups is None and takes_groups(rule):
                groups = structure.groups
            X, y = table.source
            train, valid = split_by(
                rule, table.X if scipy.sparse.issparse(X) else X, y, groups=groups, indices=indices, seed=seed
            )
        else:
            if groups is None and structure.whole_groups:
                groups = structure.groups
            train, valid = split_validation(
                len(indices),
                self.validation_fraction,
                classes=self._strata(table.targets[indices]),
                seed=seed,
                groups=None if groups is None else np.asarray(groups)[indices],
                time=None if structure.time is None else structure.time[indices],
            )
            train, valid = indices[train], indices[valid]
        self._check_weighted_targets(table.targets[train])
        return train, valid
