"""The parts of the two estimators' docstrings that say the same, written once.

The classifier's and the regressor's ``__doc__`` are put together from these texts, so that the description of a
parameter cannot differ between them.
"""

import re
from typing import ClassVar

# Where the site is published; each public name has a page there.
SITE = "https://skreg.readthedocs.io/en/stable"


class DocLink:
    """Lets the HTML representation of an object link to its page, and to the description of each parameter there."""

    _doc_link_module = "skreg"
    _doc_link_template: ClassVar[str] = SITE + "/generated/{page}.html"

    def _doc_link_url_param_generator(self):
        # Where it is exported: private modules and those of the two estimators are no part of the name.
        inner = ("classifier", "regressor")
        public = [part for part in type(self).__module__.split(".") if not part.startswith("_") and part not in inner]
        return {"page": ".".join([*public, type(self).__name__])}


OBJECTIVE = r"""
With sample weights :math:`s_i`, network :math:`f` and weight matrices :math:`W_1, \dots, W_L`, it minimizes

.. math::

    \frac{1}{\sum_i s_i} \sum_i s_i \, \mathrm{loss}(y_i, f(x_i)) + \sum_l \alpha_l \, \Omega(W_l)

The loss is %(loss)s. :math:`\Omega` is the penalty; biases and normalization parameters are never penalized.
:math:`\alpha` multiplies it once: unlike in scikit-learn's MLP, whose effective strength is ``alpha`` divided by the
size of each batch, it means the same for every batch size, number of rows, solver and learning rate. For full
batches of n rows, ``alpha=a`` there is ``alpha=a/n`` here. Penalties with kinks take a proximal step in the
optimizer's own metric, so L1 and elastic net give weights that are exactly zero. Training starts around the constant
prediction with the smallest loss on the training rows (%(constant)s; with a function of your own, 0 where that
is better), so it need not find the level of y first.
"""

