"""What the classifier and the regressor share: parameters, validation, fitting, fitted attributes and state."""

import contextlib
import copy
import inspect
import warnings
from abc import ABC, abstractmethod
from itertools import pairwise
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import scipy.sparse
import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.utils import check_random_state
from sklearn.utils.sparsefuncs import min_max_axis
from sklearn.utils.validation import check_is_fitted, validate_data
from skorch.callbacks import Callback

from skreg._sklearn_private import (
    Interval,
    Options,
    StrOptions,
    check_sample_weight,
    fit_context,
    safe_indexing,
)
from skreg.constraints import ALIASES as CONSTRAINTS
from skreg.constraints import Constraint, resolve_constraint
from skreg.layers import ACTIVATIONS, MLP, NORMALIZATION_AXES
from skreg.losses import Loss
from skreg.optim import ProximalAdam, ProximalSGD
from skreg.penalties import Penalty
from skreg.penalties._base import layer_strengths
from skreg.penalties._resolve import ALIASES, resolve_penalty
from skreg.pruning import Weights, prune_weights
from skreg.stopping import split_validation
from skreg.training import (
    UNSUPPORTED_CALLBACKS,
    LearningRate,
    RegularizedNet,
    Rows,
    limited_threads,
    outputs_in_blocks,
    step_flops,
)

# Penalties and Adam treat all columns alike; a ratio of standard deviations beyond this gets a warning.
MAX_SCALE_RATIO = 1e3
# scikit-learn's MLP takes batches of 200 rows unless told otherwise.
AUTO_BATCH_SIZE = 200

# What `normalization_params_` holds for every hidden layer.
NORMALIZATION_PARAMETERS = {"batch": {"gain", "shift", "mean", "variance"}, "layer": {"gain", "shift"}}

_HISTORY_COLUMNS = ("epoch", "train_loss", "penalty", "train_score", "valid_loss", "valid_score", "lr")


