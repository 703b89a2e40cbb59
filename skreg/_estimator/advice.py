"""Warnings of an estimator: parameters without effect, settings and data with which training fails or means little."""

import inspect
from collections.abc import Sequence
from functools import cache

import numpy as np
from sklearn.base import is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import TimeSeriesSplit

from skreg._estimator.copies import unfitted
from skreg._estimator.data import Table
from skreg._estimator.hints import advice_on_categories
from skreg._estimator.scales import (
    VALIDATION_INPUTS,
    VALIDATION_TARGETS,
    advice_on_columns,
    advice_on_targets,
    look_different,
)
from skreg._estimator.steps import epochs_in_words
from skreg._warnings import Advice, AdviceWarning, Message
from skreg.engine.spec import FitResult, RowChoice
from skreg.penalties._base import LayerPenalty
from skreg.penalties._resolve import unused_strengths
from skreg.stopping import takes_groups
from skreg.stopping._splits import WANTED_VALIDATION_SHARE

# Parameters without effect unless rows are held out, which `partial_fit` does not do.
OF_EARLY_STOPPING = ("validation_fraction", "refit_on_all", "scoring")

# Fewer rows to stop on get a warning. Measured on seven tables with 60 to 200 of their rows, of which early stopping
# held out a tenth: the loss of new rows was 6 % larger than without it, and 10 % smaller again with an ensemble of
# folds. With 300 and 500 rows early stopping cost 2 %.
FEWEST_TO_STOP_ON = 25
FEW_TO_STOP_ON = (
    "Early stopping chooses the epoch by {n_rows} rows, which are too few to tell the best one. Use "
    "{folds}, whose networks stop on the rows of all folds."
)
# A class with so many training rows, and none to stop on, gets one.
ENOUGH_OF_A_CLASS = 10
CLASSES_TO_STOP_ON = (
    "Early stopping has no row to choose the epoch by of the classes {names!r}, which are trained on. Use {line}"
)
STRATIFIED_X_VAL = "X, X_val, y, y_val = train_test_split(X, y, stratify=y)."
STRATIFIED_SPLITTER = "early_stopping=StratifiedShuffleSplit(1), which holds out rows of each class."
STRATIFIED_GROUPS = (
    "early_stopping=StratifiedGroupKFold(5), which holds out whole groups, with rows of each class where it can."
)

# Measured on seven tables with 60 to 500 of their rows: of 61 fits with the defaults 6 had converged after 200 epochs
# and 52 after 1000, but the loss of new rows was then a quarter larger. With early stopping it was not.
MORE_EPOCHS = 5
SHORTER_STEPS = 10
# Steps were too long if the loss was more than so many times that of a constant, which the weights of the start do not
# come to with columns of size 1, and has ended above that of a constant, to which strong penalties come near.
FAR_ABOVE_CONSTANT, ABOVE_CONSTANT = 10.0, 1.1


@cache
def defaults_of(kind: type) -> dict[str, object]:
    """Return the defaults of a class's parameters."""
    return {name: parameter.default for name, parameter in inspect.signature(kind).parameters.items()}


def default_of(estimator, name: str):
    """Return the default of a parameter."""
    # The constructor of a subclass may lack parameters of its base class.
    return next(found[name] for found in map(defaults_of, type(estimator).__mro__) if name in found)


def has_default(estimator, name: str) -> bool:
    """Return whether a parameter has its default value, given or not."""
    value, default = getattr(estimator, name), default_of(estimator, name)
    is_one = not isinstance(value, Sequence) or isinstance(value, str)
    return value is default or (is_one and np.ndim(value) == 0 and value == default)


def unused_parameters(estimator) -> dict[str, str]:
    """Return parameters that were given but have no effect, and for each the parameter that is the cause.

    Parameters that regularize, choose or change what is predicted count. Those of other solvers and schedules do
    not, as in scikit-learn's MLP; nor do those of hidden layers where there are none, as in a search over
    `hidden_layer_sizes`.
    """
    unused = dict.fromkeys(unused_strengths(estimator.penalty), "penalty")
    rule, _ = estimator._stopping_rule()
    if not rule:
        unused |= dict.fromkeys(OF_EARLY_STOPPING, "early_stopping")
    elif hasattr(rule, "split"):
        unused["validation_fraction"] = "early_stopping"
    of_losses = estimator._loss_parameters.items()
    unused |= dict.fromkeys([name for name, loss in of_losses if estimator.loss != loss], "loss")
    return {name: cause for name, cause in unused.items() if not has_default(estimator, name)}