PARAMETERS = """
Parameters
----------
hidden_layer_sizes : int or sequence of int, default=(100,)
    Number of units of every hidden layer. ``()`` gives the linear model, for which the problem is convex.
activation : {'identity', 'logistic', 'tanh', 'relu'}, default='relu'
    Activation of the hidden layers.
loss : %(loss_values)s
penalty : str, Penalty object or None, default='l2'
    Penalty on the weight matrices: 'l1', 'l2', 'elasticnet', 'group_lasso', 'sparse_group_lasso', 'hierarchical',
    'mcp' or 'scad'. An object of :mod:`skreg.penalties` brings its own strength, which can be swept as
    ``penalty__alpha``, and takes further parameters, such as groups; None means no penalty.
alpha : float or sequence of float, default=None
    Strength of the penalty, at least 0: one for all weight matrices, or one for each, so that
    ``alpha=(0.02, 0, 0)`` penalizes only the first of three. None means 1e-4. Must be None beside a penalty
    object; has no effect (and warns) beside ``penalty=None``. One number for 'group_lasso', 'sparse_group_lasso' or
    'hierarchical' penalizes the first matrix so, and the others by L2 of strength 1e-3.
l1_ratio : float, default=None
    Share of L1 in 'elasticnet' and 'sparse_group_lasso', in [0, 1]. None means 0.5.
constraint : {'max_norm', 'nonnegative'}, Constraint object, list of these or None, default=None
    Set that every step projects the weight matrices onto (:mod:`skreg.constraints`): one for all of them, or a list
    with one for each. 'max_norm' bounds the norm of each unit's incoming weights by 3.
dropout : float or sequence of float, default=0.0
    Probability, in [0, 1), that a hidden unit is left out in a training step: one for all hidden layers, or one
    for each.
input_dropout : float, default=0.0
    Probability, in [0, 1), that an input is left out in a training step.
normalization : {'batch', 'layer'} or None, default=None
    Standardization of every hidden layer before its activation: over the rows of the batch, or over the units
    of the layer.
weight_decay : float, default=0.0
    Decoupled decay (AdamW): every step multiplies the weights by ``1 - lr * weight_decay``. It is no part of
    the objective; ``penalty='l2'`` is. At most ``1 / learning_rate_init``.
%(own_parameters)ssolver : {'adam', 'sgd', 'lbfgs'}, default='adam'
    Optimizer. 'lbfgs' works on all rows at once and needs a smooth objective: L2 or no penalty, no dropout. `max_iter`
    then counts its iterations, `tol` bounds the gradient, and `max_fun` the evaluations; it is the quickest way to the
    end for a few hundred rows.
batch_size : int or 'auto', default='auto'
    Rows of a training step. 'auto' is ``min(200, n_samples)``. An epoch is cut into
    ``ceil(n_samples / batch_size)`` batches of nearly equal size, so that no step rests on a few leftover rows.
learning_rate : {'constant', 'invscaling', 'adaptive', 'cosine'}, default='constant'
    Schedule, for both solvers. 'invscaling' divides by ``(t + 1)**power_t``, with t the rows seen so far.
    'adaptive' divides by 5 whenever `n_iter_no_change` epochs bring no improvement, down to 1e-6. 'cosine'
    anneals to 0 over `max_iter` epochs, and goes on to the last of them unless `early_stopping` ends it; `partial_fit`
    begins anew after as many calls.
learning_rate_init : float, default=0.001
    Learning rate at the start.
power_t : float, default=0.5
    Exponent of 'invscaling'.
max_iter : int, default=200
    Largest number of epochs. Each call of `fit` counts anew, but for one that follows `load_checkpoint`.
shuffle : bool, default=True
    Whether every epoch takes the rows in a new order.
random_state : int, RandomState instance or None, default=None
    Seed of initial weights, order of rows, dropout and validation split. The same int gives the same fit, bit
    for bit, on the same machine. None takes entropy from the operating system.
tol : float, default=1e-4
    Smallest improvement of the objective (or of what `scoring` says, when stopping early) that counts as one.
verbose : bool, default=False
    Whether to print a table with one line for each epoch.
warm_start : bool, default=False
    Whether `fit` goes on from the weights of the previous call. The solver begins anew (to go on exactly, see
    `save_checkpoint`), and all parameters are those of the new call, `activation` too.
momentum : float, default=0.9
    Of the solver 'sgd', in [0, 1).
nesterovs_momentum : bool, default=True
    Whether the solver 'sgd' uses Nesterov's momentum.
early_stopping : bool or cross-validation splitter, default=False
    Whether to hold out validation rows, to stop when they no longer gain, and to restore the weights of the best
    epoch. The rows are a random part of the data, those that `fit` is given as `X_val`, or the last split of a splitter
    such as GroupShuffleSplit or TimeSeriesSplit. With True, whole groups are held out where `fit` is given groups. In
    the searches and functions of :mod:`skreg.model_selection` and in comparisons True follows the splitter of the
    folds: whole groups, or the last rows where folds keep to the order of rows.
validation_fraction : float, default=0.1
    Share of the rows held out by `early_stopping`, in (0, 1). At least 10 rows (and one for each class) are
    taken, as long as that is at most a third of them. Classes keep their proportions.
refit_on_all : bool, default=False
    Whether, after early stopping, to train a new network on all rows, those for validation included, for as many epochs
    as were best, at the same rates. The history stays that of the first one. Of skorch's callbacks only those that act
    on batches take part. Rows given as `X_val` are then copied together with X.
scoring : str or callable, default='loss'
    What `early_stopping` monitors: the validation loss, or any scorer of scikit-learn (higher is better). In a
    regressor no row counts more than 50 times the mean of that loss, so that one wrong row does not choose the epoch.
beta_1 : float, default=0.9
    Decay of the solver 'adam's running mean of the gradient, in [0, 1).
beta_2 : float, default=0.999
    Decay of the solver 'adam's running mean of the squared gradient, in [0, 1).
epsilon : float, default=1e-8
    Added to the denominator of the solver 'adam'.
n_iter_no_change : int or inf, default=10
    Epochs without improvement after which training ends. With `early_stopping` the wait also lasts at least 100
    training steps, because on few rows an epoch is only one or two, and half as many epochs as led to the last
    improvement (but where `learning_rate='adaptive'`), because late epochs gain little each.
max_fun : int, default=15000
    Largest number of evaluations of the objective by the solver 'lbfgs'.
device : str or torch.device, default='cpu'
    Where to train and to predict, for instance 'cuda'. Where it does not exist, a fitted network predicts on the first
    device of the same type or, without one, on the CPU; `fit` raises. Fitted attributes are numpy arrays in any case.
callbacks : list of skorch callbacks, default=None
    Learning-rate schedulers, gradient clipping, loggers, checkpoints of skorch, or pairs of a name and one. They
    are used as they are, not cloned, so what they record can be read after `fit`; a pickle leaves it out.
"""

