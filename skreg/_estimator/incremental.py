"""Incremental training: epoch by epoch with `partial_fit`, or from a checkpoint."""

from collections.abc import Callable

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skreg._estimator.advice import (
    OF_EARLY_STOPPING,
    advice_on_data,
    batch_size_messages,
    settings_messages,
    unused_messages,
)
from skreg._estimator.checks import check_parameters_together
from skreg._estimator.data import check_data
from skreg._estimator.history import HistoryMemory, PreviousHistory
from skreg._estimator.prepare import (
    PendingFit,
    finish,
    fitted_start,
    make_spec,
    network_of_estimator,
    set_prediction_attributes,
)
from skreg._estimator.resuming import check_checkpoint
from skreg._estimator.single import train
from skreg._seeds import SEEDS, draw_seeds
from skreg._warnings import give_warnings
from skreg.engine.checkpoints import load_state, save_state
from skreg.engine.dataset import Dataset
from skreg.engine.spec import FitSpec, NetworkSpec, RowChoice, StoppingRule
from skreg.engine.state import BEST_WEIGHTS
from skreg.engine.threads import for_autograd, on_one_thread
from skreg.engine.trainer import Trainer


def takes_steps(estimator) -> bool:
    """Return True; raise AttributeError, as `available_if` wants it, if training cannot be continued."""
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit and checkpoints need solver='adam' or solver='sgd'; got solver='lbfgs'.")
    return True


def _are_best_weights(weights: tuple[np.ndarray, ...], state: dict[str, np.ndarray]) -> bool:
    """Return whether weights are the best ones of a training, unchanged since."""
    best_weights = [state.get(f"{BEST_WEIGHTS}_{number}") for number in range(len(weights))]
    return all(best is not None and np.array_equal(own, best) for own, best in zip(weights, best_weights, strict=True))


def check_same_outputs(estimator) -> None:
    """Raise ValueError if the present loss needs other outputs than the fitted network has."""
    loss = estimator._make_loss()
    if loss.out_activation != estimator.out_activation_ or loss.n_outputs(estimator._n_targets) != estimator.n_outputs_:
        raise ValueError(
            f"The network was fitted with {estimator.n_outputs_} outputs and "
            f"out_activation_={estimator.out_activation_!r}; loss={estimator.loss!r} (with its parameters) needs "
            "other ones. Call fit again."
        )


def state_to_resume(estimator) -> dict[str, np.ndarray] | None:
    """Return the state of the last training; None if another solver has left it, or one that kept no average."""
    state = getattr(estimator, "_training_state", None)
    if state is None or str(state["solver"]) != estimator.solver:
        return None
    return None if estimator.averaging is not None and "average_0" not in state else state


def training_so_far(
    estimator, network: NetworkSpec, checkpoint: dict[str, np.ndarray] | None
) -> tuple[PreviousHistory, dict[str, np.ndarray] | None, tuple[np.ndarray, ...] | None]:
    """Return the history, the training state and the weights from which training continues; nothing if it begins."""
    if checkpoint is not None:
        return check_checkpoint(estimator, checkpoint, network), checkpoint, None
    if not hasattr(estimator, "coefs_"):
        return PreviousHistory(), None, None
    start = fitted_start(estimator, network)
    previous = PreviousHistory(
        getattr(estimator, "history_", {}),
        estimator.loss_curve_,
        estimator.t_,
        best_loss=getattr(estimator, "best_loss_", None),
    )
    return previous, state_to_resume(estimator), start


def weights_to_restore(spec: FitSpec, state: dict[str, np.ndarray] | None, is_checkpoint: bool) -> str | None:
    """Return which weights of a training state the next epoch starts from; None for those of the spec."""
    has_mean = state is not None and spec.averaging is not None and not state.get("stops_early", True)
    if has_mean and (spec.start is None or _are_best_weights(spec.start, state)):
        return "last"  # steps continue from the last weights, not from their mean
    return "best" if is_checkpoint else None


