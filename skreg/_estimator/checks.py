"""Checks of the parameters and data of an estimator before training, and its warnings."""

import inspect
from collections.abc import Callable, Sequence
from functools import cache, partial
from numbers import Integral
from typing import ClassVar

import numpy as np
import torch
from sklearn.base import clone, is_regressor
from sklearn.exceptions import ConvergenceWarning

from skreg._estimator.data import Table, as_numpy, check_inputs, check_weights
from skreg._estimator.fitted import dropout_rates
from skreg._estimator.incremental import OF_EARLY_STOPPING
from skreg._estimator.parameters import AXES
from skreg._estimator.scales import (
    VALIDATION_INPUTS,
    VALIDATION_TARGETS,
    advice_on_columns,
    advice_on_targets,
    look_different,
)
from skreg._seeds import generator_of
from skreg._warnings import Message
from skreg.callbacks import check_callbacks
from skreg.engine.objective import AUTO_BATCH_SIZE
from skreg.penalties import Penalty
from skreg.penalties._base import LayerPenalty, layer_strengths
from skreg.penalties._resolve import resolve_penalty, unused_strengths


@cache
def defaults_of(kind: type) -> dict[str, object]:
    """Return the defaults of a class's parameters."""
    return {name: parameter.default for name, parameter in inspect.signature(kind).parameters.items()}