ATTRIBUTES = """
Attributes
----------
%(own_attributes)scoefs_ : list of ndarray of shape (n_inputs, n_units)
    Weight matrix of every layer.
intercepts_ : list of ndarray of shape (n_units,)
    Biases of every layer.
skip_coef_ : ndarray of shape (n_features, n_outputs) or None
    Weights of the skip connection from the inputs to the outputs; None without one. ``penalty='hierarchical'`` has
    one beside its hidden layers.
input_features_ : ndarray of int of shape (n_inputs,)
    Numbers of the columns of X that the network reads: all of them, unless :meth:`prune` has removed some.
feature_importances_ : ndarray of shape (`n_features_in_`,)
    Euclidean norm of the weights of each feature in the first layer; with a skip connection, of those alone. Exactly
    0 for features that are left out. The others can mislead: the norm depends on the unit of the column, so
    standardize all of them, one-hot columns included; and where training ends early, features that do not matter still
    have much of the weights that they began with. What predictions lose without a feature is told by
    :func:`~sklearn.inspection.permutation_importance` on held-out rows. To use importances in
    :class:`~sklearn.feature_selection.SelectFromModel`, give it ``threshold=1e-10``: its default, the mean, drops
    selected features.
selected_features_ : ndarray of int or str of shape (n_selected,)
    The features with any weight that is not 0, as numbers, or as names after a fit on a data frame.
normalization_params_ : list of dict
    For every normalized hidden layer, arrays 'gain' and 'shift' and, for batches, the 'mean' and 'variance'
    that predictions use; empty without normalization.
penalty_ : Penalty or None
    The penalty that was used, with its strength.
sparsity_ : ndarray of shape (n_layers - 1,)
    Share of weights that are exactly zero, for every weight matrix.
history_ : dict of ndarray of shape (n_epochs,)
    One number for each epoch of the last `fit`, and of every `partial_fit` after it: 'epoch', 'train_loss', 'penalty',
    'train_score', 'lr', and with validation rows 'valid_loss' and 'valid_score'. Training loss and score are taken
    during the epoch, with dropout and on changing weights; validation ones after it. 'stopping_reason' is text, empty
    but for the last epoch.
    ``pandas.DataFrame(history_)`` makes a table.
loss_curve_ : list of float
    Training loss plus penalty after every epoch; `warm_start` adds to it.
loss_ : float
    The last of `loss_curve_`.
best_loss_ : float or None
    The lowest of `loss_curve_`; None with early stopping.
best_epoch_ : int
    Epoch, counted from 1, whose weights were kept: the last one without early stopping.
validation_scores_ : list of float or None
    Validation score (%(score)s, or that of `scoring`) after every epoch; None without validation rows.
best_validation_score_ : float or None
    Validation score of the epoch whose weights were kept; None without validation rows.
n_iter_ : int
    Number of epochs of the last `fit` (for 'lbfgs' iterations, at least 1); 1 after `partial_fit`.
t_ : int
    Number of training rows seen, repetitions counted.
n_layers_ : int
    Number of layers, input and output included.
n_outputs_ : int
    Number of output units.
out_activation_ : str
    Function that maps outputs to predictions.
n_features_in_ : int
    Number of columns of X.
feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Names of the columns of X, if it was a data frame with string names.
"""