@for_autograd
@on_one_thread
def train_one_epoch(estimator, X, y, sample_weight, encode: Callable) -> None:
    """Train for one more epoch. ``encode`` turns targets into those of the loss."""
    is_first = not hasattr(estimator, "coefs_")
    checkpoint = vars(estimator).pop("_checkpoint", None)
    give_warnings(unused_messages(estimator, OF_EARLY_STOPPING))
    penalty = check_parameters_together(estimator)
    table = check_data(estimator, X, y, sample_weight, reset=is_first, encode=encode)
    estimator._transform_targets(table, goes_on=not is_first)
    dtype = table.X.dtype if is_first else estimator.coefs_[0].dtype
    if hasattr(estimator, "_n_targets") and checkpoint is None:
        check_same_outputs(estimator)
    network, loss, penalty, penalties = network_of_estimator(estimator, table, penalty, dtype)
    seeds = draw_seeds(estimator.random_state, *SEEDS)
    previous, state, start = training_so_far(estimator, network, checkpoint)
    previous.memory = getattr(estimator, "_history_memory", None) or HistoryMemory()
    if is_first and checkpoint is None:
        messages = settings_messages(estimator, advice_on_data(estimator, table), penalties)
        give_warnings(messages + estimator._target_messages(table))
    dataset = Dataset(table.X, table.targets, table.sample_weight)
    indices = table.nonzero_weight_indices
    spec = make_spec(
        estimator,
        network,
        loss,
        penalty,
        penalties,
        train=RowChoice(indices, estimator._class_weights(table, indices)),
        seeds=seeds,
        start=start,
        n_rows_before=previous.t,
        stopping=StoppingRule(
            estimator.max_iter, tol=estimator.tol, n_iter_no_change=estimator.n_iter_no_change, n_epochs=1
        ),
    )
    give_warnings(batch_size_messages(estimator, len(indices)))
    set_prediction_attributes(estimator, spec, table)
    restore = weights_to_restore(spec, state, checkpoint is not None)
    trainer = Trainer([(spec, dataset)], state=state, restore=restore)
    result = train(trainer, callbacks=estimator.callbacks, verbose=estimator.verbose)
    # One epoch says nothing of convergence: there is no warning.
    result.converged = True
    finish(PendingFit(estimator, spec, dataset, table, None, previous, start is not None, ()), result, dtype)
    estimator.best_epoch_ = len(estimator.history_["epoch"])
    estimator._history_memory = previous.memory
    estimator.n_iter_ = 1


class IncrementalMixin:
    """Methods of an estimator whose training can be continued."""

    @available_if(takes_steps)
    def save_checkpoint(self, path):
        """Save the training state, from which another process can continue exactly.

        A pickle holds only what predictions need. The checkpoint holds, beside the weights, the moments of the solver,
        the states of the random generators, the best epoch so far and the history: arrays of numbers in NumPy's
        ``.npz`` format, without pickled objects. It does not hold the states of skorch's callbacks.

        A checkpoint that was there is replaced as a whole, or not at all: several processes and threads may save to one
        path while others load from it, and each finds a whole checkpoint. When the method returns, the file is on the
        disk. It keeps the mode of a file that was there; where the path is a link, the file that it points to is
        replaced. A process that is killed while it saves can leave a file ``.skreg-....part`` beside the checkpoint,
        which may be deleted.

        Parameters
        ----------
        path : str, bytes or path-like
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
            If there is no training state, because the estimator comes from a pickle, or from a search or a
            cross-validation that trained it together with others, and has not been trained since. Or if the path is
            empty.
        OSError
            If the file cannot be written.

        See Also
        --------
        load_checkpoint : Load a checkpoint.
        """
        check_is_fitted(self)
        if not hasattr(self, "_training_state"):
            raise ValueError(
                "The training state is not available: a pickle does not contain it, and a network that was trained "
                "together with others has none of its own. Save the checkpoint after fit, before pickling."
            )
        history = {f"history_{name}": column for name, column in self.history_.items()}
        curve = {"loss_curve": np.asarray(self.loss_curve_), "t": np.asarray(self.t_)}
        save_state(path, self._training_state | history | curve)
        return self

    @available_if(takes_steps)
    def load_checkpoint(self, path):
        """Load a checkpoint, from which the next call of `fit` or `partial_fit` continues.

        With the same data, parameters and machine the result is the same, bit for bit, as without the interruption.
        Load it in the process that fits: a copy or a pickle of the estimator does not contain it. `fit` continues up to
        `max_iter` epochs in total, so increase that. To continue `partial_fit` in a new process, load the pickled
        estimator first, which knows the classes and how targets are transformed, then the checkpoint.

        Parameters
        ----------
        path : str, bytes or path-like
            Name of a file written by :meth:`save_checkpoint`.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If the file is no checkpoint, or the path is empty. `fit` checks that it matches the parameters and the
            data.
        OSError
            If the file cannot be read.

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
