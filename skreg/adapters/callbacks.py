"""Callbacks of skorch and of scikit-learn: which can be used, and how they are notified of epochs.

:mod:`sklearn.callback` has nested tasks: here a fit is a task, and each of its epochs a subtask.
"""

import copy

from sklearn.callback import CallbackContext
from skorch.callbacks import (
    BatchScoring,
    Callback,
    EpochScoring,
    Freezer,
    InputShapeSetter,
    LRScheduler,
    Unfreezer,
)

# skorch callbacks that act on parts which a RegularizedNet does not have: they would have no effect.
UNSUPPORTED_CALLBACKS = {
    Freezer: "all parameters are updated together; use warm_start",
    Unfreezer: "all parameters are updated together; use warm_start",
    InputShapeSetter: "the network takes its shape from the data",
    EpochScoring: "use early_stopping=True and scoring",
    BatchScoring: "use early_stopping=True and scoring",
}


def check_callbacks(callbacks) -> None:
    """Raise unless all are skorch callbacks, or (name, callback) pairs, of a supported kind."""
    for item in callbacks or []:
        kind = _kind(item)
        if not issubclass(kind, Callback):
            raise TypeError(
                "The 'callbacks' parameter must be a list of skorch callbacks or of (name, callback) pairs; "
                f"got {item!r} in it. Use set_callbacks for callbacks of scikit-learn."
            )
        for unsupported, reason in UNSUPPORTED_CALLBACKS.items():
            if issubclass(kind, unsupported):
                raise ValueError(f"The 'callbacks' parameter must not hold a {kind.__name__} ({reason}); got {item!r}.")
    names = [item[0] for item in callbacks or [] if isinstance(item, tuple)]
    if len(set(names)) < len(names):
        raise ValueError(f"The 'callbacks' parameter must give every callback another name; got {names!r}.")


def watches_batches(kind: type) -> bool:
    """Return whether a class of callbacks has a method for batches."""
    hooks = ("on_batch_begin", "on_batch_end", "on_grad_computed")
    return any(getattr(kind, hook, None) is not getattr(Callback, hook) for hook in hooks)


def callbacks_of_batches(callbacks) -> list:
    """Return the callbacks that act on batches, such as gradient clipping.

    They are part of how a network is trained, also when it is trained anew without rows to validate on. The others
    watch epochs, and a schedule of epochs has left its rates in the history.
    """
    return [
        item for item in callbacks or [] if watches_batches(_kind(item)) and not issubclass(_kind(item), LRScheduler)
    ]


def _kind(item) -> type:
    """Return the class of a callback, or of that of a (name, callback) pair."""
    callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
    return callback if isinstance(callback, type) else type(callback)


def without_learned_attributes(item):
    """Return a copy of a callback, or of a (name, callback) pair, without attributes that end in an underscore."""
    if isinstance(item, tuple) and len(item) == 2:
        return (item[0], without_learned_attributes(item[1]))
    if isinstance(item, type) or not hasattr(item, "__dict__"):  # no callback, as `fit` will say
        return item
    bare = copy.copy(item)
    for name in [name for name in vars(bare) if name.endswith("_")]:
        delattr(bare, name)
    return bare


class TaskCallback(Callback):
    """Callback of skorch that notifies those of :mod:`sklearn.callback` of every epoch, and stops training for them.

    Parameters
    ----------
    context : CallbackContext
        The task of the fit; each epoch becomes a task within it.
    **arguments : dict
        Arguments of the callbacks: estimator, X, y, metadata, and reconstruction_attributes. Values that are expensive
        are functions without arguments.
    """

    def __init__(self, context: CallbackContext, **arguments):
        self.context = context
        self.arguments = arguments
        self.asks_to_stop_ = False

    def on_epoch_begin(self, net, **kwargs):
        """Open a task."""
        self.epoch_ = self.context.subcontext(task_name="epoch")
        self.epoch_.call_on_fit_task_begin(**self.arguments)

    def on_epoch_end(self, net, **kwargs):
        """Close the task."""
        self.asks_to_stop_ = self.epoch_.call_on_fit_task_end(**self.arguments)