class BaseRegularizedMLP(BaseEstimator, ABC):
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
        "solver": [StrOptions({"adam", "sgd"})],
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
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "scoring": [StrOptions({"loss", *get_scorer_names()}), callable],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "device": [str, torch.device],
        "callbacks": [list, tuple, None],
    }

    def __init__(
        self,
        hidden_layer_sizes,
        activation,
        *,
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
        scoring,
        beta_1,
        beta_2,
        epsilon,
        n_iter_no_change,
        device,
        callbacks,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
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
        self.scoring = scoring
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.device = device
        self.callbacks = callbacks

    # -- what a subclass says ------------------------------------------------------------------------------

    @abstractmethod
    def _encode_targets(self, y, dtype, keep_classes: bool) -> np.ndarray:
        """Return targets of shape (n_samples, n_outputs) for the loss; set what decoding needs."""

    @abstractmethod
    def _encode_known(self, y) -> np.ndarray:
        """Return targets for the loss of a fitted estimator, which may lack some of its classes."""

    @abstractmethod
    def _make_loss(self) -> Loss:
        """Return the loss of the encoded targets."""

    def _training_target(self, target: torch.Tensor, loss: Loss) -> torch.Tensor:
        """Return what the network is trained towards (label smoothing acts here)."""
        return target

    @abstractmethod
    def _strata(self, targets: np.ndarray) -> np.ndarray | None:
        """Return the class of each row whose proportions a validation split keeps, or None."""

    # -- fit -----------------------------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Fit the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs. float32 and float64 keep their type, everything else becomes float64. Sparse rows are made
            dense block by block.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels (or a label indicator matrix) for classification, numbers for regression.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, at least 0. Rows with weight 0 are left out. None means equal weights.

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
        with self._unchanged_on_error():
            self._fit(X, y, sample_weight)
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

    def _fit(self, X, y, sample_weight):
        goes_on = self.warm_start and hasattr(self, "coefs_")
        hidden_units, dropout = self._check_layers()
        penalty = resolve_penalty(self.penalty, self.alpha, self.l1_ratio)
        if penalty is None:  # without effect, but not without meaning
            layer_strengths(0.0 if self.alpha is None else self.alpha, len(hidden_units) + 1)
        if self.weight_decay * self.learning_rate_init > 1:
            raise ValueError(
                "The 'weight_decay' parameter must be at most 1 / learning_rate_init, or a step would turn signs; "
                f"got weight_decay={self.weight_decay!r}, learning_rate_init={self.learning_rate_init!r}."
            )
        device = self._check_device()
        self._check_callbacks()
        data, targets, weight, kept = self._check_data(X, y, sample_weight, reset=not goes_on)
        layer_units = (data.shape[1], *hidden_units, targets.shape[1])
        penalties = [None] * (len(layer_units) - 1) if penalty is None else penalty.for_layers(layer_units)
        constraints = resolve_constraint(self.constraint, penalties)
        self._warn_of_bad_settings(data, penalties)

        seeds = self._draw_seeds("init", "shuffle", "dropout", "split")
        loss = self._make_loss()
        train, valid = np.arange(len(targets)), None
        if self.early_stopping:
            train, valid = split_validation(
                len(targets), self.validation_fraction, classes=self._strata(targets), seed=seeds["split"]
            )
        batch_size = self._check_batch_size(len(train))

        def rows(indices, prepare=lambda target, loss: target):
            target = prepare(torch.as_tensor(targets[indices], device=device), loss)
            row_weight = None
            if weight is not None:
                row_weight = torch.as_tensor(weight[indices] / weight[indices].sum(), device=device)
            return Rows(data if len(indices) == len(targets) else data[indices], target, row_weight)

        module = MLP(
            layer_units,
            activation=self.activation,
            normalization=self.normalization,
            dropout=dropout,
            input_dropout=float(self.input_dropout),
            skip=penalty is not None and penalty.skip,
            dtype=torch.float32 if data.dtype == np.float32 else torch.float64,
            device=device,
        )
        if goes_on:
            self._load_parameters(module)
        else:
            module.initialize([_generator(seeds["init"])])
        train_rows = rows(train, self._training_target)
        self.out_activation_ = loss.out_activation
        valid_scorer = None
        if valid is not None and self.scoring != "loss":
            # Scorers get the rows as the user gave them, with column names; sparse ones only in a form that has rows.
            X_valid = data[valid] if scipy.sparse.issparse(data) else safe_indexing(X, kept[valid])
            valid_weight = None if weight is None else weight[valid]
            valid_scorer = self._make_valid_scorer(module, X_valid, safe_indexing(y, kept[valid]), valid_weight)
        net = RegularizedNet(
            module,
            loss,
            flat_optimizer=self._make_optimizer(module, penalties, constraints),
            learning_rate=LearningRate(self.learning_rate, self.learning_rate_init, self.power_t),
            generators={
                "shuffle": _generator(seeds["shuffle"]) if self.shuffle else None,
                "dropout": _generator(seeds["dropout"], device),
            },
            valid_rows=None if valid is None else rows(valid),
            valid_scorer=valid_scorer,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            max_epochs=self.max_iter,
            batch_size=batch_size,
            callbacks=list(self.callbacks or []),
            verbose=self.verbose,
            device=str(device),
        )
        with limited_threads(step_flops(layer_units, batch_size)):
            net.fit(train_rows)
        self._take_parameters(module)
        vars(self).pop("pruning_", None)  # that was an earlier network
        self.penalty_ = penalty
        self._take_results(net, goes_on, len(train))
        if not net.converged_:
            warnings.warn(
                f"Training reached max_iter={self.max_iter!r} epochs before it converged. Increase max_iter or tol.",
                ConvergenceWarning,
                stacklevel=4,
            )

    # -- checks: each either returns what it was asked for or raises before anything is trained ------------

    def _check_layers(self) -> tuple[list[int], list[float]]:
        """Return the units and the dropout rate of every hidden layer."""
        sizes = self.hidden_layer_sizes
        units = [sizes] if isinstance(sizes, Integral) else list(sizes)
        if not all(isinstance(n, Integral) and not isinstance(n, bool) and n >= 1 for n in units):
            raise ValueError(f"The 'hidden_layer_sizes' parameter must hold integers of at least 1; got {sizes!r}.")
        if isinstance(self.dropout, Real):
            return [int(n) for n in units], [float(self.dropout)] * len(units)
        rates = list(self.dropout)
        if len(rates) != len(units):
            raise ValueError(
                f"The 'dropout' parameter must be one number, or one for each of the {len(units)} hidden layers; "
                f"got {len(rates)} numbers: {self.dropout!r}."
            )
        if not all(isinstance(rate, Real) and 0 <= rate < 1 for rate in rates):
            raise ValueError(f"The 'dropout' parameter must hold rates in [0, 1); got {self.dropout!r}.")
        return [int(n) for n in units], [float(rate) for rate in rates]

    def _check_device(self) -> torch.device:
        try:
            device = torch.device(self.device)
            torch.rand(1, device=device, generator=_generator(0, device)).cpu()
        except (RuntimeError, AssertionError, ImportError, NotImplementedError) as error:
            raise ValueError(
                f"The 'device' parameter must name a device that torch can use here, such as 'cpu' or 'cuda'; "
                f"got {self.device!r}: {str(error).splitlines()[0]}"
            ) from error
        return device

    def _check_callbacks(self) -> None:
        for item in self.callbacks or []:
            callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
            kind = callback if isinstance(callback, type) else type(callback)
            if not issubclass(kind, Callback):
                raise TypeError(
                    "The 'callbacks' parameter must be a list of skorch callbacks or of (name, callback) pairs; "
                    f"got {item!r} in it."
                )
            for unsupported, reason in UNSUPPORTED_CALLBACKS.items():
                if issubclass(kind, unsupported):
                    raise ValueError(
                        f"The 'callbacks' parameter must not hold a {kind.__name__} ({reason}); got {item!r}."
                    )

    def _check_batch_size(self, n_rows: int) -> int:
        if self.normalization == "batch" and (n_rows < 2 or self.batch_size == 1):
            raise ValueError(
                "normalization='batch' needs batches of at least 2 rows; got "
                f"batch_size={self.batch_size!r} and n_samples={n_rows} for training."
            )
        if self.batch_size == "auto":
            return min(AUTO_BATCH_SIZE, n_rows)
        if self.batch_size > n_rows:
            warnings.warn(
                f"batch_size={self.batch_size!r} is larger than the {n_rows} training rows; all of them make one "
                "batch.",
                stacklevel=5,
            )
        return min(int(self.batch_size), n_rows)

    def _validate(self, X, y="no_validation", **options):
        """Return validated data; say what to do with text in X."""
        try:
            return validate_data(self, X, y, accept_sparse="csr", dtype=(np.float64, np.float32), **options)
        except (ValueError, TypeError) as error:
            if not _holds_text(X):
                raise
            raise type(error)(
                f"{error}\nX holds strings. Encode them first, for instance with make_pipeline(ColumnTransformer("
                "[('text', OneHotEncoder(), columns_of_strings)], remainder=StandardScaler()), "
                f"{type(self).__name__}(...))."
            ) from error

    def _check_data(self, X, y, sample_weight, reset):
        """Return X, encoded targets and weights of the rows with positive weight, and those rows' numbers."""
        data, labels = self._validate(X, y, multi_output=True, reset=reset)
        targets = self._encode_targets(labels, data.dtype, keep_classes=not reset)
        kept = np.arange(len(targets))
        if sample_weight is None:
            return data, targets, None, kept
        weight = check_sample_weight(
            sample_weight, data, dtype=np.float64, ensure_non_negative=True, allow_all_zero_weights=False
        )
        # Only ratios matter: with the largest at 1, no sum overflows and nothing that counts is lost in float32.
        weight = (weight / weight.max()).astype(data.dtype)
        # A row without weight is a row that is not there: left out, it cannot be a batch, a validation row or a
        # part of the batch size either.
        kept = np.flatnonzero(weight)
        if len(kept) < len(weight):
            data, targets, weight = data[kept], targets[kept], weight[kept]
        self._check_weighted_targets(targets)
        return data, targets, weight, kept

    def _check_weighted_targets(self, targets: np.ndarray) -> None:
        """Raise if the rows with positive weight are not enough to learn from."""

    def _warn_of_bad_settings(self, data, penalties) -> None:
        low, high = min_max_axis(data, axis=0) if scipy.sparse.issparse(data) else (data.min(0), data.max(0))
        scales = (high - low)[high > low]
        if len(scales) and scales.max() > MAX_SCALE_RATIO * scales.min():
            warnings.warn(
                f"The columns of X have very different scales (ranges from {scales.min():.3g} to "
                f"{scales.max():.3g}). Penalties and gradient steps treat all columns alike: use "
                f"make_pipeline(StandardScaler(), {type(self).__name__}(...)).",
                stacklevel=5,
            )
        explicit = self.alpha is not None or self.penalty != "l2"
        if self.normalization and explicit and any(penalties[:-1]):
            warnings.warn(
                f"normalization={self.normalization!r} undoes the scale of the weights before it, so a penalty on "
                "hidden layers has no minimizer: it shrinks them for as long as training runs. Give alpha one number "
                "for each weight matrix, with 0 for all but the last; got the strengths "
                f"{[0.0 if p is None else p.alpha for p in penalties]}.",
                stacklevel=5,
            )

    # -- parts of the fit ----------------------------------------------------------------------------------

    def _draw_seeds(self, *purposes: str) -> dict[str, int]:
        """Return one seed for each purpose.

        random_state=None takes fresh entropy from the operating system, so that numpy's global generator is left
        alone; an instance is advanced, as everywhere in scikit-learn.
        """
        if self.random_state is None:
            draws = np.random.default_rng().integers(2**31 - 1, size=len(purposes))
        else:
            draws = check_random_state(self.random_state).randint(2**31 - 1, size=len(purposes))
        return dict(zip(purposes, (int(seed) for seed in draws), strict=True))

    def _make_optimizer(self, module, penalties, constraints):
        if self.solver == "sgd":
            return ProximalSGD(
                module,
                penalties,
                constraints,
                weight_decay=self.weight_decay,
                momentum=self.momentum,
                nesterovs_momentum=self.nesterovs_momentum,
            )
        return ProximalAdam(
            module,
            penalties,
            constraints,
            weight_decay=self.weight_decay,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
        )

    def _make_valid_scorer(self, module, X, y, sample_weight):
        """Return a function that scores the current weights on the validation rows."""
        scorer = check_scoring(self, scoring=self.scoring)
        weights = {}
        if sample_weight is not None:
            check_takes_weights(scorer, self.scoring)
            weights["sample_weight"] = sample_weight

        def score():
            self._take_parameters(module)
            return scorer(self, X, y, **weights)

        return score

    # -- fitted attributes ---------------------------------------------------------------------------------

    def _take_parameters(self, module: MLP) -> None:
        """Copy the weights of a population of one into numpy attributes."""

        def arrays(tensors):
            return [t[0].detach().cpu().numpy().copy() for t in tensors]

        self.coefs_ = arrays(module.weights)
        self.skip_coef_ = None
        if module.skip:
            n_units = module.layer_units[1]
            self.skip_coef_ = self.coefs_[0][:, n_units:].copy()
            self.coefs_[0] = self.coefs_[0][:, :n_units].copy()
        self.intercepts_ = [b[0] for b in arrays(module.biases)]
        names = {
            "gain": module.gains,
            "shift": module.shifts,
            "mean": module.running_means,
            "variance": module.running_variances,
        }
        columns = {name: [a[0] for a in arrays(tensors)] for name, tensors in names.items() if tensors}
        self.normalization_params_ = [
            {name: values[i] for name, values in columns.items()} for i in range(len(module.gains))
        ]
        self.input_features_ = np.arange(module.layer_units[0])
        self.n_layers_ = len(module.layer_units)
        self.n_outputs_ = module.layer_units[-1]

    @torch.no_grad()
    def _load_parameters(self, module: MLP) -> None:
        """Copy the fitted attributes into a module of the same shape."""
        shapes = list(pairwise(module.layer_units))
        needed = [NORMALIZATION_PARAMETERS[module.normalization]] * len(module.gains) if module.normalization else []
        fits = shapes == [W.shape for W in self.coefs_] and needed == [set(p) for p in self.normalization_params_]
        if not fits or module.skip != (self.skip_coef_ is not None):
            raise ValueError(
                "warm_start=True goes on from the fitted weights, whose shapes are "
                f"{[W.shape for W in self.coefs_]}; the parameters and data of this call need {shapes} "
                f"with normalization={self.normalization!r} and {'a' if module.skip else 'no'} skip connection. "
                "Use warm_start=False."
            )
        first, skip = module.first_weights()
        tensors = [first, *module.weights[1:], *module.biases]
        arrays = [*self.coefs_, *self.intercepts_]
        if module.skip:
            tensors, arrays = [*tensors, skip], [*arrays, self.skip_coef_]
        for tensor, array in zip(tensors, arrays, strict=True):
            tensor[0] = torch.as_tensor(np.array(array))
        for i, parameters in enumerate(self.normalization_params_):
            module.gains[i][0] = torch.as_tensor(np.array(parameters["gain"]))
            module.shifts[i][0] = torch.as_tensor(np.array(parameters["shift"]))
            if module.running_means:
                module.running_means[i][0] = torch.as_tensor(np.array(parameters["mean"]))
                module.running_variances[i][0] = torch.as_tensor(np.array(parameters["variance"]))

    def _take_results(self, net: RegularizedNet, goes_on: bool, n_rows: int) -> None:
        epochs = net.history
        history = {name: np.array([epoch[name] for epoch in epochs]) for name in _HISTORY_COLUMNS if name in epochs[0]}
        history["stopping_reason"] = np.array([""] * (len(epochs) - 1) + [net.stopping_reason_])
        self.history_ = history
        objective = (history["train_loss"] + history["penalty"]).tolist()
        self.loss_curve_ = (self.loss_curve_ if goes_on else []) + objective
        self.loss_ = objective[-1]
        self.n_iter_ = len(epochs)
        self.t_ = (self.t_ if goes_on else 0) + n_rows * len(epochs)
        self.best_epoch_ = net.best_epoch_
        if self.early_stopping:
            self.best_loss_ = None
            self.validation_scores_ = history["valid_score"].tolist()
            self.best_validation_score_ = self.validation_scores_[self.best_epoch_ - 1]
        else:
            self.best_loss_ = min(self.loss_curve_)
            self.validation_scores_ = self.best_validation_score_ = None

    # -- selection -----------------------------------------------------------------------------------------

    @property
    def sparsity_(self) -> np.ndarray:
        """Share of weights that are exactly zero, for every weight matrix."""
        check_is_fitted(self)
        return np.array([np.mean(W == 0) for W in self.coefs_])

    @property
    def feature_importances_(self) -> np.ndarray:
        """Norm of the weights that each feature is gated by: the skip connection's or the first layer's."""
        check_is_fitted(self)
        gate = self.coefs_[0] if self.skip_coef_ is None else self.skip_coef_
        importances = np.zeros(self.n_features_in_, dtype=gate.dtype)
        importances[self.input_features_] = np.linalg.norm(gate, axis=1)
        return importances

    @property
    def selected_features_(self) -> np.ndarray:
        """Names (after a fit on a data frame) or numbers of the features that any weight is not zero for."""
        check_is_fitted(self)
        selected = self.input_features_[self._weights().used_features]
        return self.feature_names_in_[selected] if hasattr(self, "feature_names_in_") else selected

    def _weights(self) -> Weights:
        return Weights(self.coefs_, self.intercepts_, self.normalization_params_, self.skip_coef_)

    def prune(self):
        """Return a smaller fitted estimator with the same predictions.

        Removes features whose outgoing weights are all zero, hidden units whose incoming weights are all zero (what
        they put out, a constant, moves into the next layer's biases), and hidden units that nothing reads. With
        ``normalization='layer'`` hidden units stay, because each has a part in the scale of the others. A feature that
        only units without readers look at goes with them, so `selected_features_` and `feature_importances_` can be
        smaller afterwards.

        The new estimator takes the same X and reads the columns ``input_features_`` of it. Its attribute
        ``pruning_`` is a dictionary that tells what was saved, from the first network to the pruned one:
        ``n_parameters``, ``n_features``, ``hidden_layer_sizes`` and ``n_multiplications`` for each row predicted. It
        cannot go on with ``warm_start``; :meth:`fit` trains the whole network anew.

        Returns
        -------
        object
            A new estimator of the same class and parameters.

        Raises
        ------
        NotFittedError
            If the estimator has not been fitted.
        """
        check_is_fitted(self)
        before = self._weights()
        after, features = prune_weights(before, self.activation)
        pruned = copy.deepcopy(self)
        pruned.coefs_, pruned.intercepts_ = after.coefs, after.intercepts
        pruned.normalization_params_, pruned.skip_coef_ = after.normalization, after.skip
        pruned.input_features_ = self.input_features_[features]
        pruned.pruning_ = {
            "n_parameters": (before.n_parameters, after.n_parameters),
            "n_features": (len(self.input_features_), len(features)),
            "hidden_layer_sizes": tuple(tuple(W.shape[1] for W in w.coefs[:-1]) for w in (before, after)),
            "n_multiplications": (before.n_multiplications, after.n_multiplications),
        }
        return pruned

    # -- prediction ----------------------------------------------------------------------------------------

    def _outputs(self, X) -> torch.Tensor:
        """Return the outputs of the last layer, before the link, of shape (n_samples, n_outputs)."""
        check_is_fitted(self)
        data = self._validate(X, reset=False)
        if data.dtype != self.coefs_[0].dtype:
            with np.errstate(over="ignore"):
                data = data.astype(self.coefs_[0].dtype)
            values = data.data if scipy.sparse.issparse(data) else data
            if not np.isfinite(values).all():
                raise ValueError(f"X holds values that are too large for the fitted network's {data.dtype}.")
        if len(self.input_features_) < self.n_features_in_:
            data = data[:, self.input_features_]
        layer_units = (len(self.coefs_[0]), *(W.shape[1] for W in self.coefs_))
        normalization = None
        if self.normalization_params_:
            normalization = "batch" if "mean" in self.normalization_params_[0] else "layer"
        module = MLP(
            layer_units,
            activation=self.activation,
            normalization=normalization,
            skip=self.skip_coef_ is not None,
            dtype=torch.float32 if data.dtype == np.float32 else torch.float64,
            device=self.device if torch.cuda.is_available() else "cpu",
        )
        self._load_parameters(module)
        rows = Rows(data, module.flat.new_empty(data.shape[0], layer_units[-1]), None)
        with limited_threads(step_flops(layer_units, AUTO_BATCH_SIZE)):
            return outputs_in_blocks(module, rows)[0].cpu()

    def _mean_loss(self, X, y, sample_weight=None) -> float:
        """Return the mean loss on some rows, without the penalty."""
        Z = self._outputs(X).to(torch.float64).unsqueeze(0)
        per_row = self._make_loss().per_row(Z, torch.from_numpy(self._encode_known(y)))[0].numpy()
        return float(np.average(per_row, weights=sample_weight))

    # -- state ---------------------------------------------------------------------------------------------

    def __getstate__(self):
        """Return what is pickled: parameters and fitted attributes.

        Callbacks leave behind what they have learned in a fit: a scheduler holds an optimizer, which has no place in
        a saved model.
        """
        state = super().__getstate__()
        if state.get("callbacks"):
            state["callbacks"] = [_without_fitted_attributes(item) for item in state["callbacks"]]
        return state

    def __setstate__(self, state):
        """Restore a pickled estimator, refusing weights that do not fit together."""
        if "coefs_" in state:
            _check_fitted_state(state)
        super().__setstate__(state)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "coefs_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def check_takes_weights(scorer, scoring) -> None:
    """Raise if a scorer does not take sample weights."""
    # A scorer made of a metric passes on whatever it is given: the metric itself tells.
    parameters = inspect.signature(getattr(scorer, "_score_func", scorer)).parameters.values()
    if not any(p.name == "sample_weight" or p.kind is p.VAR_KEYWORD for p in parameters):
        raise ValueError(
            "fit was given sample_weight, so the scorer given as 'scoring' must take sample_weight, too; got "
            f"{scoring!r}."
        )


def _check_fitted_state(state: dict) -> None:
    """Raise ValueError unless weights, intercepts and normalization parameters are arrays of matching shapes."""

    def check(condition, what):
        if not condition:
            raise ValueError(f"The saved state is damaged: {what}.")

    def is_array(value, dtype, ndim):
        return isinstance(value, np.ndarray) and value.dtype == dtype and value.ndim == ndim

    coefs, intercepts = state["coefs_"], state.get("intercepts_")
    check(isinstance(coefs, list) and len(coefs) > 0, "'coefs_' must be a list of arrays")
    dtype = getattr(coefs[0], "dtype", None)
    check(dtype in (np.float32, np.float64), f"'coefs_' must hold float32 or float64 numbers, got {dtype}")
    check(all(is_array(W, dtype, 2) for W in coefs), "'coefs_' must hold matrices of one type")
    check(
        all(W.shape[1] == V.shape[0] for W, V in pairwise(coefs)),
        f"the shapes in 'coefs_' do not follow each other: {[W.shape for W in coefs]}",
    )
    features, n_features = state.get("input_features_"), state.get("n_features_in_")
    check(
        isinstance(features, np.ndarray)
        and features.dtype.kind == "i"
        and features.shape == coefs[0].shape[:1]
        and isinstance(n_features, Integral)
        and set(features.tolist()) <= set(range(n_features)),
        "'input_features_' does not match 'coefs_' and 'n_features_in_'",
    )
    check(coefs[-1].shape[1] == state.get("n_outputs_"), "'coefs_' does not match 'n_outputs_'")
    check(
        isinstance(intercepts, list)
        and len(intercepts) == len(coefs)
        and all(is_array(b, dtype, 1) and len(b) == W.shape[1] for b, W in zip(intercepts, coefs, strict=True)),
        "'intercepts_' must hold one vector for each matrix in 'coefs_'",
    )
    skip = state.get("skip_coef_")
    check(
        skip is None or (is_array(skip, dtype, 2) and skip.shape == (len(coefs[0]), coefs[-1].shape[1])),
        "'skip_coef_' must be None or a matrix from the inputs to the outputs",
    )
    skips = [] if skip is None else [skip]
    check(all(np.isfinite(a).all() for a in (*coefs, *intercepts, *skips)), "weights and intercepts must be finite")
    check(state.get("activation") in ACTIVATIONS, f"unknown activation {state.get('activation')!r}")
    check(state.get("n_layers_") == len(coefs) + 1, "'n_layers_' does not match 'coefs_'")
    check(isinstance(state.get("penalty_"), Penalty | None), "'penalty_' must be a penalty or None")
    layers = state.get("normalization_params_")
    check(
        isinstance(layers, list) and len(layers) in (0, len(coefs) - 1),
        "'normalization_params_' must be a list with one entry for each hidden layer, or empty",
    )
    for layer, W in zip(layers, coefs, strict=False):
        check(
            isinstance(layer, dict) and set(layer) in NORMALIZATION_PARAMETERS.values(),
            "'normalization_params_' must hold gain and shift, and mean and variance for batches",
        )
        check(
            all(is_array(v, dtype, 1) and len(v) == W.shape[1] for v in layer.values()),
            "'normalization_params_' does not match 'coefs_'",
        )


def _without_fitted_attributes(item):
    """Return a copy of a callback, or of a (name, callback) pair, without attributes that end in an underscore."""
    if isinstance(item, tuple):
        return (item[0], _without_fitted_attributes(item[1]))
    if isinstance(item, type):
        return item
    bare = copy.copy(item)
    for name in [name for name in vars(bare) if name.endswith("_")]:
        delattr(bare, name)
    return bare


def _holds_text(X) -> bool:
    if scipy.sparse.issparse(X) or getattr(getattr(X, "dtype", None), "kind", "O") in "biufc":
        return False
    if hasattr(X, "select_dtypes"):
        X = X.select_dtypes(exclude="number")
    return any(isinstance(value, str | bytes) for value in np.asarray(X, dtype=object).ravel())


def _generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    return torch.Generator(device).manual_seed(seed)