def estimator_docstring(
    summary: str,
    loss: str,
    constant: str,
    loss_values: str,
    own_parameters: str,
    axes: str,
    own_attributes: str,
    score: str,
    end: str,
):
    """Return the docstring of an estimator: summary, objective, parameters, ``axes`` last, attributes, then ``end``."""
    return "\n".join(
        [
            summary,
            OBJECTIVE % {"loss": loss, "constant": constant},
            PARAMETERS % {"own_parameters": own_parameters, "loss_values": loss_values.strip()} + axes,
            ATTRIBUTES % {"own_attributes": own_attributes, "score": score},
            end,
        ]
    )


CV_PARAMETERS = """alphas : int or array-like of float, default=30
    Strengths to try, or their number. A number makes a geometric grid up to where no feature is left, as in
    :func:`~skreg.model_selection.regularization_path`.
eps : float, default=1e-3
    The lowest strength of such a grid, in units of the highest; in (0, 1).
cv : int, cross-validation splitter or iterable of splits, default=5
    Folds. An int makes stratified folds for classes, and contiguous ones for numbers.
scoring : str or callable, default='loss'
    What the folds are scored by, higher is better: minus the mean loss on their held-out rows, or any scorer of
    scikit-learn. (Early stopping always monitors the loss.)
selection : {'best', 'one_se'}, default='best'
    The strength with the best mean score, or the largest whose mean score is within one standard error of it.
relax : bool, default=False
    Whether the features that each strength selects are fitted anew without the selecting penalty, for its score and in
    the end: the relaxed lasso. The penalty then selects, and does not shrink.
adaptive : bool, default=False
    Whether a second path follows, on the features that the best strength of a first one keeps, with weights that are
    inverse to the norms there: the adaptive lasso. Each fold has weights of its own, from its own training rows. Needs
    'group_lasso' or 'sparse_group_lasso' over features, or an object with weights.
refit : bool, default=True
    Whether to fit all rows with the chosen strength; otherwise the estimator cannot predict.
direction : {'auto', 'up', 'down'}, default='auto'
    Whether paths begin with the weakest or the strongest penalty, as in
    :func:`~skreg.model_selection.regularization_path`.
n_jobs : int, default=None
    Number of populations that are trained at the same time: the folds' fits are trained together, in threads or by the
    backend of :func:`joblib.parallel_config`; None is the number of the configuration, else 1. Fits that cannot be
    trained together (as with ``solver='lbfgs'``, `callbacks`, or `refit_on_all` with early stopping) and the fit of all
    rows run one after the other, whatever `n_jobs` is.
"""

CV_ATTRIBUTES = """alpha_ : float
    The chosen strength.
alphas_ : ndarray of shape (n_alphas,)
    The strengths that were tried, ascending.
scores_path_ : ndarray of shape (n_folds, n_alphas)
    Score of every fold and strength: of the fits along the path or, where these did better on average, of fits from
    scratch. These are tried where there are hidden layers and paths begin with the weakest penalty: for the strongest
    penalty and on downwards, all of up to 12 strengths, of more those that are at least a factor of 2.5 apart. The fit
    of all rows goes the better way, too.
n_selected_path_ : ndarray of int of shape (n_folds, n_alphas)
    Number of features that are used by the fits of these scores.
best_score_ : float
    Mean score of the chosen strength.
first_alpha_ : float or None
    The strength of the first path whose norms became weights; None unless `adaptive`.
"""

