"""Incremental training: epoch by epoch with `partial_fit`, or from a checkpoint."""

from collections.abc import Callable

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skreg._estimator.alone import train
from skreg._estimator.history import PreviousHistory
from skreg._estimator.prepare import (
    PendingFit,
    description,
    finish,
    fitted_start,
    keep_parameters,
    make_spec,
    network_of_estimator,
)
from skreg._seeds import SEED_LIMIT, SEEDS, draw_seeds, seed_arrays
from skreg.engine.checkpoints import LARGEST_COUNT, check_like, check_range, load_state, save_state
from skreg.engine.dataset import Dataset
from skreg.engine.spec import RowChoice, StoppingRule
from skreg.engine.state import BEST_WEIGHTS
from skreg.engine.trainer import Trainer

# Parameters without effect unless rows are held out, which `partial_fit` does not do.
OF_EARLY_STOPPING = ("validation_fraction", "refit_on_all", "scoring")


def _checked_history(checkpoint: dict[str, np.ndarray], n_epochs: int) -> dict[str, np.ndarray]:
    """Return the history in a checkpoint; raise ValueError if it is not one of so many epochs."""
    history = {name: array for name, array in checkpoint.items() if name.startswith("history_")}
    always = ("train_loss", "penalty", "train_score", "lr")
    expected = {f"history_{name}": np.zeros(n_epochs) for name in always}
    expected |= {"history_epoch": np.zeros(n_epochs, int), "history_stopping_reason": np.full(n_epochs, "")}
    # A column has NaN where there was no validation, or no learning rate.
    may_lack = {"history_valid_loss": -np.inf, "history_valid_score": -np.inf, "history_lr": 0}
    check_like(history, expected | {name: np.zeros(n_epochs) for name in may_lack if name in history})
    unknown = sorted(set(history) - set(expected) - set(may_lack))
    if unknown:
        raise ValueError(f"The checkpoint is damaged: a history has no column {unknown[0]!r:.100}.")
    for name in always[:-1]:
        check_range(history, f"history_{name}")
    for name in may_lack.keys() & history.keys():
        check_range({name: history[name][~np.isnan(history[name])]}, name, may_lack[name])
    if not np.array_equal(history["history_epoch"], np.arange(1, n_epochs + 1)):
        raise ValueError("The checkpoint is damaged: 'history_epoch' must count the epochs from 1.")
    return {name.removeprefix("history_"): array for name, array in history.items()}


def takes_steps(estimator) -> bool:
    """Return True; raise AttributeError, as `available_if` wants it, if training cannot be continued."""
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit and checkpoints are there for solvers that take steps; got solver='lbfgs'.")
    return True


def _are_best_weights(weights: tuple[np.ndarray, ...], state: dict[str, np.ndarray]) -> bool:
    """Return whether weights are the best ones of a training, unchanged since."""
    best_weights = [state.get(f"{BEST_WEIGHTS}_{number}") for number in range(len(weights))]
    return all(best is not None and np.array_equal(own, best) for own, best in zip(weights, best_weights, strict=True))


