"""Warm-started fits along a path, none of them worse than a known solution.

On the way up, from weak to strong penalties, weights have to shrink, and a short fit can end before they have: its
objective is then above that of a fit from scratch. Three rules prevent that.

1. *Continue.* A fit whose objective is above that of the best constant prediction is trained for as many epochs as a
   fit from scratch takes, then from scratch. Only if that is no better is the strength too strong for any feature.
2. *Look back.* Every fit is a candidate for every strength: its objective there is its loss plus its penalty at that
   strength. So a second pass, from strong to weak, starts from the stronger neighbour wherever its objective is lower,
   and takes the better of the two fits.
3. *Compare.* That pass also has a fit from scratch for every strength, all of them trained together, and takes it
   where its objective is the lowest.
"""

import copy
import math
from collections.abc import Callable, Sequence

import numpy as np

from skreg._estimator.copies import hidden_parameters, set_parameters
from skreg._estimator.history import joined
from skreg._estimator.shared_checks import SharedChecks
from skreg._estimator.state import TRAINING_STATE
from skreg.engine.threads import on_one_thread
from skreg.model_selection._alphas import NullModel, has_hidden_layers, is_empty, penalty_of, with_alpha
from skreg.model_selection._routines import Request, Routine
from skreg.solvers import Regularization

# A warm-started fit takes a share of the epochs in proportion to the logarithm of the ratio of the strengths, a whole
# fit for this ratio (50 strengths over three decades then cost as much as 8.5 fits, and 10 do, too).
RATIO_OF_WHOLE_FIT = 2.5
# An annealed learning rate starts at this multiple of the estimator's in every such fit. Any other has a phase to move
# and one to settle: pairs of a multiple of the estimator's rate and a share of the epochs.
ANNEALING = {"cosine", "invscaling"}
RATE_OF_ANNEALING = 0.3
PHASES = ((1.0, 0.6), (0.1, 0.4))
# A phase ends when so many epochs have not lowered the objective by this share of the null model's loss.
PATIENCE = 3
TOLERANCE = 1e-3
# Multiple of the estimator's learning rate at which an epoch has a history but does not change weights.
NEGLIGIBLE_RATE = 1e-6


def objective_of(model) -> float:
    """Return training loss plus penalty of the best epoch of a fitted estimator."""
    epoch = _best_row(model)
    return float(model.history_["train_loss"][epoch] + model.history_["penalty"][epoch])


@on_one_thread
def objective_at(model, alpha: float) -> float:
    """Return the objective of the weights of a fitted estimator at another strength of its penalty."""
    module = model._fitted_module()
    penalties = penalty_of(with_alpha(model, alpha)).for_layers(module.layer_units)
    penalty = Regularization(module, penalties).penalty_value()
    return float(model.history_["train_loss"][_best_row(model)]) + penalty


def _best_row(model) -> int:
    """Return the row of the history of the best epoch."""
    return int(np.flatnonzero(model.history_["epoch"] == model.best_epoch_)[-1])


def without_training_state(model):
    """Return a model after its training state, several times as large as its weights, is removed from it."""
    for name in TRAINING_STATE:
        vars(model).pop(name, None)
    return model


def length_of_part(estimator, n_epochs: int) -> dict[str, int | None]:
    """Return `max_iter` and `min_steps` for a part of the epochs of a whole fit."""
    n_steps = estimator.min_steps
    if n_steps is not None:
        n_steps = math.ceil(n_steps * n_epochs / estimator.max_iter)
    return {"max_iter": n_epochs, "min_steps": n_steps}


