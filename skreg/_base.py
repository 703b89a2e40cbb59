"""What the classifier and the regressor share: parameters, their checks, and training."""

import contextlib
import inspect
from abc import abstractmethod
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, partial
from numbers import Integral, Real
from typing import ClassVar

import numpy as np
import scipy.sparse
import torch
from sklearn.base import clone, is_regressor
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.utils import check_consistent_length

from skreg._data import Table, as_numpy, check_inputs, check_weights, content_hash, rescaled, stacked
from skreg._fitted import FittedMLP, dropout_rates
from skreg._incremental import OF_EARLY_STOPPING, Earlier, IncrementalMixin, joined
from skreg._scales import (
    VALIDATION_INPUTS,
    VALIDATION_TARGETS,
    advice_on_columns,
    advice_on_targets,
    look_different,
)
from skreg._seeds import SEEDS, draw_seeds, generator_of, seed_arrays
from skreg._sklearn_private import HasMethods, Hidden, Interval, Options, StrOptions, fit_context, num_samples
from skreg._warnings import warn_user
from skreg.batches import Rows, epoch_spans, mapped_file
from skreg.callbacks import TaskCallback, callbacks_of_batches, check_callbacks
from skreg.checkpoints import check_like, named_arrays
from skreg.constraints import ALIASES as CONSTRAINTS
from skreg.constraints import Constraint, resolve_constraint
from skreg.layers import ACTIVATIONS, MLP, NORMALIZATION_AXES
from skreg.losses import Loss
from skreg.optim import FlatOptimizer, ProximalAdam, ProximalSGD, Regularization
from skreg.penalties import Penalty
from skreg.penalties._base import LayerPenalty, layer_strengths
from skreg.penalties._resolve import ALIASES, resolve_penalty, unused_strengths
from skreg.population import Job
from skreg.progress import Progress, Record
from skreg.stopping import Following, RowStructure, patience_in_epochs, split_by, split_validation, takes_groups
from skreg.training import (
    AUTO_BATCH_SIZE,
    LearningRate,
    RegularizedNet,
    limited_threads,
    outputs_in_blocks,
    record_of,
    smallest_batch,
    snapshot_of,
    step_flops,
)

# L-BFGS trains in float64 and leaves float32. That may cost errors of outputs up to this share of their standard
# deviation (0.01 in R²), and, where they hardly vary, of their size.
LARGEST_ROUNDING = 0.1
ROUNDING_OF_OUTPUTS = 1e-5

# While this holds a function, `fit` does not train: it hands over the estimator and its :class:`Prepared` fit, to be
# trained together with others.
COLLECTOR: ContextVar[Callable | None] = ContextVar("COLLECTOR", default=None)

_HISTORY_COLUMNS = ("epoch", "train_loss", "penalty", "train_score", "valid_loss", "valid_score", "lr")


@dataclass
class Plan:
    """What is to be trained: the parameters of an estimator, checked, for data of a certain shape."""

    layer_units: tuple[int, ...]
    dropout: list[float]
    penalty: Penalty | None
    penalties: list[LayerPenalty | None]
    constraints: list[Constraint | None]
    loss: Loss
    n_targets: int
    device: torch.device
    dtype: torch.dtype