class ChecksMixin:
    """Checks and warnings of an estimator, in all methods that train.

    Each check returns a value or raises before anything is trained.
    """

    # Parameters that `_learnable_data` and `_advice_on_scale` depend on, beside class and data, and attributes that
    # they set. Estimators that agree in these parameters can share the results.
    _data_parameters: ClassVar[tuple[str, ...]] = ("loss",)
    _data_attributes: ClassVar[tuple[str, ...]] = ("n_features_in_", "feature_names_in_")

    def _hidden_units(self) -> list[int]:
        """Return the units of every hidden layer."""
        sizes = self.hidden_layer_sizes
        units = [sizes] if isinstance(sizes, Integral) else list(sizes)
        if not all(isinstance(n, Integral) and not isinstance(n, bool) and n >= 1 for n in units):
            raise ValueError(f"The 'hidden_layer_sizes' parameter must hold integers of at least 1; got {sizes!r}.")
        return [int(n) for n in units]

    def _unused_parameters(self) -> dict[str, str]:
        """Return parameters that were given but have no effect, and for each the parameter that is the cause.

        Parameters that regularize, choose or change what is predicted count. Those of other solvers and schedules do
        not, as in scikit-learn's MLP; nor do those of hidden layers where there are none, as in a search over
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
        """Return whether a parameter has its default value, given or not."""
        value, default = getattr(self, name), self._default(name)
        return value is default or (np.ndim(value) == 0 and value == default)

    def _default(self, name: str):
        # The constructor of a subclass may lack parameters of its base class.
        return next(found[name] for found in map(defaults_of, type(self).__mro__) if name in found)

    def _unused_messages(self, used: tuple[str, ...] = ()) -> list[Message]:
        """Return warnings of parameters without effect, but for those that are ``used`` in this call."""
        messages = []
        for name, cause in self._unused_parameters().items():
            if name not in used:
                given = self._stopping_rule()[0] if cause == "early_stopping" else getattr(self, cause)
                text = "a function" if callable(given) else repr(given)
                messages.append((f"{name}={getattr(self, name)!r} has no effect with {cause}={text}.", UserWarning))
        return messages

    def _without_unused(self):
        """Return an estimator with the same fit, but without unused parameters; itself if there are none."""
        unused = self._unused_parameters()
        return clone(self).set_params(**{name: self._default(name) for name in unused}) if unused else self

    def _check_parameters_together(self) -> Penalty | None:
        """Raise if parameters that are valid each for itself are not valid together; return the penalty."""
        n_hidden = len(self._hidden_units())
        dropout = dropout_rates(self.dropout, n_hidden)
        penalty = resolve_penalty(self.penalty, self.alpha, self.l1_ratio)
        if penalty is None:  # alpha has no effect, but must be valid
            layer_strengths(0.0 if self.alpha is None else self.alpha, n_hidden + 1)
        if self.weight_decay * self.learning_rate_init > 1:
            raise ValueError(
                "The 'weight_decay' parameter must be at most 1 / learning_rate_init, or a step would flip signs; "
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
        self._check_solver(penalty, dropout)
        return penalty

    def _check_solver(self, penalty: Penalty | None, dropout: Sequence[float]) -> None:
        """Raise if the solver does not support another parameter."""
        others = ("adam", "sgd")
        # A parameter, whether it was given, what other solvers allow, and the solvers that take it.
        rules = [
            ("penalty", penalty is not None and not penalty.smooth, "None or a smooth one, such as 'l2',", others),
            ("constraint", self.constraint is not None, "None", others),
            ("dropout", any(dropout), "0", others),
            ("input_dropout", self.input_dropout > 0, "0", others),
            ("weight_decay", self.weight_decay > 0, "0", others),
            *[(name, getattr(self, name) is not None, "None", axis.solvers) for name, axis in AXES.items()],
        ]
        for name, is_given, allowed, solvers in rules:
            if is_given and self.solver not in solvers:
                raise ValueError(
                    f"The {name!r} parameter must be {allowed} with solver={self.solver!r}; got "
                    f"{name}={getattr(self, name)!r}. Use solver={' or '.join(map(repr, solvers))}."
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
        return min(int(self.batch_size), n_rows)

    def _batch_size_messages(self, n_rows: int) -> list[Message]:
        """Return a warning of batches that are larger than the number of training rows."""
        if self.solver == "lbfgs" or self.batch_size == "auto" or self.batch_size <= n_rows:
            return []
        text = f"batch_size={self.batch_size!r} is larger than the {n_rows} training rows; all rows form one batch."
        return [(text, UserWarning)]

    def _check_data(self, X, y, sample_weight, *, reset: bool, encode: Callable) -> Table:
        """Return the rows to fit to; ``encode`` takes y and the type of X, and returns targets."""
        X, y, sample_weight = as_numpy(X), as_numpy(y), as_numpy(sample_weight)
        data, labels = check_inputs(self, X, y, multi_output=True, reset=reset)
        targets = encode(labels, data.dtype)
        sample_weight = check_weights(sample_weight, data)
        table = self._weighted(Table(data, targets, sample_weight, sample_weight, (X, y)))
        self._make_loss().check_targets(targets[table.nonzero_weight_indices])
        return table

    def _learnable_data(self, X, y, sample_weight, is_warm_start=False) -> Table:
        """Return the rows of a whole fit, checked."""
        encode = partial(self._encode_targets, keep_classes=is_warm_start)
        table = self._check_data(X, y, sample_weight, reset=not is_warm_start, encode=encode)
        targets = table.targets[table.nonzero_weight_indices]
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
                    "The 'class_weight' parameter must give a positive weight to rows with positive sample_weight; got "
                    f"class_weight={self.class_weight!r}, with which all rows have weight zero."
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
                "Validation rows must come from X_val or from a splitter (with groups), not from both; got X_val and "
                f"early_stopping={rule!r}{'' if groups is None else ' and groups'}."
            )
        X_val, y_val = as_numpy(X_val), as_numpy(y_val)
        try:
            data, labels = check_inputs(self, X_val, y_val, multi_output=True, reset=False)
            targets = self._encode_known(labels)
            if targets.shape[1] != n_targets:
                raise ValueError(f"y_val must have as many columns as y, {n_targets}; got {targets.shape[1]}.")
            weight = check_weights(as_numpy(sample_weight_val), data)
            self._make_loss().check_targets(targets if weight is None else targets[weight > 0])
        except ValueError as error:
            raise ValueError(f"X_val, y_val or sample_weight_val cannot be used: {error}") from error
        return self._weighted(Table(data, targets, weight, weight, (X_val, y_val)))

    def _advice_on_scale(self, table: Table) -> list[str]:
        """Return warnings about the scale of X and of the targets."""
        name = type(self).__name__
        advice = [advice_on_columns(table.X, name)]
        if self._make_loss().in_units:
            advice.append(advice_on_targets(table.targets[table.nonzero_weight_indices], name))
        return [text for text in advice if text is not None]

    def _settings_messages(self, advice: Sequence[str], penalties: Sequence[LayerPenalty | None]) -> list[Message]:
        """Return warnings of settings with which training fails or means little, and ``advice`` on the data."""
        messages = [(text, UserWarning) for text in advice]
        explicit = self.alpha is not None or self.penalty != "l2"
        if self.normalization and explicit and any(penalties[:-1]):
            text = (
                f"normalization={self.normalization!r} undoes the scale of the weights before it, so a penalty on "
                "hidden layers has no minimizer: it shrinks them as long as training continues. Give alpha one number "
                "for each weight matrix, with 0 for all but the last; got the strengths "
                f"{[0.0 if p is None else p.alpha for p in penalties]}."
            )
            messages.append((text, UserWarning))
        return messages

    def _validation_messages(self, table: Table, valid_table: Table) -> list[Message]:
        """Return warnings of validation rows that look as if they had not been scaled like the training rows."""
        messages = []
        if look_different(table.X, valid_table.X):
            messages.append((VALIDATION_INPUTS.format(estimator=type(self).__name__), UserWarning))
        if is_regressor(self) and look_different(
            table.targets[table.nonzero_weight_indices], valid_table.targets[valid_table.nonzero_weight_indices]
        ):
            messages.append((VALIDATION_TARGETS, UserWarning))
        return messages

    def _convergence_messages(self, reason: str, is_scaled: bool) -> list[Message]:
        """Return the warning of a training that has not converged."""
        if self.solver == "lbfgs":
            text = (
                f"solver='lbfgs' has not converged: {reason} Increase max_iter={self.max_iter!r} or "
                f"max_fun={self.max_fun!r}, or scale the data."
            )
        else:
            text = f"Training reached max_iter={self.max_iter!r} epochs before it converged. "
            text += "Increase max_iter or tol." if is_scaled else "Scale the data first, as another warning says."
        return [(text, ConvergenceWarning)]