class WarmFits:
    """Warm-started fits of one estimator to some data, for one strength after another.

    Parameters
    ----------
    estimator : estimator
        The estimator; its strength is ignored.
    X, y, sample_weight : array-like
        Data.
    null : NullModel or None
        Null model of these data, than which no fit of a network with hidden layers is worse; None for no check.
    max_iter : int or None, default=None
        Largest number of epochs of a warm-started fit; None for a number that depends on the strengths.
    up : bool, default=True
        Whether strengths grow from fit to fit.
    ratio_of_whole_fit : float, default=2.5
        Ratio of two strengths from which on a warm-started fit may take as many epochs as one from scratch.
    """

    def __init__(
        self,
        estimator,
        X,
        y,
        sample_weight,
        null: NullModel | None,
        *,
        max_iter=None,
        up=True,
        ratio_of_whole_fit=RATIO_OF_WHOLE_FIT,
    ):
        self.estimator = estimator
        self.data = (X, y, sample_weight)
        self._checks = SharedChecks(warm_starts=True)
        self.null = null if has_hidden_layers(estimator) else None
        self.max_iter = max_iter
        self.up = up
        self.ratio_of_whole_fit = ratio_of_whole_fit
        self.last = None
        # The weakest strength of which a fit from scratch is known to use no feature; those of stronger ones do not.
        self.empty_from = math.inf
        # Validation has its own rule; L-BFGS its own meaning of tol.
        has_rule = not up or self.null is None or estimator.early_stopping or estimator.solver == "lbfgs"
        self._stopping = {} if has_rule else {"tol": TOLERANCE * self.null.loss, "n_iter_no_change": PATIENCE}

    def fit(self, alpha: float) -> Routine:
        """Return an estimator fitted with a strength, from the weights of the last."""
        self.last = yield from self.started_from(self.last, alpha)
        return self.last

    def started_from(self, neighbour, alpha: float) -> Routine:
        """Return an estimator fitted with a strength, from the weights of a neighbour; from scratch without one."""
        if neighbour is None:
            (model,) = yield from self.from_scratch([alpha], is_short=False)
            return model
        if self.up and self.null is not None and is_empty(neighbour):
            # Training does not leave weights of zero.
            if alpha >= self.empty_from:
                return (yield from self._null_model(neighbour, alpha))
            return (yield from self._from_scratch_or_null(neighbour, alpha))
        return (yield from self._checked(neighbour, alpha))

    def from_scratch(self, alphas: Sequence[float], *, is_short: bool = True) -> Routine:
        """Return an estimator for each strength, fitted from scratch."""
        models = [with_alpha(self.estimator, alpha) for alpha in alphas]
        if models:
            yield [self._request(model, is_short=is_short) for model in models]
        return [without_training_state(model) for model in models]

    def warm_started(self, neighbour, alpha: float) -> Routine:
        """Return an estimator fitted with a strength, from the weights of a neighbour."""
        model = self._start(neighbour, alpha)
        yield from self._train(model, self._n_epochs(penalty_of(neighbour).alpha, alpha))
        return self._finished(model)

    def _checked(self, neighbour, alpha: float) -> Routine:
        """Return a fit from the weights of a neighbour, continued as long as it is worse than the null model."""
        model = self._start(neighbour, alpha)
        n_epochs = self._n_epochs(penalty_of(neighbour).alpha, alpha)
        yield from self._train(model, n_epochs)
        if self.null is None or is_empty(neighbour):
            return self._finished(model)
        n_done = n_epochs
        while self._is_worse_than_null(model) and not is_empty(model) and n_done < self.estimator.max_iter:
            yield from self._train(model, n_epochs)
            n_done += n_epochs
        if self._is_worse_than_null(model):
            return (yield from self._from_scratch_or_null(neighbour, alpha))
        return self._finished(model)

    def _from_scratch_or_null(self, neighbour, alpha: float) -> Routine:
        """Return a fit from scratch if it is better than the null model, else that.

        One without any feature decides for all stronger penalties. One with features and too high an objective does
        not: at another strength, training may do better.
        """
        (model,) = yield from self.from_scratch([alpha])
        if is_empty(model):
            self.empty_from = min(self.empty_from, alpha)
        if self._is_worse_than_null(model):
            return (yield from self._null_model(neighbour, alpha))
        return model

    def _is_worse_than_null(self, model) -> bool:
        return is_empty(model) or objective_of(model) > self.null.loss

    def _null_model(self, neighbour, alpha: float) -> Routine:
        """Return the best constant prediction as a fitted estimator, with a history of one epoch."""
        model = self._start(neighbour, alpha)
        self._set_null(model)
        rate = NEGLIGIBLE_RATE * self.estimator.learning_rate_init
        set_parameters(model, max_iter=1, min_steps=None, learning_rate="constant", learning_rate_init=rate)
        yield [self._request(model, is_short=True)]
        self._set_null(model)
        return self._finished(model)

    def _request(self, model, *, is_short: bool) -> Request:
        return Request(model, self.data, is_short=is_short, checks=self._checks)

    def _set_null(self, model) -> None:
        model.coefs_ = [np.zeros_like(W) for W in model.coefs_]
        model.intercepts_[-1] = self.null.outputs.astype(model.coefs_[0].dtype)
        if model.skip_coef_ is not None:
            model.skip_coef_ = np.zeros_like(model.skip_coef_)

    def _start(self, neighbour, alpha: float):
        """Return a copy of a fitted neighbour to train with a strength, with an empty history."""
        model = set_parameters(with_alpha(self.estimator, alpha), warm_start=True)
        parameters = {*model.get_params(deep=False), *hidden_parameters(model)}
        learned = {name: value for name, value in vars(neighbour).items() if name not in parameters}
        # A copy of the whole estimator would be checked as an unpickled one is.
        vars(model).update(copy.deepcopy(learned), loss_curve_=[], t_=0, history_={}, n_iter_=0)
        return model

    def _train(self, model, n_epochs: int) -> Routine:
        """Train a model for about ``n_epochs`` more epochs, and extend its history."""
        for rate, schedule, n in self._phases(n_epochs):
            history, n_before = model.history_, model.n_iter_
            parameters = length_of_part(self.estimator, n) | self._stopping
            set_parameters(model, learning_rate=schedule, learning_rate_init=rate, **parameters)
            yield [self._request(model, is_short=True)]
            model.history_ = joined(history, model.history_)
            model.n_iter_ = len(model.history_["epoch"])
            model.history_["epoch"] = np.arange(1, model.n_iter_ + 1)
            model.best_epoch_ += n_before
            if model.validation_scores_ is not None:
                model.validation_scores_ = model.history_["valid_score"].tolist()

    def _phases(self, n_epochs: int) -> list[tuple[float, str, int]]:
        """Return learning rate, schedule and number of epochs of every phase."""
        schedule, rate = self.estimator.learning_rate, self.estimator.learning_rate_init
        # A path from the strongest penalty has a long way to go, and uses the estimator's rate and schedule; L-BFGS has
        # neither.
        if not self.up or self.estimator.solver == "lbfgs":
            return [(rate, schedule, n_epochs)]
        if schedule in ANNEALING:
            return [(RATE_OF_ANNEALING * rate, schedule, n_epochs)]
        n_first = math.ceil(PHASES[0][1] * n_epochs)
        lengths = (n_first, n_epochs - n_first)
        return [(multiple * rate, schedule, n) for (multiple, _), n in zip(PHASES, lengths, strict=True) if n]

    def _finished(self, model):
        """Return a trained model after its parameters are set back to the estimator's."""
        lengths = ("max_iter", "min_steps", "tol", "n_iter_no_change")
        names = ("warm_start", *lengths, "learning_rate", "learning_rate_init")
        set_parameters(model, **{name: getattr(self.estimator, name) for name in names})
        return without_training_state(model)

    def _n_epochs(self, neighbour: float, alpha: float) -> int:
        if self.max_iter is not None:
            return self.max_iter
        share = abs(math.log(alpha / neighbour)) / math.log(self.ratio_of_whole_fit)
        return max(1, math.ceil(self.estimator.max_iter * min(1, share)))


def look_back(fits: WarmFits, models: list, alphas: np.ndarray, report: Callable[[], object]) -> Routine:
    """Return the fits of a path, ascending, after a pass from strong to weak.

    Parameters
    ----------
    fits : WarmFits
        The fits' origin, for further ones.
    models : list of estimators
        The fits.
    alphas : ndarray
        Their strengths.
    report : callable
        Called after every strength.

    Returns
    -------
    list of estimators
        Fits whose objectives are nowhere higher than before, or than from scratch; as a routine.
    """
    models = list(models)
    from_scratch = yield from fits.from_scratch(alphas[1:])
    for k in range(len(models) - 1, -1, -1):
        candidates = [models[k], *from_scratch[k - 1 : k]] if k else models[:1]
        best = min(candidates, key=objective_of)
        stronger = models[k + 1] if 0 < k < len(models) - 1 else None
        if stronger is not None and not is_empty(stronger) and objective_at(stronger, alphas[k]) < objective_of(best):
            best = min(best, (yield from fits.warm_started(stronger, alphas[k])), key=objective_of)
        models[k] = best
        report()
    return models