def unused_messages(estimator, used: tuple[str, ...] = ()) -> list[Message]:
    """Return warnings of parameters without effect, but for those that are ``used`` in this call."""
    messages = []
    for name, cause in unused_parameters(estimator).items():
        if name not in used:
            given = estimator._stopping_rule()[0] if cause == "early_stopping" else getattr(estimator, cause)
            text = "a function" if callable(given) else repr(given)
            messages.append((f"{name}={getattr(estimator, name)!r} has no effect with {cause}={text}.", UserWarning))
    return messages


def without_unused(estimator):
    """Return an estimator with the same fit, but without unused parameters; itself if there are none."""
    defaults = {name: default_of(estimator, name) for name in unused_parameters(estimator)}
    return unfitted(estimator, **defaults) if defaults else estimator


def advice_on_data(estimator, table: Table) -> list[Advice]:
    """Return warnings about categories in X, and about the scale of X and of the targets."""
    name = type(estimator).__name__
    # An encoder of tables has chosen the scales of its features, and not for all of them the same.
    is_encoded = estimator.source_columns_ is not None
    X, _ = table.source
    advice = [] if is_encoded else [advice_on_categories(X, estimator), advice_on_columns(table.X, name)]
    if estimator._make_loss().in_units:
        advice.append(advice_on_targets(table.weighted_targets, estimator.target_transform))
    return [text for text in advice if text is not None]


def settings_messages(estimator, advice: Sequence[str], penalties: Sequence[LayerPenalty | None]) -> list[Message]:
    """Return warnings of settings with which training fails or means little, and ``advice`` on the data."""
    messages: list[Message] = [(text, AdviceWarning) for text in advice]
    explicit = estimator.alpha is not None or estimator.penalty != "l2"
    if estimator.normalization and explicit and any(penalties[:-1]):
        text = (
            f"normalization={estimator.normalization!r} undoes the scale of the weights before it, so a penalty on "
            "hidden layers has no minimizer: it shrinks them as long as training continues. Give alpha one number "
            "for each weight matrix, with 0 for all but the last; got the strengths "
            f"{[0.0 if p is None else p.alpha for p in penalties]}."
        )
        messages.append((text, UserWarning))
    return messages


def validation_messages(estimator, table: Table, valid_table: Table) -> list[Message]:
    """Return warnings of validation rows that look as if they had not been scaled like the training rows."""
    messages: list[Message] = []
    if look_different(table.X, valid_table.X):
        messages.append((VALIDATION_INPUTS.format(estimator=type(estimator).__name__), AdviceWarning))
    if is_regressor(estimator) and look_different(table.weighted_targets, valid_table.weighted_targets):
        messages.append((VALIDATION_TARGETS, AdviceWarning))
    return messages


def row_messages(
    estimator, train: RowChoice, valid: RowChoice | None, table: Table, valid_table: Table | None
) -> list[Message]:
    """Return warnings about the numbers of rows to train and to stop on."""
    of_batches = batch_size_messages(estimator, len(train))
    return of_batches + validation_size_messages(estimator, train, valid, table, valid_table)


def batch_size_messages(estimator, n_rows: int) -> list[Message]:
    """Return a warning of batches that are larger than the number of training rows."""
    if estimator.solver == "lbfgs" or isinstance(estimator.batch_size, str) or estimator.batch_size <= n_rows:
        return []
    text = f"batch_size={estimator.batch_size!r} is larger than the {n_rows} training rows; all rows form one batch."
    return [(text, UserWarning)]