@dataclass
class Prepared:
    """A fit before its training.

    Attributes
    ----------
    plan : Plan
        What is to be trained.
    table, train : Table, ndarray
        The data, and the numbers of the rows to train on.
    valid_table, valid : Table, ndarray
        The same (or None) of the rows to validate on; with a split it is the same table.
    seeds : dict of str to int
        For the generators.
    goes_on : bool
        Whether training goes on from the fitted weights.
    rows, valid_rows : Rows
        To train on, and (or None) to validate on.
    earlier : Earlier
        What earlier epochs have left.
    is_scaled : bool
        Whether X and targets have a size that training is meant for.
    """

    plan: Plan
    table: Table
    train: np.ndarray
    valid_table: Table | None
    valid: np.ndarray | None
    seeds: dict[str, int]
    goes_on: bool
    rows: Rows
    valid_rows: Rows | None
    earlier: Earlier
    is_scaled: bool


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

    def _training_target(self, target: torch.Tensor, loss: Loss) -> torch.Tensor:
        """Return what the network is trained towards (label smoothing acts here)."""
        return target

    @abstractmethod
    def _strata(self, targets: np.ndarray) -> np.ndarray | None:
        """Return the class of each row whose proportions a validation split keeps, or None."""

    def _fixed_class_weight(self, targets: np.ndarray) -> np.ndarray | None:
        """Return the weight of each row's class, where the user has given numbers."""

    def _balanced_class_weight(self, table: Table, rows: np.ndarray) -> Callable | None:
        """Return a function of targets that gives each row's class weight, balanced on some rows; None without."""

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
        collect = COLLECTOR.get()
        with self._unchanged_on_error():
            if collect is not None and self._can_be_a_member(X, X_val):
                weights = self._as_weights(sample_weight, X)
                collect(self, self._prepare(as_numpy(X), as_numpy(y), weights, **validation))
            else:
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
        ready = self._prepare(X, y, sample_weight, checkpoint=checkpoint, **validation)
        module = self._make_module(ready.plan)
        self._start(module, ready)
        origin, origin_is_new = module.snapshot(), not ready.goes_on
        if checkpoint is not None and self.refit_on_all:
            if "origin_0" not in checkpoint:
                raise ValueError("refit_on_all=True needs a checkpoint of a fit with refit_on_all=True.")
            origin = snapshot_of(checkpoint, "origin", module)
            flag = {"origin_is_new": checkpoint.get("origin_is_new", np.asarray(False))}
            check_like(flag, {"origin_is_new": np.asarray(False)})
            origin_is_new = bool(flag["origin_is_new"])
        net = self._make_net(
            ready.plan,
            module,
            ready.seeds,
            len(ready.rows),
            valid_rows=ready.valid_rows,
            valid_scorer=self._make_valid_scorer(module, ready),
            stops_early=bool(self.early_stopping),
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            n_rows_before=ready.earlier.t,
        )
        if getattr(self, "_skl_callbacks", None):
            net.callbacks.append(("scikit_learn_callbacks", self._task_callback(task, ready, module)))
        with limited_threads(step_flops(ready.plan.layer_units, net.batch_size)):
            net.train(ready.rows, state=checkpoint, restore="last")
            if self.refit_on_all and self.early_stopping:
                module = self._refit(ready, origin, net, is_new=origin_is_new)
        self._take_fit(ready.plan, net, module, ready.table.X.dtype, ready.seeds)
        self._check_precision(ready, module)
        self._take_results(record_of(net), ready.earlier, len(ready.rows))
        self.n_iter_ = net.progress_.epoch
        if self.refit_on_all:
            self._training_state |= named_arrays("origin", origin) | {"origin_is_new": np.asarray(origin_is_new)}
        if not net.progress_.converged:
            self._warn_of_convergence(net.progress_.stopping_reason, ready.is_scaled)
        task.call_on_fit_task_end(estimator=self, X=X, y=y, metadata=metadata, reconstruction_attributes={})

    def _prepare(
        self,
        X,
        y,
        sample_weight,
        *,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        groups=None,
        checkpoint=None,
    ) -> Prepared:
        """Return all that training needs; raise ValueError if parameters or data do not allow it."""
        goes_on = checkpoint is None and self.warm_start and hasattr(self, "coefs_")
        if not goes_on:
            self._forget()
        self._warn_of_unused(() if X_val is None else ("scoring",))
        self._check_parameters_together()
        table = self._learnable_data(X, y, sample_weight, goes_on)
        valid_table = self._check_validation_data(X_val, y_val, sample_weight_val, groups, table.targets.shape[1])
        plan = self._plan(table)
        is_scaled = self._warn_of_bad_settings(table, plan)
        if valid_table is not None:
            self._warn_of_validation_data(table, valid_table)
        seeds = draw_seeds(self.random_state, *SEEDS)
        earlier = Earlier(loss_curve=self.loss_curve_, t=self.t_) if goes_on else Earlier()
        if checkpoint is not None:
            earlier = self._check_checkpoint(checkpoint, plan, epochs_in_total=self.max_iter)
            seeds = {name: int(checkpoint[f"seed_{name}"]) for name in SEEDS}
        train, valid = table.kept, None
        if valid_table is not None:
            valid = valid_table.kept
        elif self.early_stopping:
            train, valid = self._split(table, groups, seeds["split"])
            valid_table = table
        rows, valid_rows = self._rows(plan, table, train), None
        if valid is not None:
            valid_rows = self._rows(plan, valid_table, valid, balanced_on=(table, train))
        self._take_plan(plan)
        return Prepared(plan, table, train, valid_table, valid, seeds, goes_on, rows, valid_rows, earlier, is_scaled)

    def _take_plan(self, plan: Plan) -> None:
        """Take over what decides how the network computes and how its outputs are read."""
        self.out_activation_, self._n_targets = plan.loss.out_activation, plan.n_targets
        self._keep_parameters()

    def _start(self, module: MLP, ready: Prepared) -> None:
        """Give a network its start values: new ones, or the fitted ones."""
        if ready.goes_on:
            self._load_parameters(module)
        else:
            module.initialize([generator_of(ready.seeds["init"])], self._start_outputs(ready.plan, ready.rows))

    @staticmethod
    def _start_outputs(plan: Plan, rows: Rows) -> torch.Tensor:
        """Return the outputs that a new network starts around: the best constant of its loss on its training rows."""
        return plan.loss.start_outputs(rows.target, rows.row_weight())

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

    def _job(self, ready: Prepared) -> Job:
        """Return what a population needs to train the network as one of many."""
        plan, penalty = ready.plan, ready.plan.penalty
        numbers = () if penalty is None else ("alpha", *penalty.member_parameters)
        solver = (self.solver, self.beta_1, self.beta_2, self.epsilon, self.momentum, self.nesterovs_momentum)
        of_penalty = None if penalty is None else (np.ndim(penalty.alpha), *kind_of(penalty, without=numbers))
        constraints = tuple(None if item is None else kind_of(item) for item in plan.constraints)
        if plan.loss.closed_form:
            loss = tuple(item for item in vars(plan.loss).items() if not item[0].startswith("_"))
        else:  # a user's function that cannot be hashed, such as a lambda, is itself alone
            loss = content_hash(plan.loss) or (type(plan.loss.link_loss), id(plan.loss.function))
        batch_size = self._check_batch_size(len(ready.rows))
        n_batches = len(epoch_spans(len(ready.rows), batch_size, smallest_batch(self.normalization)))
        patience = self.n_iter_no_change
        return Job(
            network=self._network(plan),
            start=partial(self._start, ready=ready),
            loss=plan.loss,
            penalties=plan.penalties,
            constraints=plan.constraints,
            solver=self._solver_of_steps(),
            rows=ready.rows,
            valid_rows=ready.valid_rows,
            seeds=ready.seeds,
            shuffle=self.shuffle,
            batch_size=batch_size,
            power_t=self.power_t,
            weight_decay=float(self.weight_decay),
            progress=Progress(
                learning_rate_init=self.learning_rate_init,
                schedule=self.learning_rate,
                max_epochs=self.max_iter,
                stops_early=bool(self.early_stopping),
                tol=self.tol,
                patience=patience_in_epochs(patience, n_batches) if self.early_stopping else patience,
            ),
            family=(solver, of_penalty, constraints, loss),
            read=partial(self._parameters, dtype=ready.table.X.dtype),
        )

    def _take_job(self, job: Job, penalty: Penalty | None, earlier: Earlier, is_scaled: bool) -> None:
        """Take over what a population has trained."""
        self._take_weights(job.result, penalty)
        # Where its training stands is known to the population alone.
        vars(self).pop("_training_state", None)
        self._take_results(job.progress.record(), earlier, len(job.rows))
        self.n_iter_ = job.progress.epoch
        if not job.progress.converged:
            self._warn_of_convergence(job.progress.stopping_reason, is_scaled)

    def _task_callback(self, task, ready: Prepared, module: MLP) -> TaskCallback:
        """Return what tells the callbacks of scikit-learn of epochs; they get the rows that are trained on."""
        table, rows = ready.table, ready.train
        taken = cache(lambda: table.source_rows(rows))
        weights = table.sample_weight
        return TaskCallback(
            task,
            estimator=self,
            X=lambda: taken()[0],
            y=lambda: taken()[1],
            metadata=None if weights is None else {"sample_weight": weights[rows]},
            reconstruction_attributes=lambda: self._parameters(module, table.X.dtype),
        )

    def _refit(self, ready: Prepared, origin, net: RegularizedNet, *, is_new: bool) -> MLP:
        """Train anew on all rows, from the beginning for as many epochs as the best one was; return the network.

        ``is_new`` says that the beginning was no fitted network.
        """
        plan, table, earlier = ready.plan, ready.table, ready.earlier
        # A checkpoint is of this very fit: what came before it began with fewer rows.
        n_rows_before = earlier.t - len(ready.rows) * len(earlier.history.get("epoch", []))
        if n_rows_before < 0:
            raise ValueError(
                f"The checkpoint is of a fit to fewer rows: it has seen {earlier.t} of them in "
                f"{len(earlier.history['epoch'])} epochs, which have {len(ready.rows)} rows each here."
            )
        if ready.valid_table is not table:
            table = stacked(table, ready.valid_table)
        rows = self._rows(plan, table, table.kept)
        module = self._make_module(plan)
        module.restore(origin)
        if is_new:
            module.biases[-1].data[0, 0] = self._start_outputs(plan, rows)
        again = self._make_net(
            plan,
            module,
            ready.seeds,
            len(rows),
            callbacks=callbacks_of_batches(self.callbacks),
            rates=[*earlier.history.get("lr", []), *(epoch["lr"] for epoch in net.history)],
            n_iter_no_change=np.inf,
            n_rows_before=n_rows_before,
        )
        again.train(rows, n_epochs=net.progress_.best_epoch)
        return module

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
        of_class = self._fixed_class_weight(table.targets)
        if of_class is not None:
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

    def _plan(self, table: Table, dtype=None) -> Plan:
        """Return what is to be trained on some data."""
        loss = self._make_loss()
        if self.solver == "lbfgs" and not (loss.smooth or callable(self.loss)):  # a user's function is trusted
            raise ValueError(
                f"solver='lbfgs' minimizes a smooth objective; got loss={self.loss!r}. Use solver='adam' or 'sgd'."
            )
        units = self._hidden_units()
        layer_units = (table.X.shape[1], *units, loss.n_outputs(table.targets.shape[1]))
        penalty = resolve_penalty(self.penalty, self.alpha, self.l1_ratio)
        penalties = [None] * (len(layer_units) - 1) if penalty is None else penalty.for_layers(layer_units)
        # The line search of L-BFGS needs more digits than float32 has.
        is_single = (dtype or table.X.dtype) == np.float32 and self.solver != "lbfgs"
        return Plan(
            layer_units=layer_units,
            dropout=dropout_rates(self.dropout, len(units)),
            penalty=penalty,
            penalties=penalties,
            constraints=resolve_constraint(self.constraint, penalties),
            loss=loss,
            n_targets=table.targets.shape[1],
            device=self._check_device(),
            dtype=torch.float32 if is_single else torch.float64,
        )

    def _warn_of_bad_settings(self, table: Table, plan: Plan) -> bool:
        """Warn of what makes training fail or mean little; return whether the data are scaled."""
        penalties, name = plan.penalties, type(self).__name__
        advice = [advice_on_columns(table.X, name)]
        if plan.loss.in_units:
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

    def _rows(self, plan: Plan, table: Table, indices: np.ndarray, *, balanced_on=None) -> Rows:
        """Return some rows of a table, to train on or, with classes balanced on other rows, to validate on."""
        target = torch.as_tensor(table.targets[indices], device=plan.device, dtype=plan.dtype)
        if balanced_on is None:
            target = self._training_target(target, plan.loss)
        weight = self._row_weight(table, indices, balanced_on)
        if weight is not None:
            weight = torch.as_tensor(weight, device=plan.device, dtype=plan.dtype)
            weight = weight / weight.sum()
        return Rows(table.X, target, weight, None if len(indices) == len(table.targets) else indices)

    def _row_weight(self, table: Table, indices: np.ndarray, balanced_on=None) -> np.ndarray | None:
        """Return the weights of some rows, the largest of which is 1; None if all are equal.

        With balanced classes the weights depend on the rows to train on (``balanced_on``, a table and indices), if
        those are others.
        """
        weight = None if table.weight is None else table.weight[indices]
        balance = self._balanced_class_weight(*(balanced_on or (table, indices)))
        if balance is not None:
            of_class = balance(table.targets[indices])
            weight = of_class if weight is None else weight * of_class
        return None if weight is None else rescaled(weight)

    def _network(self, plan: Plan) -> dict:
        """Return the keyword arguments of the network."""
        return {
            "layer_units": plan.layer_units,
            "activation": self.activation,
            "normalization": self.normalization,
            "dropout": plan.dropout,
            "input_dropout": float(self.input_dropout),
            "skip": plan.penalty is not None and plan.penalty.skip,
            "dtype": plan.dtype,
            "device": plan.device,
        }

    def _make_module(self, plan: Plan) -> MLP:
        return MLP(**self._network(plan))

    def _make_net(self, plan: Plan, module: MLP, seeds, n_rows: int, *, rates=None, **options) -> RegularizedNet:
        """Return the net that trains a module; ``rates`` are those of the epochs of an earlier fit to repeat."""
        options = {"callbacks": list(self.callbacks or []), **options}
        return RegularizedNet(
            module,
            plan.loss,
            regularization=self._make_solver(module, plan),
            learning_rate=LearningRate(self.learning_rate, self.learning_rate_init, self.power_t, rates),
            generators={
                "shuffle": generator_of(seeds["shuffle"]) if self.shuffle else None,
                "dropout": generator_of(seeds["dropout"], plan.device),
            },
            max_fun=self.max_fun,
            max_epochs=self.max_iter,
            batch_size=self._check_batch_size(n_rows),
            verbose=self.verbose,
            device=str(plan.device),
            **options,
        )

    def _make_solver(self, module: MLP, plan: Plan) -> Regularization:
        if self.solver == "lbfgs":
            return Regularization(module, plan.penalties)
        return self._solver_of_steps()(module, plan.penalties, plan.constraints, weight_decay=self.weight_decay)

    def _solver_of_steps(self) -> Callable[..., FlatOptimizer]:
        if self.solver == "sgd":
            return partial(ProximalSGD, momentum=self.momentum, nesterovs_momentum=self.nesterovs_momentum)
        return partial(ProximalAdam, beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon)

    def _make_valid_scorer(self, module: MLP, ready: Prepared) -> Callable[[], float] | None:
        """Return a function that scores the current weights on the validation rows; None where the loss does."""
        if ready.valid is None or self.scoring == "loss":
            return None
        scorer = check_scoring(self, scoring=self.scoring)
        table = ready.valid_table
        X, y = table.source_rows(ready.valid)
        weights = {}
        if table.sample_weight is not None:
            check_takes_weights(scorer, self.scoring)
            weights["sample_weight"] = rescaled(table.sample_weight[ready.valid])

        def score():
            vars(self).update(self._parameters(module, table.X.dtype))
            return scorer(self, X, y, **weights)

        return score

    def _take_weights(self, parameters: dict, penalty: Penalty | None) -> None:
        """Take over the fitted network."""
        vars(self).update(parameters)
        vars(self).pop("pruning_", None)  # that was an earlier network
        self.penalty_ = penalty

    def _take_fit(self, plan: Plan, net: RegularizedNet, module: MLP, dtype, seeds: dict[str, int]) -> None:
        """Take over the weights and the state of training."""
        self._take_weights(self._parameters(module, dtype), plan.penalty)
        described = {name: np.asarray(value) for name, value in self._description(plan).items()}
        kept = {} if module is net.module_ and not net.stops_early else named_arrays("kept", module.snapshot())
        self._training_state = net.training_state() | kept | described | seed_arrays(seeds)

    def _check_precision(self, ready: Prepared, module: MLP) -> None:
        """Raise if the network was trained in more digits than its attributes have, and needs them."""
        dtype = self.coefs_[0].dtype
        if ready.plan.dtype != torch.float64 or dtype == np.float64:
            return
        fitted, indices = self._fitted_module(), ready.rows.indices
        kept = Rows(ready.table.X, fitted.flat.new_empty(len(ready.rows), self.n_outputs_), None, indices)
        trained = outputs_in_blocks(module, ready.rows)[0].cpu()
        difference = self._computed(fitted, kept).double() - trained
        spread = (trained - trained.mean(dim=0)).square().mean().sqrt()
        largest = LARGEST_ROUNDING * spread + ROUNDING_OF_OUTPUTS * trained.square().mean().sqrt()
        if not difference.square().mean().sqrt() <= largest:
            raise ValueError(
                f"The fitted network cannot be held in {dtype}, the type of X: its predictions would not be those of "
                "training. Scale X, for instance with make_pipeline(StandardScaler(), ...), or give it as float64."
            )

    def _take_results(self, record: Record, earlier: Earlier, n_rows: int) -> None:
        """Take over the history of training."""
        epochs = record.epochs
        self.history_, objective = earlier.history, []
        if len(epochs):  # none if a checkpoint is of a fit that had come to its end
            names = [name for name in _HISTORY_COLUMNS if name in epochs[0]]
            history = {name: np.array([epoch[name] for epoch in epochs]) for name in names}
            history["stopping_reason"] = np.array([""] * (len(epochs) - 1) + [record.stopping_reason])
            objective = (history["train_loss"] + history["penalty"]).tolist()
            self.history_ = joined(earlier.history, history)
        self.loss_curve_ = [*earlier.loss_curve, *objective]
        self.loss_ = self.loss_curve_[-1]
        self.t_ = earlier.t + n_rows * len(epochs)
        self.best_epoch_ = record.best_epoch
        self.best_loss_ = None if record.stops_early else min(self.loss_curve_)
        self.validation_scores_ = self.best_validation_score_ = None
        if record.is_validated:
            scores = self.history_["valid_score"]
            self.validation_scores_ = scores.tolist()
            self.best_validation_score_ = float(scores[np.flatnonzero(self.history_["epoch"] == record.best_epoch)[-1]])

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


def kind_of(item, without: tuple[str, ...] = ()) -> tuple:
    """Return the class and parameters of a penalty or a constraint in a form that can be compared."""
    parameters = {name: value for name, value in item.get_params(deep=False).items() if name not in without}
    return type(item), (content_hash(parameters) or id(item)) if parameters else None


def check_takes_weights(scorer, scoring) -> None:
    """Raise if a scorer does not take sample weights."""
    # A scorer made of a metric passes on whatever it is given: the metric itself tells.
    parameters = inspect.signature(getattr(scorer, "_score_func", scorer)).parameters.values()
    if not any(p.name == "sample_weight" or p.kind is p.VAR_KEYWORD for p in parameters):
        raise ValueError(
            "fit was given sample_weight, so the scorer given as 'scoring' must take sample_weight, too; got "
            f"{scoring!r}."
        )
