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
        """Number of units of every hidden layer. ``()`` gives a linear model, whose problem is convex if loss and
        penalty are.
        """,
        default=(100,),
        constraints=["array-like", Interval(Integral, 1, None, closed="left")],
        kw_only=False,
    )
    activation: str = parameter(
        "{'identity', 'logistic', 'tanh', 'relu'}",
        "Activation function of the hidden layers.",
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
        "float or None",
        "Share of the L1 penalty in 'elasticnet' and 'sparse_group_lasso', in [0, 1]. None means 0.5.",
        default=None,
        constraints=[Interval(Real, 0, 1, closed="both"), None],
    )
    constraint: str | Constraint | Sequence[str | Constraint] | None = parameter(
        "{'max_norm', 'nonnegative'}, Constraint object, list of these or None",
        """Set that every step projects the weight matrices onto (:mod:`skreg.constraints`): one for all of them, or a
        list with one (or None) for each. 'max_norm' bounds the norm of each unit's incoming weights by 3.
        """,
        default=None,
        constraints=[StrOptions(set(CONSTRAINTS)), Constraint, list, tuple, None],
    )
    dropout: Numbers = parameter(
        "float or sequence of float",
        """Probability, in [0, 1), that a hidden unit is dropped in a training step: one for all hidden layers, or one
        for each.
        """,
        default=0.0,
        constraints=[Interval(Real, 0, 1, closed="left"), "array-like"],
    )
    input_dropout: float = parameter(
        "float",
        "Probability, in [0, 1), that an input is dropped in a training step.",
        default=0.0,
        constraints=[Interval(Real, 0, 1, closed="left")],
    )
    normalization: str | None = parameter(
        "{'batch', 'layer'} or None",
        """Normalization of every hidden layer before its activation: over the rows of the batch, or over the units of
        the layer.
        """,
        default=None,
        constraints=[StrOptions(set(NORMALIZATION_AXES)), None],
    )
    weight_decay: float = parameter(
        "float",
        """Decoupled decay (AdamW): every step multiplies the weights by ``1 - lr * weight_decay``. It is not part of
        the objective, unlike ``penalty='l2'``. At most ``1 / learning_rate_init``.
        """,
        default=0.0,
        constraints=[Interval(Real, 0, None, closed="left")],
    )
    solver: str = parameter(
        "{'adam', 'sgd', 'lbfgs'}",
        """Optimizer. 'lbfgs' uses all rows at once and needs a smooth objective (a smooth loss, L2 or no penalty),
        without dropout, constraint or other rules that act on steps. `max_iter` then bounds its iterations, `tol` the
        gradient, and `max_fun` the evaluations. It often converges fastest on a few hundred rows.
        """,
        default="adam",
        constraints=[StrOptions({"adam", "sgd", "lbfgs"})],
    )
    batch_size: int | str = parameter(
        "int, 'auto' or 'scale'",
        """Number of rows in a training step. With n training rows, 'auto' is ``min(200, n)``; 'scale' is the power of
        two next to n / 16, at least 32 and at most 256. An epoch is cut into ``ceil(n / batch_size)`` batches of nearly
        equal size, so that no step rests on a few leftover rows.
        """,
        default="auto",
        constraints=[StrOptions({"auto", "scale"}), Interval(Integral, 1, None, closed="left")],
    )
    learning_rate: str = parameter(
        "{'constant', 'invscaling', 'adaptive', 'cosine'}",
        """Schedule of the learning rate, for 'adam' and 'sgd'. 'invscaling' divides by ``(t + 1)**power_t``, with t the
        rows seen so far. 'adaptive' divides by 5 whenever `n_iter_no_change` epochs bring no improvement, down to 1e-6.
        'cosine' anneals to 0 over `max_iter` epochs, and trains to the last of them unless `early_stopping` ends it.
        """,
        default="constant",
        constraints=[StrOptions({"constant", "invscaling", "adaptive", "cosine"})],
    )
    learning_rate_init: float = parameter(
        "float",
        "Initial learning rate.",
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
        "Maximum number of epochs of a fit.",
        default=200,
        constraints=[Interval(Integral, 1, None, closed="left")],
    )
    min_steps: int | None = parameter(
        "int or None",
        """Number of training steps that `max_iter` epochs have at least: `max_iter` is raised where the rows are so few
        that its epochs have fewer steps, and with `early_stopping` the patience to a tenth of them. It does not keep
        training from an earlier end. None leaves `max_iter` as it is; has no effect with ``solver='lbfgs'``.
        """,
        default=None,
        constraints=[Interval(Integral, 1, None, closed="left"), None],
    )
    shuffle: bool = parameter(
        "bool",
        "Whether to shuffle the rows before every epoch.",
        default=True,
        constraints=["boolean"],
    )
    random_state: int | np.random.RandomState | None = parameter(
        "int, RandomState instance or None",
        """Seed of initial weights, order of rows, dropout, augmentation and validation split. The same int gives the
        same fit, bit for bit, on the same machine. None means fresh entropy from the operating system.
        """,
        default=None,
        constraints=["random_state"],
    )
    tol: float = parameter(
        "float",
        "Smallest improvement of the objective (or, with early stopping, of what `scoring` names) that counts as one.",
        default=1e-4,
        constraints=[Interval(Real, 0, None, closed="left")],
    )
    momentum: float = parameter(
        "float",
        "Momentum of 'sgd', in [0, 1).",
        default=0.9,
        constraints=[Interval(Real, 0, 1, closed="left")],
    )
    nesterovs_momentum: bool = parameter(
        "bool",
        "Whether 'sgd' uses Nesterov's momentum.",
        default=True,
        constraints=["boolean"],
    )
    early_stopping: Any = parameter(
        "bool or cross-validation splitter",
        """Whether to hold out validation rows, to stop when their loss or score no longer improves, and to restore the
        weights of the best epoch. The rows are a random part of the data, those that `fit` is given as `X_val`, or the
        last split of a splitter such as GroupShuffleSplit or TimeSeriesSplit. With True, whole groups are held out
        where `fit` is given groups. In the searches and functions of :mod:`skreg.model_selection` and in comparisons
        True follows the splitter of the folds: whole groups, or the last rows where folds keep to the order of rows.
        """,
        default=False,
        constraints=["boolean", HasMethods(["split", "get_n_splits"]), Hidden(Following)],
    )
    validation_fraction: float = parameter(
        "float",
        """Fraction of the rows held out by `early_stopping`, in (0, 1). At least 50 rows are held out, or 15 % of
        the rows if that is fewer; and at least 10 rows and one for each class, or a third of the rows if that is fewer.
        Classes keep their proportions.
        """,
        default=0.1,
        constraints=[Interval(Real, 0, 1, closed="neither")],
    )
    refit_on_all: bool = parameter(
        "bool",
        """Whether, after early stopping, to train a new network on all rows, those for validation included, for as many
        epochs as were best, at the same rates. `history_` stays that of the first network. Of skorch's callbacks only
        those that act on batches take part. Rows given as `X_val` are then copied together with X.
        """,
        default=False,
        constraints=["boolean"],
    )
    beta_1: float = parameter(
        "float",
        "Decay rate of the first moment estimate of 'adam', in [0, 1).",
        default=0.9,
        constraints=[Interval(Real, 0, 1, closed="left")],
    )
    beta_2: float = parameter(
        "float",
        "Decay rate of the second moment estimate of 'adam', in [0, 1).",
        default=0.999,
        constraints=[Interval(Real, 0, 1, closed="left")],
    )
    epsilon: float = parameter(
        "float",
        "Constant added to the denominator of 'adam'.",
        default=1e-8,
        constraints=[Interval(Real, 0, None, closed="neither")],
    )
    n_iter_no_change: float = parameter(
        "int or inf",
        """Maximum number of epochs in a row without improvement. With `early_stopping` it is raised to at least 100
        training steps, because on few rows an epoch is only one or two, and to half the epochs up to the last
        improvement (except with ``learning_rate='adaptive'``), because late epochs improve little each.
        """,
        default=10,
        constraints=[Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
    )
    max_fun: int = parameter(
        "int",
        "Maximum number of evaluations of the objective by 'lbfgs'.",
        default=15000,
        constraints=[Interval(Integral, 1, None, closed="left")],
    )
    device: str | torch.device = parameter(
        "str or torch.device",
        """Device for training and prediction, for instance 'cuda'. If it does not exist, a fitted network predicts on
        the first device of the same type or, without one, on the CPU; `fit` raises. Fitted attributes are numpy arrays
        in any case.
        """,
        default="cpu",
        constraints=[str, torch.device],
    )
    callbacks: list | tuple | None = parameter(
        "list of skorch callbacks or None",
        """Learning-rate schedulers, gradient clipping, loggers or checkpoints of skorch, or (name, callback) pairs.
        They are used as they are, not cloned, so what they record can be read after `fit`; it is not pickled.
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