class IncrementalMixin:
    """Methods of an estimator whose training can be continued."""

    def _partial_fit(self, X, y, sample_weight, encode: Callable) -> None:
        """Train for one more epoch. ``encode`` turns targets into those of the loss."""
        is_first = not hasattr(self, "coefs_")
        checkpoint = vars(self).pop("_checkpoint", None)
        self._warn_of_unused(OF_EARLY_STOPPING)
        penalty = self._check_parameters_together()
        table = self._check_data(X, y, sample_weight, reset=is_first, encode=encode)
        dtype = table.X.dtype if is_first else self.coefs_[0].dtype
        if hasattr(self, "_n_targets") and checkpoint is None:
            self._check_same_outputs()
        network, loss, penalties = network_of_estimator(self, table, penalty, dtype)
        seeds = draw_seeds(self.random_state, *SEEDS)
        previous, state, start = PreviousHistory(), checkpoint, None
        if checkpoint is not None:
            previous = self._check_checkpoint(checkpoint, network)
        elif is_first:
            self._warn_of_bad_settings(self._advice_on_scale(table), penalties)
        else:
            start = fitted_start(self, network)
            previous = PreviousHistory(getattr(self, "history_", {}), self.loss_curve_, self.t_)
            state = getattr(self, "_training_state", None)
            if state is not None and (str(state["solver"]) != self.solver or self._averages_anew(state)):
                state = None  # the other solver's moments mean nothing to this one
        dataset = Dataset(table.X, table.targets, table.sample_weight)
        indices = table.nonzero_weight_indices
        spec = make_spec(
            self,
            network,
            loss,
            penalty,
            penalties,
            train=RowChoice(indices, self._class_weights(table, indices)),
            seeds=seeds,
            start=start,
            n_rows_before=previous.t,
            stopping=StoppingRule(self.max_iter, tol=self.tol, n_iter_no_change=self.n_iter_no_change, n_epochs=1),
        )
        keep_parameters(self, spec, table)
        restore = None if checkpoint is None else "best"
        has_mean = state is not None and spec.averaging is not None and not state.get("stops_early", True)
        if has_mean and (start is None or _are_best_weights(start, state)):
            restore = "last"  # steps go on from where they were, not from the mean
        trainer = Trainer([(spec, dataset)], state=state, restore=restore)
        result = train(trainer, callbacks=self.callbacks, verbose=self.verbose)
        # One epoch says nothing of convergence.
        result.converged = True
        finish(PendingFit(self, spec, dataset, table, None, previous, start is not None, True), result, dtype)
        self.best_epoch_ = len(self.history_["epoch"])
        self.history_["epoch"] = np.arange(1, len(self.history_["epoch"]) + 1)
        self.history_["stopping_reason"] = np.full(len(self.history_["epoch"]), "")
        self.n_iter_ = 1

    def _averages_anew(self, state) -> bool:
        return self.averaging is not None and "average_0" not in state

    @available_if(takes_steps)
    def save_checkpoint(self, path):
        """Save where training stands, so that another process can go on exactly from here.

        A pickle holds what predictions need. The checkpoint holds, beside the weights, the moments of the solver, the
        states of the random generators, the best epoch so far and the history: arrays of numbers in NumPy's ``.npz``
        format, without pickled objects. What skorch's callbacks have learned is no part of it.

        Parameters
        ----------
        path : str or path
            Name of the file.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        NotFittedError
            If the estimator has not been fitted.
        ValueError
            If it comes from a pickle, or from a search or a cross-validation that has trained it together with others,
            and has not been trained since: then the state of training is lost.

        See Also
        --------
        load_checkpoint : Reads it.
        """
        check_is_fitted(self)
        if not hasattr(self, "_training_state"):
            raise ValueError(
                "The state of training is not known: a pickle leaves it out, and a network that was trained together "
                "with others has none of its own. Save the checkpoint where the model was fitted by itself."
            )
        history = {f"history_{name}": column for name, column in self.history_.items()}
        curve = {"loss_curve": np.asarray(self.loss_curve_), "t": np.asarray(self.t_)}
        save_state(path, self._training_state | history | curve)
        return self

    @available_if(takes_steps)
    def load_checkpoint(self, path):
        """Read a checkpoint, from which the next call of `fit` or `partial_fit` goes on.

        With the same data, parameters and machine the result is the same, bit for bit, as without the interruption.
        Read it where you fit: a copy or a pickle of the estimator leaves it out.
        `fit` goes on up to `max_iter` epochs in total, so set that to more than before. To continue `partial_fit` in a
        new process, load the pickled estimator first, which knows the classes, then the checkpoint.

        Parameters
        ----------
        path : str or path
            Name of a file that :meth:`save_checkpoint` has written.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If the file is no checkpoint. That it fits the parameters and the data is checked by `fit`.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from sklearn.datasets import load_iris
        >>> from skreg import RegularizedMLPClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> options = dict(hidden_layer_sizes=(10,), n_iter_no_change=float("inf"), dropout=0.2, random_state=0)
        >>> path = Path(tempfile.mkdtemp()) / "training.npz"
        >>> RegularizedMLPClassifier(max_iter=10, **options).fit(X, y).save_checkpoint(path)  # doctest: +ELLIPSIS
        RegularizedMLPClassifier(...)
        >>> resumed = RegularizedMLPClassifier(max_iter=20, **options).load_checkpoint(path).fit(X, y)
        >>> whole = RegularizedMLPClassifier(max_iter=20, **options).fit(X, y)
        >>> bool((resumed.coefs_[0] == whole.coefs_[0]).all())
        True
        """
        self._checkpoint = load_state(path)
        return self

    def _check_checkpoint(self, checkpoint: dict[str, np.ndarray], network, epochs_in_total=np.inf) -> PreviousHistory:
        """Return the results of the epochs before a checkpoint; raise ValueError if it does not go with this fit."""
        needed = {name: value.tolist() for name, value in description(self, network).items()}
        found = {name: checkpoint[name].tolist() if name in checkpoint else None for name in needed}
        if found != needed:
            raise ValueError(f"The checkpoint is of a fit with {found}; this call's parameters and data need {needed}.")
        seeds = seed_arrays(dict.fromkeys(SEEDS, 0))
        n_epochs, n_losses = (checkpoint.get(name, np.empty(0)).size for name in ("history_epoch", "loss_curve"))
        n_losses = max(n_losses, n_epochs)  # a warm start had losses before
        counts = {"t": np.asarray(0), "epoch": np.asarray(0)} | seeds
        check_like(checkpoint, counts | {"loss_curve": np.zeros(n_losses)})
        check_range(checkpoint, "t", 0, LARGEST_COUNT)
        check_range(checkpoint, "epoch", 1, n_epochs)
        check_range(checkpoint, "loss_curve")
        for name in seeds:
            check_range(checkpoint, name, 0, SEED_LIMIT - 1)
        history = _checked_history(checkpoint, n_epochs)
        if checkpoint["epoch"] >= epochs_in_total:
            raise ValueError(
                f"The checkpoint was taken after {checkpoint['epoch']} epochs; to go on, max_iter must be larger; got "
                f"max_iter={self.max_iter!r}."
            )
        return PreviousHistory(history, checkpoint["loss_curve"].tolist(), int(checkpoint["t"]))