PENALTY_ATTRIBUTE = "The penalty that was used, with its strength.\n"
CV_PENALTY_ATTRIBUTE = """The penalty of the last fit: with `relax` its strength is 0; with `adaptive` it has weights,
    for the features that the first path has kept.
"""

CV_END = """
Warns
-----
UserWarning
    If `fit` ends with no feature, or with predictions that are all the same; or if the chosen strength is the weakest
    or the strongest of those that were tried, so that a better one may lie beyond.

See Also
--------
%(plain)s : The same with a given strength.
skreg.model_selection.regularization_path : The path alone.

Notes
-----
The strength with the best plain score keeps too many features: what predicts well is a penalty too weak to select
sharply, because a stronger one also shrinks what matters. `relax` takes the shrinkage out of the comparison,
`adaptive` penalizes large groups less than small ones, and ``selection='one_se'`` prefers few features among equals.
Use all three to find out which features matter, and the defaults to predict.

References
----------
.. [1] N. Meinshausen, "Relaxed lasso", Computational Statistics and Data Analysis 52(1), 2007.
.. [2] H. Zou, "The adaptive lasso and its oracle properties", Journal of the American Statistical Association
   101(476), 2006.
.. [3] T. Hastie, R. Tibshirani and J. Friedman, "The Elements of Statistical Learning", 2nd edition, 2009, section
   7.10.1 (one standard error).

Examples
--------
%(example)s"""


def _replace_once(text: str, old: str, new: str) -> str:
    if text.count(old) != 1:
        raise ValueError(f"the text to change must be there once: {old!r}")
    return text.replace(old, new)


def cv_docstring(text: str, plain: str, example: str) -> str:
    """Return the docstring of an estimator with cross-validation, from that of the estimator with a given strength."""
    start, parameters = text.split("Parameters\n----------\n")
    parameters, attributes = parameters.split("\nAttributes\n----------\n")
    attributes = attributes.split("\nSee Also\n--------\n")[0]
    # Each description begins in the first column and goes on indented.
    kept = [
        block
        for block in re.split(r"\n(?=\w+ : )", parameters.rstrip())
        if block.split(" : ")[0] not in ("alpha", "warm_start", "scoring")
    ]
    parameters = "\n".join(kept)
    changes = {
        "take part. Rows given as `X_val` are then copied together with X.": "take part.",
        "a random part of the data, those that `fit` is given as `X_val`, or the last split of a splitter": (
            "a random part of the training rows of a fold, or the last split of a splitter"
        ),
        "str, Penalty object or None, default='l2'\n": "str or Penalty object, default='group_lasso'\n",
        "brings its own strength, which can be swept as\n    ``penalty__alpha``, and takes further parameters": (
            "takes further parameters (its alpha\n    is not used)"
        ),
        "such as groups; None means no penalty.": "such as groups.",
        "Whether to print a table with one line for each epoch.": "Whether to show a progress bar of the folds.",
        "(or of what `scoring` says, when stopping early)": "(or of the validation loss, when stopping early)",
        "are used as they are, not cloned, so what they record can be read after `fit`; a pickle leaves it out.": (
            "are copied for each of the many fits."
        ),
    }
    for old, new in changes.items():
        parameters = _replace_once(parameters, old, new)
    attributes = _replace_once(attributes, PENALTY_ATTRIBUTE, CV_PENALTY_ATTRIBUTE)
    summary, _, objective = start.partition("\n")
    summary = summary.rstrip(".") + " that chooses its strength by cross-validation along a path."
    return "\n".join(
        [
            summary + "\n" + objective.rstrip() + "\n",
            "Parameters\n----------\n" + parameters + "\n" + CV_PARAMETERS,
            "Attributes\n----------\n" + CV_ATTRIBUTES + attributes,
            CV_END % {"plain": f"skreg.{plain}", "example": example.strip() + "\n"},
        ]
    )
