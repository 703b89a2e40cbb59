"""The choice of a penalty's strength by cross-validation along a path, made with an estimator of a given strength."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.base import is_classifier
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.utils import indexable

from skreg._estimator.advice import unused_messages, without_unused
from skreg._estimator.attributes import data_attributes, forget, unchanged_on_error
from skreg._estimator.columns import with_known_columns
from skreg._estimator.data import as_numpy, check_inputs, learnable_data
from skreg._estimator.groups import GroupsMixin, group_of_rows
from skreg._estimator.parameters import NetworkParameters
from skreg._estimator.scoring import check_takes_weights
from skreg._estimator.state import TRAINING_STATE
from skreg._parameter import parameter, parameters_of, with_parameters
from skreg._progress import progress_bar
from skreg._seeds import draw_seeds
from skreg._sklearn_private import (
    HasMethods,
    Hidden,
    Interval,
    StrOptions,
    check_sample_weight,
    fit_context,
    num_samples,
    safe_indexing,
)
from skreg._warnings import Message, WarningSink, give_warnings, without_repeats
from skreg.backends import keeping_data
from skreg.engine.threads import on_one_thread
from skreg.model_selection._alphas import check_alphas, is_empty, penalty_of
from skreg.model_selection._cv_splits import checked_splits
from skreg.model_selection._folds import (
    Fold,
    PathFits,
    PathScores,
    Problem,
    WeightedScorer,
    columns,
    embed,
    negative_loss,
    strengths_from_scratch,
)
from skreg.model_selection._path import DIRECTIONS, find_alphas, starts_strong
from skreg.model_selection._routines import run, run_together, without_convergence_warnings
from skreg.model_selection._strengths import START, Plan, Step, StrengthSearch, all_strengths, choose, follow
from skreg.model_selection._warm_fits import ANNEALING, RATIO_OF_WHOLE_FIT
from skreg.penalties import Penalty
from skreg.penalties._groups import GroupPenalty
from skreg.penalties._resolve import ALIASES
from skreg.stopping import Following, RowStructure, takes_groups

# Up to so many strengths are all fitted; on a grid of more a search leaves out those that cannot be chosen.
N_ALL_STRENGTHS = 12
# Its fits are short: they may take as many epochs as one from scratch only for this ratio of strengths. With an
# annealed rate they are not short, and start at the weakest strength: a fit from scratch is then often too short, and a
# path makes up for that (60 features, cosine over 30 epochs: test R² 0.78 with short fits, 0.82 without).
RATIO_OF_WHOLE_FIT_IN_SEARCH = 10.0
# Number of rows on which predictions are compared, to warn of constant ones.
N_ROWS_LOOKED_AT = 1000


@with_parameters
class PathCV(CallbackSupportMixin, GroupsMixin, NetworkParameters):
    """Base class of the estimators that choose the strength of another one by cross-validation along a path."""

    penalty: str | Penalty | None = parameter(
        "str or Penalty object",
        """Penalty on the weight matrices: 'l1', 'l2', 'elasticnet', 'group_lasso', 'sparse_group_lasso',
        'hierarchical', 'mcp' or 'scad'. An object of :mod:`skreg.penalties` takes further parameters (its alpha is not
        used), such as groups.
        """,
        default="group_lasso",
        constraints=[StrOptions(set(ALIASES)), Penalty, None],
    )
    tol: float = parameter(
        "float",
        "Smallest improvement of the objective (or, with early stopping, of the validation loss) that counts as one.",
        default=1e-4,
        constraints=[Interval(Real, 0, None, closed="left")],
    )
    verbose: bool | int = parameter(
        "bool",
        "Whether to show a progress bar of the folds.",
        default=False,
        constraints=["verbose"],
        after="tol",
    )
    early_stopping: Any = parameter(
        "bool or cross-validation splitter",
        """Whether to hold out validation rows, to stop when their loss no longer improves, and to restore the weights
        of the best epoch. The rows are a random part of the training rows of a fold, or the last split of a splitter
        such as GroupShuffleSplit or TimeSeriesSplit. With True, whole groups are held out where `fit` is given groups.
        In the searches and functions of :mod:`skreg.model_selection` and in comparisons True follows the splitter of
        the folds: whole groups, or the last rows where folds keep to the order of rows.
        """,
        default=False,
        constraints=["boolean", HasMethods(["split", "get_n_splits"]), Hidden(Following)],
    )
    refit_on_all: bool = parameter(
        "bool",
        """Whether, after early stopping, to train a new network on all rows, those for validation included, for as many
        epochs as were best, at the same rates. `history_` stays that of the first network. Of skorch's callbacks only
        those that act on batches take part.
        """,
        default=False,
        constraints=["boolean"],
    )
    callbacks: list | tuple | None = parameter(
        "list of skorch callbacks or None",
        """Learning-rate schedulers, gradient clipping, loggers or checkpoints of skorch, or (name, callback) pairs.
        They are copied for each of the many fits.
        """,
        default=None,
        constraints=[list, tuple, None],
    )
    alphas: int | Sequence[float] | np.ndarray = parameter(
        "int or array-like of float",
        """Strengths to try, or their number. A number means a geometric grid up to the strength at which no feature is
        left, as in :func:`~skreg.model_selection.regularization_path`. Strengths that are given, and up to 12 of a
        grid, are all fitted; on a grid of more a search leaves out those that cannot be chosen (see Notes).
        """,
        default=30,
        constraints=[Interval(Integral, 2, None, closed="left"), "array-like"],
    )
    eps: float = parameter(
        "float",
        "Ratio of the smallest to the largest strength of such a grid, in (0, 1).",
        default=1e-3,
        constraints=[Interval(Real, 0, 1, closed="neither")],
    )
    cv: Any = parameter(
        "int, cross-validation splitter or iterable of splits",
        """Folds. An int is their number: of shuffled rows, stratified for class labels, and of whole groups where `fit`
        is given groups. In a search or cross-validation of :mod:`skreg.model_selection` whose folds keep groups whole,
        or keep to the order of rows, they do so, too. None means 5.
        """,
        default=5,
        constraints=["cv_object"],
    )
    scoring: str | Callable = parameter(
        "str or callable",
        """Scorer of the held-out rows, greater is better: minus the mean loss, or any scorer of scikit-learn. (Early
        stopping always monitors the loss.)
        """,
        default="loss",
        constraints=[StrOptions({"loss", *get_scorer_names()}), callable],
    )
    selection: str = parameter(
        "{'best', 'one_se'}",
        """Rule that chooses the strength: the best mean score, or the largest strength whose mean score is within one
        standard error of it. The strength that predicts best keeps useless features, too: to find those that matter,
        use 'one_se' with ``adaptive=True``.
        """,
        default="best",
        constraints=[StrOptions({"best", "one_se"})],
    )
    relax: bool = parameter(
        "bool",
        """Whether to refit, without the selecting penalty, the features that each strength selects, for its score and
        for the final fit (relaxed lasso): the penalty then selects, and does not shrink.
        """,
        default=False,
        constraints=["boolean"],
    )
    adaptive: bool = parameter(
        "bool",
        """Whether to compute a second path, on the features that the best strength of a first one keeps, with weights
        inverse to the norms of that fit (adaptive lasso). Each fold has weights of its own, from its own training rows.
        Needs 'group_lasso' or 'sparse_group_lasso' over features, or an object with weights.
        """,
        default=False,
        constraints=["boolean"],
    )
    refit: bool = parameter(
        "bool",
        "Whether to fit all rows with the chosen strength; otherwise the estimator cannot predict.",
        default=True,
        constraints=["boolean"],
    )
    direction: str = parameter(
        "{'auto', 'up', 'down'}",
        """Whether paths start at the weakest ('up') or at the strongest penalty ('down'); 'auto' is as in
        :func:`~skreg.model_selection.regularization_path`.
        """,
        default="auto",
        constraints=[StrOptions(DIRECTIONS)],
    )
    n_jobs: int | None = parameter(
        "int or None",
        """Number of populations that are trained at the same time: the folds' fits are trained together, in threads or
        by the backend of :func:`joblib.parallel_config`; None is the number of the configuration, else 1. Fits that
        cannot be trained together (as with ``solver='lbfgs'``, `callbacks`, or `refit_on_all` with early stopping) and
        the fit of all rows run one after the other, whatever `n_jobs` is.
        """,
        default=None,
        constraints=[Integral, None],
    )

    @property
    @abstractmethod
    def _plain_class(self) -> type:
        """The class of the estimator with a given strength."""

    def _doc_link_url_param_generator(self):
        return {"page": f"skreg.{type(self).__name__}"}  # beside the estimator without cross-validation

    @property
    def _wants_groups(self):
        return takes_groups(self.cv) or takes_groups(self._stopping_rule()[0])

    def _plain_estimator(self):
        # A subclass may set parameters that its own constructor does not take. Two have another meaning here: they are
        # those of the folds.
        shared = parameters_of(self._plain_class).keys() & parameters_of(type(self)).keys()
        return self._plain_class(**{name: getattr(self, name) for name in shared - {"scoring", "verbose"}})

    def _as_fitted(self):
        own = {*self.get_params(deep=False), *parameters_of(type(self))}
        plain = self._plain_estimator()
        vars(plain).update({name: value for name, value in vars(self).items() if name not in own})
        return plain._as_fitted()

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, *, groups=None):
        """Choose a strength by cross-validation, and fit all rows with it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs, as for the estimator with a given strength.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels (or a label indicator matrix) for classification, numbers for regression.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, at least 0, for fits and scores. Rows with weight 0 are left out. None means equal weights.
        groups : array-like of shape (n_samples,), default=None
            Group of each row: folds from an int as `cv` keep groups whole, and splitters in `cv` and `early_stopping`
            get them if they ask for them. If no group is on both sides of a fold, ``early_stopping=True`` keeps groups
            whole, too.

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
        self._fit_alone(X, y, sample_weight, groups=groups, warn=give_warnings)
        return self

    @keeping_data()
    def _fit_alone(
        self, X, y, sample_weight=None, *, groups=None, warn: WarningSink, structure: RowStructure | None = None
    ) -> None:
        """Choose a strength, and hand the warnings of all fits to ``warn``.

        ``structure`` is that of the rows in a cross-validation around the fit.
        """
        with unchanged_on_error(self):
            self._fit(X, y, sample_weight, groups, structure or RowStructure(), without_repeats(warn))

    @with_callbacks
    def _fit(self, X, y, sample_weight, groups, around: RowStructure, warn):
        forget(self)
        task = self._init_callback_context(max_subtasks=None)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        task.call_on_fit_task_begin(estimator=self, X=X, y=y, metadata=metadata)
        plain = self._plain_estimator()
        # In a search or comparison, early stopping follows the structure of its folds, whatever `cv` is.
        rule, known = self._stopping_rule()
        around = known if self.early_stopping else around
        plain.set_params(early_stopping=rule)
        # Once, not in each of many fits.
        warn(unused_messages(plain))
        plain = without_unused(plain)
        penalty = penalty_of(plain)
        self._check_choice(penalty)
        # One seed for all fits; an instance of RandomState is advanced, as in every other fit.
        seeds = draw_seeds(self.random_state, "path", "folds")
        plain.set_params(random_state=seeds["path"])
        alphas = check_alphas(self.alphas)
        X, y, sample_weight = as_numpy(X), as_numpy(y, "y"), as_numpy(sample_weight, "sample_weight")
        # These raise the errors of fit before anything is trained, and set the attributes of the data. The first
        # one names this class in its errors.
        check_inputs(self, X, y, multi_output=True, reset=True)
        learnable_data(plain, X, y, sample_weight)
        vars(self).update(data_attributes(plain))
        plain = with_known_columns(plain, X)
        X, y = (data if hasattr(data, "shape") else np.asarray(data) for data in indexable(X, y))
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X)
        groups = group_of_rows(groups, num_samples(X))
        score = self._scorer(plain, sample_weight)
        splits = self._check_folds(X, y, sample_weight, groups, around, seeds["folds"])
        structure = RowStructure.of(splits, around.groups if groups is None else groups, num_samples(X))
        if around.whole_groups or around.time is not None:
            structure = around
        problem = Problem(plain, np.arange(self.n_features_in_))
        problems = [problem.on_rows(structure.rows(train)) for train, _ in splits]
        problem = problem.on_rows(structure)
        self.first_alpha_ = None
        if self.adaptive:
            problem, problems = self._second_stage(problem, problems, X, y, sample_weight, splits, alphas, score, warn)
        self.alphas_ = self._grid(problem, X, y, sample_weight, alphas, warn)
        folds = self._folds(problems, X, y, sample_weight, splits, self.alphas_, score, relax=self.relax)
        scores = self._score(folds, self.selection, warn)
        steps, self.scores_path_, self.n_selected_path_ = scores.by_strength()
        chosen = choose(self.scores_path_, self.selection)
        self.alpha_ = float(self.alphas_[chosen])
        self.best_score_ = float(self.scores_path_[:, chosen].mean())
        if self.refit:
            self._set_fitted_attributes(self._refit(problem, X, y, sample_weight, steps[chosen], warn))
        warn(self._choice_messages(X))
        attributes = {} if self.refit else None
        task.call_on_fit_task_end(estimator=self, X=X, y=y, metadata=metadata, reconstruction_attributes=attributes)

    def _second_stage(
        self, problem, problems, X, y, sample_weight, splits, alphas, score, warn
    ) -> tuple[Problem, list[Problem]]:
        """Return the problems of the adaptive second stage, of all rows and of the folds, after a first stage."""
        grid = self._grid(problem, X, y, sample_weight, alphas, warn)
        folds = self._folds(problems, X, y, sample_weight, splits, grid, score, relax=False)
        steps, scores, _ = self._score(folds, "best", warn).by_strength()
        first = choose(scores, "best")
        self.first_alpha_ = float(grid[first])
        model = self._fit_all(problem, X, y, sample_weight, grid, steps[first], warn)
        problems = [fold.problem.reweighted(fold.models[steps[first]]) or fold.problem for fold in folds]
        return problem.reweighted(model) or problem, problems

    def _check_choice(self, penalty):
        selects_features = not (penalty.smooth or (isinstance(penalty, GroupPenalty) and penalty.has_groups("neurons")))
        if self.relax and not selects_features:
            raise ValueError(f"relax=True needs a penalty that selects features; got penalty={self.penalty!r}.")
        if self.adaptive and not penalty.supports_reweighting:
            raise ValueError(
                "adaptive=True needs a penalty with weights for features: 'group_lasso' or 'sparse_group_lasso' whose "
                f"groups are features, or WeightedL1; got penalty={self.penalty!r}."
            )

    def _check_folds(self, X, y, sample_weight, groups, around: RowStructure, seed: int) -> list:
        """Return the splits; raise ValueError if the training rows of one lack a class, or there are too few."""
        splits = checked_splits(
            self.cv, X, y, sample_weight, groups, is_classifier=is_classifier(self), around=around, seed=seed
        )
        if len(splits) < 2 and self.selection == "one_se":
            raise ValueError(f"selection='one_se' needs at least 2 folds; got {len(splits)} from cv={self.cv!r}.")
        return splits

    def _grid(self, problem, X, y, sample_weight, alphas, warn) -> np.ndarray:
        if isinstance(alphas, np.ndarray):
            return alphas
        X = columns(X, problem.features)
        return find_alphas(problem.estimator, X, y, sample_weight, alphas, self.eps, warn=warn)

    def _folds(self, problems, X, y, sample_weight, splits, alphas, score, *, relax: bool) -> list[Fold]:
        """Return the folds, whose fits are still to be made."""
        options = {"score": score, "relax": relax, **self._path_options()}
        return [
            Fold(problem, X, y, sample_weight, split, alphas, **options)
            for problem, split in zip(problems, splits, strict=True)
        ]

    def _path_options(self) -> dict:
        """Return the parameters of the fits along a path."""
        is_short = self._searches() and self.learning_rate not in ANNEALING
        ratio = RATIO_OF_WHOLE_FIT_IN_SEARCH if is_short else RATIO_OF_WHOLE_FIT
        return {"direction": self.direction, "ratio_of_whole_fit": ratio}

    def _searches(self) -> bool:
        """Return whether a search leaves out strengths of the grid."""
        return isinstance(self.alphas, Integral) and self.alphas > N_ALL_STRENGTHS

    def _plan(self, fold: Fold, selection: str) -> Plan:
        """Return the plan of the strengths that are fitted on all folds, of which one is given."""
        estimator, alphas = fold.problem.estimator, fold.alphas
        down = starts_strong(estimator, self.direction)
        if self._searches():
            start = 0.0 if self.learning_rate in ANNEALING else START
            return StrengthSearch(alphas, down=down, selection=selection, start=start).plan()
        return all_strengths(len(alphas), strengths_from_scratch(estimator, alphas, self.direction), down=down)

    def _score(self, folds: list[Fold], selection: str, warn: WarningSink) -> PathScores:
        """Fit the strengths of a plan on all folds, round by round, and return the scores."""
        result = PathScores.none(folds[0].alphas, len(folds))
        n_steps = len(folds) * len(folds[0].alphas)
        with progress_bar(shown=bool(self.verbose), desc="strengths of all folds", total=n_steps) as bar:

            def make(steps: list[Step]) -> np.ndarray:
                # Only the last fit warns of convergence.
                routines = [without_convergence_warnings(fold.scored(steps)) for fold in folds]
                found = run_together(routines, n_jobs=self.n_jobs, warn=warn)
                scores, n_selected = (np.array(values) for values in zip(*found, strict=True))
                result.add(steps, scores, n_selected)
                bar.update(len(folds) * len({step.strength for step in result.steps}) - bar.n)
                return np.where(np.isfinite(scores), scores, np.nan)

            follow(self._plan(folds[0], selection), make)
            bar.update(n_steps - bar.n)  # those that a search has left out
        warn(result.left_out())
        for _ in folds:
            task = self._callback_fit_ctx.subcontext(task_name="fold").call_on_fit_task_begin(estimator=self)
            task.call_on_fit_task_end(estimator=self)
        return result

    def _scorer(self, plain, sample_weight):
        """Return a function of a fitted estimator, X, y and sample weights; higher is better."""
        if self.scoring == "loss":
            return negative_loss
        scorer = check_scoring(plain, scoring=self.scoring)
        if sample_weight is not None:
            check_takes_weights(scorer, self.scoring)
        return WeightedScorer(scorer, self.scoring)

    def _fit_all(self, problem, X, y, sample_weight, alphas, step: Step, warn: WarningSink):
        """Return the fit of a step to all rows, after those of the steps that lead to it."""
        fits = PathFits(problem, X, y, sample_weight, alphas, **self._path_options())
        for one in step.chain:
            run(fits.fit([one]), warn=warn)
        return fits.models[step]

    def _refit(self, problem, X, y, sample_weight, step: Step, warn: WarningSink):
        """Return an estimator fitted to all rows with the chosen strength, which takes all columns."""
        model = self._fit_all(problem, X, y, sample_weight, self.alphas_, step, warn)
        features = problem.features
        if self.relax:
            features, model = run(problem.relaxed([model], X, y, sample_weight, {}), warn=warn)[0]
        embed(model, features, data_attributes(self, self._plain_class))
        return model

    def _choice_messages(self, X) -> list[Message]:
        """Return warnings if nothing was found, or if the best strength may lie outside of those that were tried."""
        if self.refit and is_empty(self):
            text = (
                f"No feature is selected at alpha_={self.alpha_:.3g}: all predictions are the same. The features may "
                "have no relation to y; or the network needs more training (max_iter, learning_rate_init) or weaker "
                f"strengths (alphas={self.alphas!r}, eps={self.eps!r})."
            )
            return [(text, UserWarning)]
        messages = []
        if self.refit and self._is_constant(X):
            text = (
                f"All predictions are the same at alpha_={self.alpha_:.3g}. The features may have no relation to y; or "
                "the network needs more training (max_iter, learning_rate_init) or weaker strengths; got "
                f"alphas={self.alphas!r}."
            )
            messages.append((text, UserWarning))
        edges = {0: "weakest", len(self.alphas_) - 1: "strongest"}
        chosen = choose(self.scores_path_, "best")  # which 'one_se' leaves on purpose
        if chosen in edges and len(self.alphas_) > 2:  # of two, each is at an end
            edge = edges[chosen]
            way = "weaker" if chosen == 0 else "stronger"
            mend = "a smaller eps, or alphas" if chosen == 0 and isinstance(self.alphas, Integral) else "alphas"
            text = (
                f"The best alpha, {self.alphas_[chosen]:.3g}, is the {edge} of the {len(self.alphas_)} strengths "
                f"tried, so a {way} one may be better. Give {mend} that reach further; got alphas={self.alphas!r}."
            )
            messages.append((text, UserWarning))
        return messages

    @on_one_thread
    def _is_constant(self, X) -> bool:
        """Return whether the outputs for some rows differ by rounding only."""
        n_rows = num_samples(X)
        # At equal distances, because rows may be sorted.
        Z = self._outputs(safe_indexing(X, np.unique(np.linspace(0, n_rows - 1, N_ROWS_LOOKED_AT).astype(int))))
        spread = (Z.amax(dim=0) - Z.amin(dim=0)).max()
        return bool(spread <= torch.finfo(Z.dtype).eps ** 0.5 * Z.abs().max().clamp_min(1))

    def _set_fitted_attributes(self, model) -> None:
        """Set the fitted attributes from those of another estimator."""
        known = {*model.get_params(deep=False), *TRAINING_STATE}
        learned = {name: value for name, value in vars(model).items() if name not in known}
        vars(self).update(learned)