def validation_size_messages(
    estimator, train: RowChoice, valid: RowChoice | None, table: Table, valid_table: Table | None
) -> list[Message]:
    """Return warnings of rows to stop on that are too few to tell the best epoch, or that lack a class.

    There are none about rows that a cross-validation around the fit holds out: each fold has others.
    """
    if valid is None or not estimator.early_stopping or estimator._stops_on_held_out_rows:
        return []
    messages: list[Message] = []
    # Of a constant target, which a classifier does not take, all epochs are as good.
    is_constant = is_regressor(estimator) and not np.ptp(table.weighted_targets, axis=0).any()
    if len(valid) < FEWEST_TO_STOP_ON and not is_constant:
        text = FEW_TO_STOP_ON.format(n_rows=len(valid), folds=folds_of(estimator, "early_stopping=True, ..."))
        messages.append((text, AdviceWarning))
    rule, _ = estimator._stopping_rule()
    # Rows in time have no other end to be held out.
    is_chosen = valid.of_validation_data or (hasattr(rule, "split") and not isinstance(rule, TimeSeriesSplit))
    trained = estimator._strata(table.targets[train.indices]) if is_chosen else None
    if trained is not None:
        classes, counts = np.unique(trained, return_counts=True)
        found = estimator._strata(valid_table.targets[valid.indices])
        missing = classes[(counts >= ENOUGH_OF_A_CLASS) & ~np.isin(classes, found)].astype(int)
        if len(missing):
            of_splitter = STRATIFIED_GROUPS if takes_groups(rule) else STRATIFIED_SPLITTER
            line = STRATIFIED_X_VAL if valid.of_validation_data else of_splitter
            names = estimator.classes_[missing].tolist()
            messages.append((CLASSES_TO_STOP_ON.format(names=names, line=line), AdviceWarning))
    return messages


def is_about_few_to_stop_on(message: Message) -> bool:
    """Return whether a warning says that there are few rows to stop on."""
    return message[1] is AdviceWarning and str(message[0]).startswith(FEW_TO_STOP_ON.partition("{")[0])


def folds_of(estimator, parameters: str) -> str:
    """Return the line of an ensemble of folds of a network with some parameters."""
    kind = "Regressor" if is_regressor(estimator) else "Classifier"
    return f"skreg.ensemble.FoldEnsemble{kind}({type(estimator).__name__}({parameters}))"


def convergence_messages(estimator, result: FitResult, max_epochs: int, advice: Sequence[Advice]) -> list[Message]:
    """Return the warning of a training that has not converged, with the line that mends it.

    ``max_epochs`` is what `max_iter` has come to, and ``advice`` are warnings about the data, which come first.
    """
    longer = f"max_iter={MORE_EPOCHS * max_epochs}"
    if estimator.solver == "lbfgs":
        text = f"solver='lbfgs' has not converged: {result.stopping_reason.rstrip('.')}. "
        if result.n_epochs < max_epochs:
            longer = f"max_fun={MORE_EPOCHS * estimator.max_fun}"
    else:
        text = f"Training reached {epochs_in_words(estimator, max_epochs)} epochs before it converged. "
    # Zeros are exact, and strengths mean what they say, at the minimum of the objective.
    needs_minimum = estimator.penalty_ is not None and not estimator.penalty_.smooth
    if advice:
        text += f"Mend the data first, as another warning says: {advice[0].line}."
    elif estimator.solver != "lbfgs" and goes_up(result):
        text += (
            "The objective has gone up, as with steps that are too long. Use "
            f"learning_rate_init={estimator.learning_rate_init / SHORTER_STEPS:.2g}."
        )
    elif estimator.solver == "lbfgs" or estimator.early_stopping or needs_minimum:
        text += f"Use {longer}."
    else:
        line = f"early_stopping=True, {longer}"
        if max(estimator.validation_fraction, WANTED_VALIDATION_SHARE) * result.n_rows < FEWEST_TO_STOP_ON:
            line = folds_of(estimator, f"{line}, ...")
        text += (
            f"Use {line}, which keeps what is best on held-out rows; or, to go on to the minimum of the objective, "
            f"{longer} alone."
        )
    return [(text, ConvergenceWarning)]


def goes_up(result: FitResult) -> bool:
    """Return whether training has ended higher than it had been, or above a constant after it was far above.

    That is, whether the mean of the last quarter of the epochs is above that of the quarter before; of fewer than eight
    epochs they say nothing.
    """
    if not result.epochs:
        return False
    losses = np.array([epoch["train_loss"] for epoch in result.epochs])
    objective, n_epochs = losses + [epoch["penalty"] for epoch in result.epochs], len(losses) // 4
    is_higher = n_epochs >= 2 and objective[-n_epochs:].mean() > objective[-2 * n_epochs : -n_epochs].mean()
    constant = abs(result.constant_loss)
    is_far = (losses.max() > FAR_ABOVE_CONSTANT * constant) and losses[-1] > ABOVE_CONSTANT * constant
    return bool(is_higher or is_far)
