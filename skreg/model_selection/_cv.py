"""Estimators that choose the strength of their penalty by cross-validation along a path."""

from typing import ClassVar

from skreg._axes import with_axes
from skreg._docs import cv_docstring
from skreg.classifier import FittedClassifier, RegularizedMLPClassifier
from skreg.model_selection._path_cv import PathCV
from skreg.regressor import FittedRegressor, RegularizedMLPRegressor

_EXAMPLE = """
Which of 15 features matter, of which five do and five are correlated with those?

>>> from skreg.datasets import make_interactions
>>> from skreg.model_selection import %(name)s
>>> X, y = make_interactions(n_samples=300, n_features=15, task="%(task)s", random_state=0)
>>> model = %(name)s(
...     (20,), alphas=6, adaptive=True, relax=True, selection="one_se", cv=2, learning_rate="cosine",
...     learning_rate_init=0.02, max_iter=60, batch_size=50, random_state=0,
... ).fit(X, y)
>>> model.selected_features_
array([0, 1, 2, 3, 4])
"""


class RegularizedMLPClassifierCV(PathCV, FittedClassifier):
    """Put together below."""

    __doc__ = cv_docstring(
        RegularizedMLPClassifier.__doc__,
        "RegularizedMLPClassifier",
        example=_EXAMPLE % {"name": "RegularizedMLPClassifierCV", "task": "classification"},
    )

    _parameter_constraints: ClassVar[dict] = {
        **{
            k: v for k, v in RegularizedMLPClassifier._parameter_constraints.items() if k not in ("alpha", "warm_start")
        },
        **PathCV._cv_constraints,
    }
    _plain_class = RegularizedMLPClassifier

    @with_axes
    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        loss="log_loss",
        class_weight=None,
        penalty="group_lasso",
        l1_ratio=None,
        constraint=None,
        dropout=0.0,
        input_dropout=0.0,
        normalization=None,
        weight_decay=0.0,
        label_smoothing=0.0,
        solver="adam",
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        refit_on_all=False,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        device="cpu",
        callbacks=None,
        alphas=30,
        eps=1e-3,
        cv=5,
        scoring="loss",
        selection="best",
        relax=False,
        adaptive=False,
        refit=True,
        direction="auto",
        n_jobs=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.class_weight = class_weight
        self.penalty = penalty
        self.l1_ratio = l1_ratio
        self.constraint = constraint
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.normalization = normalization
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.solver = solver
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.refit_on_all = refit_on_all
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.device = device
        self.callbacks = callbacks
        self.alphas = alphas
        self.eps = eps
        self.cv = cv
        self.scoring = scoring
        self.selection = selection
        self.relax = relax
        self.adaptive = adaptive
        self.refit = refit
        self.direction = direction
        self.n_jobs = n_jobs


class RegularizedMLPRegressorCV(PathCV, FittedRegressor):
    """Put together below."""

    __doc__ = cv_docstring(
        RegularizedMLPRegressor.__doc__,
        "RegularizedMLPRegressor",
        example=_EXAMPLE % {"name": "RegularizedMLPRegressorCV", "task": "regression"},
    )

    _parameter_constraints: ClassVar[dict] = {
        **{k: v for k, v in RegularizedMLPRegressor._parameter_constraints.items() if k not in ("alpha", "warm_start")},
        **PathCV._cv_constraints,
    }
    _plain_class = RegularizedMLPRegressor

    @with_axes
    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        loss="squared_error",
        quantile=0.5,
        delta=1.0,
        penalty="group_lasso",
        l1_ratio=None,
        constraint=None,
        dropout=0.0,
        input_dropout=0.0,
        normalization=None,
        weight_decay=0.0,
        solver="adam",
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        refit_on_all=False,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        device="cpu",
        callbacks=None,
        alphas=30,
        eps=1e-3,
        cv=5,
        scoring="loss",
        selection="best",
        relax=False,
        adaptive=False,
        refit=True,
        direction="auto",
        n_jobs=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.quantile = quantile
        self.delta = delta
        self.penalty = penalty
        self.l1_ratio = l1_ratio
        self.constraint = constraint
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.normalization = normalization
        self.weight_decay = weight_decay
        self.solver = solver
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.refit_on_all = refit_on_all
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.device = device
        self.callbacks = callbacks
        self.alphas = alphas
        self.eps = eps
        self.cv = cv
        self.scoring = scoring
        self.selection = selection
        self.relax = relax
        self.adaptive = adaptive
        self.refit = refit
        self.direction = direction
        self.n_jobs = n_jobs
