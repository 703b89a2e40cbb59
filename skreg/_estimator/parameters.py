"""The parameters that all estimators share, declared once."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch

from skreg._axis_parameter import AxisParameter
from skreg._parameter import parameter, parameters_of, with_parameters
from skreg._sklearn_private import HasMethods, Hidden, Interval, Options, StrOptions
from skreg.augmentation import BatchTransform, _parameter
from skreg.averaging import Averaging, _ema
from skreg.constraints import Constraint
from skreg.constraints._resolve import ALIASES as CONSTRAINTS
from skreg.gradients import ClipByNorm, _clipping
from skreg.network.activation import ACTIVATIONS
from skreg.network.norm import NORMALIZATION_AXES
from skreg.penalties import Penalty
from skreg.penalties._resolve import ALIASES
from skreg.stopping import Following

# One for all layers, or one for each.
Numbers = float | Sequence[float] | np.ndarray


@with_parameters
class NetworkParameters:
    """Parameters of the network, its regularization and its training.

    What has another meaning in an estimator with cross-validation is declared by the class that gives it the meaning.
    """

    hidden_layer_sizes: int | Sequence[int] = parameter(
        "int or sequence of int",
        "Number of units of every hidden layer. ``()`` gives the linear model, for which the problem is convex.",
        default=(100,),
        constraints=["array-like", Interval(Integral, 1, None, closed="left")],
        kw_only=False,
    )
    activation: str = parameter(
        "{'identity', 'logistic', 'tanh', 'relu'}",
        "Activation of the hidden layers.",
        default="relu",
        constraints=[StrOptions(set(ACTIVATIONS))],
        kw_only=False,
    )
    penalty: str | Penalty | None = parameter(
        "str, Penalty object or None",
        """Penalty on the weight matrices: 'l1', 'l2', 'elasticnet', 'group_lasso', 'sparse_group_lasso',
        'hierarchical', 'mcp' or 'scad'. An object of :mod:`skreg.penalties` brings its own strength, which can be swept
        as ``penalty__alpha``, and takes further parameters, such as groups; None means no penalty.
        """,
        default="l2",
        constraints=[StrOptions(set(ALIASES)), Penalty, None],
    )
    l1_ratio: float | None = parameter(
        "float",
        "Share of L1 in 'elasticnet' and 'sparse_group_lasso', in [0, 1]. None means 0.5.",
        default=None,
        constraints=[Interval(Real, 0, 1, closed="both"), None],
    )
    constraint: str | Constraint | Sequence[str | Constraint] | None = parameter(
        "{'max_norm', 'nonnegative'}, Constraint object, list of these or None",
        """Set that every step projects the weight matrices onto (:mod:`skreg.constraints`): one for all of them, or a
        list with one for each. 'max_norm' bounds the norm of each unit's incoming weights by 3.
        """,
        default=None,
        constraints=[StrOptions(set(CONSTRAINTS)), Constraint, list, tuple, None],
    )
    dropout: Numbers = parameter(
        "float or sequence of float",
        """Probability, in [0, 1), that a hidden unit is left out in a training step: one for all hidden layers, or one
        for each.
        """,
        default=0.0,
        constraints=[Interval(Real, 0, 1, closed="left"), "array-like"],
    )
    input_dropout: float = parameter(
        "float",
        "Probability, in [0, 1), that an input is left out in a training step.",
        default=0.0,
        constraints=[Interval(Real, 0, 1, closed="left")],
    )
    normalization: str | None = parameter(
        "{'batch', 'layer'} or None",
        """Standardization of every hidden layer before its activation: over the rows of the batch, or over the units of
        the layer.
        """,
        default=None,
        constraints=[StrOptions(set(NORMALIZATION_AXES)), None],
    )
    weight_decay: float = parameter(
        "float",
        """Decoupled decay (AdamW): every step multiplies the weights by ``1 - lr * weight_decay``. It is no part of the
        objective; ``penalty='l2'`` is. At most ``1 / learning_rate_init``.
        """,
        default=0.0,
        constraints=[Interval(Real, 0, None, closed="left")],
    )
    solver: str = parameter(
        "{'adam', 'sgd', 'lbfgs'}",
        """Optimizer. 'lbfgs' works on all rows at once and needs a smooth objective: L2 or no penalty, no dropout.
        `max_iter` then counts its iterations, `tol` bounds the gradient, and `max_fun` the evaluations; it is the
        quickest way to the end for a few hundred rows.
        """,
        default="adam",
        constraints=[StrOptions({"adam", "sgd", "lbfgs"})],
    )
    batch_size: int | str = parameter(
        "int or 'auto'",
        """Rows of a training step. 'auto' is ``min(200, n_samples)``. An epoch is cut into
        ``ceil(n_samples / batch_size)`` batches of nearly equal size, so that no step rests on a few leftover rows.
        """,
        default="auto",
        constraints=[StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    )
    learning_rate: str = parameter(
        "{'constant', 'invscaling', 'adaptive', 'cosine'}",
        """Schedule, for both solvers. 'invscaling' divides by ``(t + 1)**power_t``, with t the rows seen so far.
        'adaptive' divides by 5 whenever `n_iter_no_change` epochs bring no improvement, down to 1e-6. 'cosine' anneals
        to 0 over `max_iter` epochs, and continues to the last of them unless `early_stopping` ends it; `partial_fit`
        begins anew after as many calls.
        """,
        default="constant",
        constraints=[StrOptions({"constant", "invscaling", "adaptive", "cosine"})],
    )
    learning_rate_init: float = parameter(
        "float",
        "Learning rate at the start.",
        default=0.001,
        constraints=[Interval(Real, 0, None, closed="neither")],
    )
    power_t: float = parameter(
        "float",
        "Exponent of 'invscaling'.",
        default=0.5,
        constraints=[Interval(Real, 0, None, closed="left")],
    )
    max_iter: int = parameter(
        "int",
        "Largest number of epochs. Each call of `fit` counts anew, but for one that follows `load_checkpoint`.",
        default=200,
        constraints=[Interval(Integral, 1, None, closed="left")],
    )
    shuffle: bool = parameter(
        "bool",
        "Whether every epoch takes the rows in a new order.",
        default=True,
        constraints=["boolean"],
    )
    random_state: int | np.random.RandomState | None = parameter(
        "int, RandomState instance or None",
        """Seed of initial weights, order of rows, dropout and validation split. The same int gives the same fit, bit
        for bit, on the same machine. None takes entropy from the operating system.
        """,
        default=None,
        constraints=["random_state"],
    )
    tol: float = parameter(
        "float",
        """Smallest improvement of the objective (or of what `scoring` says, when stopping early) that counts as one.
        """,
        default=1e-4,
        constraints=[Interval(Real, 0, None, closed="left")],
    )
    momentum: float = parameter(
        "float",
        "Of the solver 'sgd', in [0, 1).",
        default=0.9,
        constraints=[Interval(Real, 0, 1, closed="left")],
    )
    nesterovs_momentum: bool = parameter(
        "bool",
        "Whether the solver 'sgd' uses Nesterov's momentum.",
        default=True,
        constraints=["boolean"],
    )
    early_stopping: Any = parameter(
        "bool or cross-validation splitter",
        """Whether to hold out validation rows, to stop when they no longer gain, and to restore the weights of the best
        epoch. The rows are a random part of the data, those that `fit` is given as `X_val`, or the last split of a
        splitter such as GroupShuffleSplit or TimeSeriesSplit. With True, whole groups are held out where `fit` is given
        groups. In the searches and functions of :mod:`skreg.model_selection` and in comparisons True follows the
        splitter of the folds: whole groups, or the last rows where folds keep to the order of rows.
        """,
        default=False,
        constraints=["boolean", HasMethods(["split", "get_n_splits"]), Hidden(Following)],
    )
    validation_fraction: float = parameter(
        "float",
        """Share of the rows held out by `early_stopping`, in (0, 1). At least 10 rows (and one for each class) are
        taken, as long as that is at most a third of them. Classes keep their proportions.
        """,
        default=0.1,
        constraints=[Interval(Real, 0, 1, closed="neither")],
    )
    refit_on_all: bool = parameter(
        "bool",
        """Whether, after early stopping, to train a new network on all rows, those for validation included, for as many
        epochs as were best, at the same rates. The history stays that of the first one. Of skorch's callbacks only
        those that act on batches take part. Rows given as `X_val` are then copied together with X.
        """,
        default=False,
        constraints=["boolean"],
    )
    beta_1: float = parameter(
        "float",
        "Decay of the solver 'adam's running mean of the gradient, in [0, 1).",
        default=0.9,
        constraints=[Interval(Real, 0, 1, closed="left")],
    )
    beta_2: float = parameter(
        "float",
        "Decay of the solver 'adam's running mean of the squared gradient, in [0, 1).",
        default=0.999,
        constraints=[Interval(Real, 0, 1, closed="left")],
    )
    epsilon: float = parameter(
        "float",
        "Added to the denominator of the solver 'adam'.",
        default=1e-8,
        constraints=[Interval(Real, 0, None, closed="neither")],
    )
    n_iter_no_change: float = parameter(
        "int or inf",
        """Epochs without improvement after which training ends. With `early_stopping` the wait also lasts at least 100
        training steps, because on few rows an epoch is only one or two, and half as many epochs as led to the last
        improvement (but where `learning_rate='adaptive'`), because late epochs gain little each.
        """,
        default=10,
        constraints=[Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
    )
    max_fun: int = parameter(
        "int",
        "Largest number of evaluations of the objective by the solver 'lbfgs'.",
        default=15000,
        constraints=[Interval(Integral, 1, None, closed="left")],
    )
    device: str | torch.device = parameter(
        "str or torch.device",
        """Where to train and to predict, for instance 'cuda'. Where it does not exist, a fitted network predicts on the
        first device of the same type or, without one, on the CPU; `fit` raises. Fitted attributes are numpy arrays in
        any case.
        """,
        default="cpu",
        constraints=[str, torch.device],
    )
    callbacks: list | tuple | None = parameter(
        "list of skorch callbacks",
        """Learning-rate schedulers, gradient clipping, loggers, checkpoints of skorch, or pairs of a name and one. They
        are used as they are, not cloned, so what they record can be read after `fit`; a pickle leaves it out.
        """,
        default=None,
        constraints=[list, tuple, None],
    )
    # One line for each axis: a rule of training, described in its own file.
    augmentation: str | BatchTransform | None = _parameter.PARAMETER
    max_grad_norm: float | ClipByNorm | None = _clipping.PARAMETER
    averaging: str | Averaging | None = _ema.PARAMETER


# The axes, by the names of their parameters.
AXES: dict[str, AxisParameter] = {
    name: declared for name, declared in parameters_of(NetworkParameters).items() if isinstance(declared, AxisParameter)
}

# Fields of a spec.
SEAMS = ("batch_transforms", "gradient_rules", "averaging")


def axis_fields(estimator) -> dict:
    """Return the fields of a spec that the axes' parameters of an estimator stand for."""
    given = [(axis, getattr(estimator, name)) for name, axis in AXES.items()]
    rules = [(axis.seam, axis.resolve(value)) for axis, value in given if value is not None]
    of_seam = {seam: tuple(rule for other, rule in rules if other == seam) for seam in SEAMS}
    averages = of_seam.pop("averaging")
    if len(averages) > 1:
        raise ValueError(f"Only one average of the weights can be kept; got {list(averages)}.")
    return of_seam | {"averaging": averages[0] if averages else None}
