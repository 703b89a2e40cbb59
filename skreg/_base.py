"""What the classifier and the regressor share: parameters, their checks, and `fit`."""

import contextlib
import inspect
from abc import abstractmethod
from collections.abc import Callable
from functools import cache, partial
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import scipy.sparse
import torch
from sklearn.base import clone, is_regressor
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer_names
from sklearn.utils import check_consistent_length

from skreg._alone import train_pending
from skreg._arrays import mapped_file
from skreg._axes import AXES
from skreg._data import Table, as_numpy, check_inputs, check_weights
from skreg._fitted import FittedMLP, dropout_rates
from skreg._incremental import OF_EARLY_STOPPING, IncrementalMixin
from skreg._prepare import finish, prepare
from skreg._scales import (
    VALIDATION_INPUTS,
    VALIDATION_TARGETS,
    advice_on_columns,
    advice_on_targets,
    look_different,
)
from skreg._seeds import generator_of
from skreg._sklearn_private import HasMethods, Hidden, Interval, Options, StrOptions, fit_context, num_samples
from skreg._warnings import warn_user
from skreg.callbacks import check_callbacks
from skreg.constraints import ALIASES as CONSTRAINTS
from skreg.constraints import Constraint
from skreg.engine.dataset import Dataset
from skreg.engine.objective import AUTO_BATCH_SIZE
from skreg.engine.spec import ClassWeights, RowChoice
from skreg.layers import ACTIVATIONS, NORMALIZATION_AXES
from skreg.losses import Loss
from skreg.penalties import Penalty
from skreg.penalties._base import layer_strengths
from skreg.penalties._resolve import ALIASES, resolve_penalty, unused_strengths
from skreg.stopping import Following, RowStructure, split_by, split_validation, takes_groups


