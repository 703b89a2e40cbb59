"""Base class of the classifier and the regressor: the parameters of a given strength, and `fit`."""

from abc import abstractmethod
from collections.abc import Callable
from numbers import Real
from typing import ClassVar

import numpy as np
import scipy.sparse
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.metrics import get_scorer_names

from skreg._estimator.attributes import unchanged_on_error
from skreg._estimator.data import Table, as_numpy
from skreg._estimator.fitted import FittedMLP
from skreg._estimator.groups import GroupsMixin, group_of_rows
from skreg._estimator.incremental import IncrementalMixin
from skreg._estimator.parameters import Numbers
from skreg._estimator.prepare import finish, prepare
from skreg._estimator.single import train_pending
from skreg._numbers import fits_float
from skreg._parameter import parameter, with_parameters
from skreg._sklearn_private import Interval, StrOptions, fit_context, num_samples
from skreg._warnings import Message, WarningSink, give_warnings
from skreg.engine.arrays import mapped_file
from skreg.engine.spec import ClassWeights
from skreg.engine.threads import StopSignal
from skreg.losses import LabelSmoothing
from skreg.stopping import split_by, split_validation, takes_groups


@with_parameters
class BaseRegularizedMLP(CallbackSupportMixin, GroupsMixin, IncrementalMixin, FittedMLP):
    """Base class of the estimators; use a subclass."""

    alpha: Numbers | None = parameter(
        "float, sequence of float or None",
        """Strength of the penalty, at least 0: one for all weight matrices, or one for each, so that
        ``alpha=(0.02, 0, 0)`` penalizes only the first of three. None means 1e-4. Must be None beside a penalty object;
        has no effect (and warns) beside ``penalty=None``. With 'group_lasso', 'sparse_group_lasso' or 'hierarchical',
        one number is the strength on the first matrix, and the others get an L2 penalty of strength 1e-3.
        """,
        default=None,
        constraints=[Interval(Real, 0, None, closed="left"), "array-like", None],
        after="penalty",
    )
    verbose: bool | int = parameter(
        "bool",
        "Whether to print a table with one line for each epoch.",
        default=False,
        constraints=["verbose"],
        after="tol",
    )
    warm_start: bool = parameter(
        "bool",
        """Whether `fit` starts from the weights of the previous call. The solver starts afresh (:meth:`load_checkpoint`
        continues exactly), and all parameters, `activation` too, are those of the new call.
        """,
        default=False,
        constraints=["boolean"],
        after="verbose",
    )
    scoring: str | Callable = parameter(
        "str or callable",
        """Metric that `early_stopping` monitors: the validation loss, or any scorer of scikit-learn (greater is
        better). In a regressor the loss of a row counts at most 50 times the mean, so that one wrong row does not
        choose the epoch.
        """,
        default="loss",
        constraints=[StrOptions({"loss", *get_scorer_names()}), callable],
        after="refit_on_all",
    )

    # Parameters that the checks of data depend on, beside class and data, and attributes that they set. Estimators that
    # agree in these parameters can share the results.
    _data_parameters: ClassVar[tuple[str, ...]] = ("loss",)
    _data_attributes: ClassVar[tuple[str, ...]] = ("n_features_in_", "feature_names_in_", "source_columns_")
    # Parameters with an effect under one loss alone, and that loss.
    _loss_parameters: ClassVar[dict[str, str]] = {}

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

    def _transform_targets(self, table: Table, *, goes_on: bool) -> None:
        """Transform the targets of rows to train on, as the parameters say; set what predictions need for the way back.

        ``goes_on`` tells whether training goes on from an earlier call.
        """

    def _target_messages(self, table: Table) -> list[Message]:
        """Return warnings of how targets have been transformed."""
        return []

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
            to stop; otherwise their loss and score are recorded. In a pipeline with ``transform_input=["X_val"]`` they
            pass through the steps before.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Targets of `X_val`, required with it. The parameter `target_transform` of a regressor transforms them as it
            does y; TransformedTargetRegressor does not: give it transformed ones.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of these rows.
        groups : array-like of shape (n_samples,), default=None
            Group of each row. With ``early_stopping=True`` whole groups are held out; a splitter in `early_stopping`
            gets them; without early stopping they have no effect. The searches of :mod:`skreg.model_selection` pass
            theirs on; scikit-learn's searches and pipelines do so with metadata routing enabled.

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
        sample_weight = as_numpy(sample_weight, "sample_weight")
        is_one = isinstance(sample_weight, Real) and fits_float(sample_weight)
        return np.full(num_samples(X), float(sample_weight)) if is_one else sample_weight

    @with_callbacks
    def _fit(self, X, y, sample_weight, *, warn, stopped, **validation):
        X, y, sample_weight = as_numpy(X), as_numpy(y, "y"), self._as_weights(sample_weight, X)
        # How many epochs min_steps makes of max_iter is known only when the rows are split.
        n_epochs = self.max_iter if self.min_steps is None else None
        task = self._init_callback_context(max_subtasks=n_epochs)
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
        groups = group_of_rows(groups, len(table.targets))
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
