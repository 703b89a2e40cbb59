"""Docstrings of the estimators, made of parts that are each written once."""

import inspect
from collections.abc import Callable, Iterable
from typing import TypeVar

from skreg._parameter import parameters_of

C = TypeVar("C", bound=type)


def with_docstring(
    *, description: Iterable[str], attributes: dict[str, str], sections: dict[str, str]
) -> Callable[[C], C]:
    """Return a decorator that completes the docstring of a class, which so far is its summary.

    Parameters
    ----------
    description : iterable of str
        Paragraphs that follow the summary.
    attributes : dict of str to str
        Type and description of the fitted attributes.
    sections : dict of str to str
        What follows parameters and attributes, by title.

    Returns
    -------
    callable
        The decorator. The parameters are those that the class declares.
    """

    def decorate(kind: C) -> C:
        entries = {
            "Parameters": "".join(declared.entry(name) for name, declared in parameters_of(kind).items()),
            "Attributes": "\n".join(f"{name} : {text.rstrip()}" for name, text in attributes.items()),
        }
        titled = [f"{title}\n{'-' * len(title)}\n{text.strip()}" for title, text in (entries | sections).items()]
        kind.__doc__ = "\n\n".join(inspect.cleandoc(part) for part in [kind.__doc__, *description, *titled])
        return kind

    return decorate


OBJECTIVE = r"""
With sample weights :math:`s_i`, network :math:`f` and weight matrices :math:`W_1, \dots, W_L`, the estimator minimizes

.. math::

    \frac{1}{\sum_i s_i} \sum_i s_i \, \mathrm{loss}(y_i, f(x_i)) + \sum_l \alpha_l \, \Omega(W_l)
"""

STRENGTH = r"""
:math:`\Omega` is the penalty; biases and normalization parameters are never penalized. :math:`\alpha` multiplies it
once: unlike in scikit-learn's MLP, whose effective strength is ``alpha`` divided by the size of each batch, it means
the same for every batch size, number of rows, solver and learning rate. For full batches of n rows, ``alpha=a`` there
is ``alpha=a/n`` here. Nondifferentiable penalties take a proximal step in the optimizer's own metric, so L1 and
elastic net give weights that are exactly zero. Training starts around the constant prediction with the smallest loss on
the training rows (with a function of your own, around 0 where that is better), so it need not find the level of y
first.
"""

# Of every fitted network.
FITTED_ATTRIBUTES = {
    "coefs_": """list of ndarray of shape (n_inputs, n_units)
    Weight matrix of every layer.
    """,
    "intercepts_": """list of ndarray of shape (n_units,)
    Biases of every layer.
    """,
    "skip_coef_": """ndarray of shape (n_inputs, n_outputs) or None
    Weights of the skip connection from the inputs to the outputs; None without one. ``penalty='hierarchical'`` has
    one beside its hidden layers.
    """,
    "input_features_": """ndarray of int of shape (n_inputs,)
    Indices of the columns of X that the network reads: all of them, unless :meth:`prune` has removed some.
    """,
    "feature_importances_": """ndarray of shape (`n_features_in_`,)
    Euclidean norm of each feature's weights in the skip connection or, without one, in the first layer: exactly 0 for
    features that are left out. The others can mislead; :func:`~sklearn.inspection.permutation_importance` on held-out
    rows measures what predictions lose without a feature.
    """,
    "selected_features_": """ndarray of int or str of shape (n_selected,)
    Features with any nonzero weight, as indices, or as names after a fit on a data frame.
    """,
    "normalization_params_": """list of dict
    For every normalized hidden layer, arrays 'gain' and 'shift' and, with batch normalization, the 'mean' and
    'variance' that predictions use; empty without normalization.
    """,
    "penalty_": """Penalty or None
    Penalty that was used, with its strength.
    """,
    "sparsity_": """ndarray of shape (n_layers - 1,)
    Fraction of weights that are exactly zero, for every weight matrix.
    """,
    "history_": """dict of ndarray of shape (n_epochs,)
    One number for each epoch of the last fit: 'epoch', 'train_loss', 'penalty', 'train_score', 'lr', and with
    validation rows 'valid_loss' and 'valid_score'. Training loss and score are computed during the epoch, with dropout
    and changing weights; those of validation after it. 'stopping_reason' is text, empty but for the last epoch.
    ``pandas.DataFrame(history_)`` makes a table.
    """,
    "loss_curve_": """list of float
    Training loss plus penalty of every epoch; `warm_start` and `partial_fit` continue it.
    """,
    "loss_": """float
    Last value of `loss_curve_`.
    """,
    "best_loss_": """float or None
    Lowest value of `loss_curve_`; None with early stopping.
    """,
    "best_epoch_": """int
    Epoch, counted from 1, whose weights were kept: the last one without early stopping.
    """,
    "validation_scores_": """list of float or None
    Validation score (that of :meth:`score`, or of `scoring`) after every epoch; None without validation rows.
    """,
    "best_validation_score_": """float or None
    Validation score of the epoch whose weights were kept; None without validation rows.
    """,
    "n_iter_": """int
    Number of epochs of the last fit (for 'lbfgs' iterations, at least 1).
    """,
    "t_": """int
    Number of training rows seen by the solver, repetitions counted.
    """,
    "n_layers_": """int
    Number of layers, input and output included.
    """,
    "n_outputs_": """int
    Number of output units.
    """,
    "out_activation_": """str
    Name of the function that maps outputs to predictions.
    """,
    "n_features_in_": """int
    Number of columns of X.
    """,
    "feature_names_in_": """ndarray of shape (`n_features_in_`,)
    Names of the columns of X, if it was a data frame with string names.
    """,
    "source_columns_": """ndarray of int of shape (`n_features_in_`,) or None
    Position, in the original table, of the column that each column of X stands for, if X was the output of
    :class:`~skreg.preprocessing.TableEncoder`; None otherwise.
    """,
}