class BaseRegularizedMLP(CallbackSupportMixin, IncrementalMixin, FittedMLP):
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

    # -- what a subclass says ------------------------------------------------------------------------------

    @abstractmethod
    def _encode_targets(self, y, dtype, keep_classes: bool) -> np.ndarray:
        """Return targets of shape (n_samples, n_targets) for the loss; set what decoding needs."""

    @property
    def _label_smoothing(self) -> float:
        """How much of each class's target is spread over all of them."""
        return 0.0

    def _training_target(self, target: torch.Tensor, loss: Loss) -> torch.Tensor:
        """Return what the network is trained towards."""
        return loss.smooth_targets(target, self._label_smoothing) if self._label_smoothing else target

    @abstractmethod
    def _strata(self, targets: np.ndarray) -> np.ndarray | None:
        """Return the class of each row whose proportions a validation split keeps, or None."""

    def _given_class_weights(self, targets: np.ndarray) -> ClassWeights | None:
        """Return the weights of classes, where the user has given numbers."""

    def _class_weights(self, table: Table, rows: np.ndarray) -> ClassWeights | None:
        """Return the weights of classes, balanced on some rows if that is asked for; None without."""
        return self._given_class_weights(table.targets)

    def _check_weighted_targets(self, targets: np.ndarray) -> None:
        """Raise if the rows with positive weight are not enough to learn from."""

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
        with self._unchanged_on_error():
            self._fit(X, y, sample_weight, **validation)
        return self

    @contextlib.contextmanager
    def _unchanged_on_error(self):
        """Undo every change of attributes if the block raises (Ctrl-C included)."""
        before = self.__dict__.copy()
        try:
            yield
        except BaseException:
            self.__dict__ = before
            raise

    def _forget(self) -> None:
        """Remove what an earlier fit has left: nothing else would take the place of all of it."""
        for name in [name for name in vars(self) if name.endswith("_") and not name.startswith("_")]:
            delattr(self, name)

    @staticmethod
    def _as_weights(sample_weight, X):
        """Return weights as an array, or None; one number stands for all rows."""
        sample_weight = as_numpy(sample_weight)
        return np.full(num_samples(X), float(sample_weight)) if isinstance(sample_weight, Real) else sample_weight

    @with_callbacks
    def _fit(self, X, y, sample_weight, **validation):
        X, y, sample_weight = as_numpy(X), as_numpy(y), self._as_weights(sample_weight, X)
        task = self._init_callback_context(max_subtasks=self.max_iter)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        task.call_on_fit_task_begin(estimator=self, X=X, y=y, metadata=metadata)
        checkpoint = vars(self).pop("_checkpoint", None)
        pending = prepare(self, X, y, sample_weight, checkpoint=checkpoint, **validation)
        result = train_pending(pending, checkpoint, task if getattr(self, "_skl_callbacks", None) else None)
        finish(pending, result)
        task.call_on_fit_task_end(estimator=self, X=X, y=y, metadata=metadata, reconstruction_attributes={})

    def _can_be_a_member(self, X, X_val) -> bool:
        """Return whether the network can be trained together with others: nothing wants to see it alone."""
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

    # -- checks: each either returns what it was asked for or raises before anything is trained ------------

    def _hidden_units(self) -> list[int]:
        """Return the units of every hidden layer."""
        sizes = self.hidden_layer_sizes
        units = [sizes] if isinstance(sizes, Integral) else list(sizes)
        if not all(isinstance(n, Integral) and not isinstance(n, bool) and n >= 1 for n in units):
            raise ValueError(f"The 'hidden_layer_sizes' parameter must hold integers of at least 1; got {sizes!r}.")
        return [int(n) for n in units]

    def _unused_parameters(self) -> dict[str, str]:
        """Return parameters that were given but change nothing of what is fitted, and which one leaves them so.

        Those are told of that regularize, choose or say what is predicted. Parameters of other solvers and schedules
        are not, as in scikit-learn's MLP; nor are those of hidden layers where there are none, as in a search over
        `hidden_layer_sizes`.
        """
        unused = dict.fromkeys(unused_strengths(self.penalty), "penalty")
        rule, _ = self._stopping_rule()
        if not rule:
            unused |= dict.fromkeys(OF_EARLY_STOPPING, "early_stopping")
        elif hasattr(rule, "split"):
            unused["validation_fraction"] = "early_stopping"
        return {name: cause for name, cause in unused.items() if not self._has_default(name)}

    def _has_default(self, name: str) -> bool:
        """Return whether a parameter has its default, which cannot be told from one that was given."""
        value, default = getattr(self, name), self._default(name)
        return value is default or (np.ndim(value) == 0 and value == default)

    def _default(self, name: str):
        return defaults_of(type(self))[name]

    def _warn_of_unused(self, used: tuple[str, ...] = ()) -> None:
        """Warn of parameters without effect, but for some that have one in this call."""
        for name, cause in self._unused_parameters().items():
            if name not in used:
                given = self._stopping_rule()[0] if cause == "early_stopping" else getattr(self, cause)
                text = "a function" if callable(given) else repr(given)
                warn_user(f"{name}={getattr(self, name)!r} has no effect with {cause}={text}.")

    def _without_unused(self):
        """Return an estimator that is fitted alike, but without parameters to warn of; itself if there are none."""
        unused = self._unused_parameters()
        return clone(self).set_params(**{name: self._default(name) for name in unused}) if unused else self

    def _check_parameters_together(self) -> None:
        """Raise if parameters that are fine each for itself do not go together."""
        n_hidden = len(self._hidden_units())
        dropout = dropout_rates(self.dropout, n_hidden)
        penalty = resolve_penalty(self.penalty, self.alpha, self.l1_ratio)
        if penalty is None:  # without effect, but not without meaning
            layer_strengths(0.0 if self.alpha is None else self.alpha, n_hidden + 1)
        if self.weight_decay * self.learning_rate_init > 1:
            raise ValueError(
                "The 'weight_decay' parameter must be at most 1 / learning_rate_init, or a step would turn signs; "
                f"got weight_decay={self.weight_decay!r}, learning_rate_init={self.learning_rate_init!r}."
            )
        if isinstance(self.loss, type):
            raise ValueError(f"The 'loss' parameter must be a function or its name; got the class {self.loss!r}.")
        rule, _ = self._stopping_rule()
        if isinstance(rule, type):
            raise ValueError(
                "The 'early_stopping' parameter must be a bool or an instance of a cross-validation splitter, such as "
                f"GroupShuffleSplit(1); got the class {rule!r}."
            )
        check_callbacks(self.callbacks)
        if self.solver == "lbfgs":
            unsuited = {
                "penalty": penalty is not None and not penalty.smooth,
                "constraint": self.constraint is not None,
                "dropout": any(dropout),
                "input_dropout": self.input_dropout > 0,
                "weight_decay": self.weight_decay > 0,
                **{axis.name: getattr(self, axis.name) is not None for axis in AXES},
            }
            for name, is_unsuited in unsuited.items():
                if is_unsuited:
                    raise ValueError(
                        "solver='lbfgs' minimizes a smooth objective: it takes penalty='l2' or None, and no "
                        f"constraint, dropout or weight_decay; got {name}={getattr(self, name)!r}. Use solver='adam' "
                        "or 'sgd'."
                    )

    def _check_device(self) -> torch.device:
        try:
            device = torch.device(self.device)
            torch.rand(1, device=device, generator=generator_of(0, device)).cpu()
        except (RuntimeError, AssertionError, ImportError, NotImplementedError) as error:
            raise ValueError(
                f"The 'device' parameter must name a device that torch can use here, such as 'cpu' or 'cuda'; "
                f"got {self.device!r}: {str(error).splitlines()[0]}"
            ) from error
        return device

    def _check_batch_size(self, n_rows: int) -> int:
        if self.solver == "lbfgs":
            return n_rows
        if self.normalization == "batch" and (n_rows < 2 or self.batch_size == 1):
            raise ValueError(
                "normalization='batch' needs batches of at least 2 rows; got "
                f"batch_size={self.batch_size!r} and n_samples={n_rows} for training."
            )
        if self.batch_size == "auto":
            return min(AUTO_BATCH_SIZE, n_rows)
        if self.batch_size > n_rows:
            warn_user(
                f"batch_size={self.batch_size!r} is larger than the {n_rows} training rows; all of them make one "
                "batch.",
            )
        return min(int(self.batch_size), n_rows)

    def _check_data(self, X, y, sample_weight, *, reset: bool, encode: Callable) -> Table:
        """Return the rows to learn from; ``encode`` takes y and the type of X, and returns targets."""
        X, y, sample_weight = as_numpy(X), as_numpy(y), as_numpy(sample_weight)
        data, labels = check_inputs(self, X, y, multi_output=True, reset=reset)
        targets = encode(labels, data.dtype)
        sample_weight = check_weights(sample_weight, data)
        table = self._weighted(Table(data, targets, sample_weight, sample_weight, (X, y)))
        self._make_loss().check_targets(targets[table.kept])
        return table

    def _learnable_data(self, X, y, sample_weight, goes_on=False) -> Table:
        """Return the rows of a whole fit."""
        encode = partial(self._encode_targets, keep_classes=goes_on)
        table = self._check_data(X, y, sample_weight, reset=not goes_on, encode=encode)
        targets = table.targets[table.kept]
        self._make_loss().check_whole(targets)
        self._check_weighted_targets(targets)
        return table

    def _weighted(self, table: Table) -> Table:
        """Return a table with the weights of classes that the user has given."""
        given = self._given_class_weights(table.targets)
        if given is not None:
            of_class = given(table.targets)
            table.weight = of_class if table.weight is None else table.weight * of_class
            if not table.weight.any():
                raise ValueError(
                    "The weights of all rows are zero: 'class_weight' must leave some rows that sample_weight leaves; "
                    f"got class_weight={self.class_weight!r}."
                )
        return table

    def _check_validation_data(self, X_val, y_val, sample_weight_val, groups, n_targets: int) -> Table | None:
        """Return the rows that the user has given to validate on."""
        if X_val is None and y_val is None and sample_weight_val is None:
            return None
        if X_val is None or y_val is None:
            given = {"X_val": X_val, "y_val": y_val, "sample_weight_val": sample_weight_val}
            names = [name for name, value in given.items() if value is not None]
            raise ValueError(f"X_val and y_val must be given together; got only {' and '.join(names)}.")
        rule, _ = self._stopping_rule()
        if hasattr(rule, "split") or groups is not None:
            raise ValueError(
                "Validation rows come either from X_val or from a splitter, which groups are for; got X_val and "
                f"early_stopping={rule!r}{'' if groups is None else ' and groups'}."
            )
        X_val, y_val = as_numpy(X_val), as_numpy(y_val)
        try:
            data, labels = check_inputs(self, X_val, y_val, multi_output=True, reset=False)
            targets = self._encode_known(labels)
            if targets.shape[1] != n_targets:
                raise ValueError(f"y_val has {targets.shape[1]} columns, and y {n_targets}.")
            weight = check_weights(as_numpy(sample_weight_val), data)
            self._make_loss().check_targets(targets if weight is None else targets[weight > 0])
        except ValueError as error:
            raise ValueError(f"X_val, y_val or sample_weight_val cannot be used: {error}") from error
        return self._weighted(Table(data, targets, weight, weight, (X_val, y_val)))

    def _warn_of_bad_settings(self, table: Table, loss: Loss, penalty: Penalty | None, layer_units) -> bool:
        """Warn of what makes training fail or mean little; return whether the data are scaled."""
        penalties = [] if penalty is None else penalty.for_layers(layer_units)
        name = type(self).__name__
        advice = [advice_on_columns(table.X, name)]
        if loss.in_units:
            advice.append(advice_on_targets(table.targets[table.kept], name))
        for text in filter(None, advice):
            warn_user(text)
        explicit = self.alpha is not None or self.penalty != "l2"
        if self.normalization and explicit and any(penalties[:-1]):
            warn_user(
                f"normalization={self.normalization!r} undoes the scale of the weights before it, so a penalty on "
                "hidden layers has no minimizer: it shrinks them for as long as training runs. Give alpha one number "
                "for each weight matrix, with 0 for all but the last; got the strengths "
                f"{[0.0 if p is None else p.alpha for p in penalties]}.",
            )
        return not any(advice)

    def _warn_of_validation_data(self, table: Table, valid_table: Table) -> None:
        """Warn of validation rows that look as if they had not been scaled like the training rows."""
        if look_different(table.X, valid_table.X):
            warn_user(VALIDATION_INPUTS.format(estimator=type(self).__name__))
        if is_regressor(self) and look_different(table.targets[table.kept], valid_table.targets[valid_table.kept]):
            warn_user(VALIDATION_TARGETS)

    def _warn_of_convergence(self, reason: str, is_scaled: bool) -> None:
        if self.solver == "lbfgs":
            text = (
                f"solver='lbfgs' has not converged: {reason} Increase max_iter={self.max_iter!r} or "
                f"max_fun={self.max_fun!r}, or scale the data."
            )
        else:
            text = f"Training reached max_iter={self.max_iter!r} epochs before it converged. "
            text += "Increase max_iter or tol." if is_scaled else "Scale the data first, as another warning says."
        warn_user(text, ConvergenceWarning)

    # -- parts of the fit ----------------------------------------------------------------------------------

    def _split(self, table: Table, groups, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the rows for training and for validation."""
        kept = table.kept
        rule, structure = self._stopping_rule()
        if groups is not None:
            check_consistent_length(table.targets, groups)
        if hasattr(rule, "split"):
            if groups is None and takes_groups(rule):
                groups = structure.groups
            X, y = table.source
            train, valid = split_by(
                rule, table.X if scipy.sparse.issparse(X) else X, y, groups=groups, kept=kept, seed=seed
            )
        else:
            if groups is None and structure.whole_groups:
                groups = structure.groups
            train, valid = split_validation(
                len(kept),
                self.validation_fraction,
                classes=self._strata(table.targets[kept]),
                seed=seed,
                groups=None if groups is None else np.asarray(groups)[kept],
                time=None if structure.time is None else structure.time[kept],
            )
            train, valid = kept[train], kept[valid]
        self._check_weighted_targets(table.targets[train])
        return train, valid

    def _stopping_rule(self) -> tuple[object, RowStructure]:
        """Return the user's `early_stopping`, and what is known of the rows from a cross-validation around the fit."""
        rule = self.early_stopping
        return (rule.early_stopping, rule.structure) if isinstance(rule, Following) else (rule, RowStructure())

    def _row_weight(self, table: Table, indices: np.ndarray) -> np.ndarray | None:
        """Return the weights of some rows to train on, the largest of which is 1; None if all are equal."""
        choice = RowChoice(indices, self._class_weights(table, indices))
        return Dataset(table.X, table.targets, table.sample_weight).weights(choice)

    @property
    def _wants_groups(self) -> bool:
        """Whether `fit` has a use for groups."""
        rule, _ = self._stopping_rule()
        return takes_groups(rule) or (isinstance(rule, bool | np.bool_) and bool(rule))

    def get_metadata_routing(self):
        """Return what metadata the methods take.

        With early stopping, or a splitter that asks for groups, `fit` takes groups if there are any, unless a request
        has been set.

        Returns
        -------
        MetadataRequest
            The requests of every method.
        """
        routing = super().get_metadata_routing()
        if self._wants_groups and routing.fit.requests.get("groups") is None:
            routing.fit.add_request(param="groups", alias=True)
        return routing


@cache
def defaults_of(kind: type) -> dict[str, object]:
    """Return the defaults of a class's parameters."""
    return {name: parameter.default for name, parameter in inspect.signature(kind).parameters.items()}
