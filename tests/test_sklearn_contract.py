"""scikit-learn's own checks of estimators, and the places where estimators are used."""

import pickle
import warnings

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_regression
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, ShuffleSplit, cross_validate, learning_curve, validation_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
    check_dict_unchanged,
    check_estimators_pickle,
    check_fit_idempotent,
    check_readonly_memmap_input,
    parametrize_with_checks,
)

from skreg import (
    RegularizedMLPClassifier,
    RegularizedMLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
    preset_classifier,
    preset_regressor,
)
from skreg.ensemble import (
    DeepEnsembleClassifier,
    DeepEnsembleRegressor,
    FoldEnsembleClassifier,
    FoldEnsembleRegressor,
)
from skreg.model_selection import RegularizedMLPClassifierCV, RegularizedMLPRegressorCV
from skreg.penalties import L1, ElasticNet
from tests.helpers import LogCosh, SquaredHinge

# Every option occurs at least once: half of them for each of the two estimators, which share all code that they act in.
OPTIONS = [
    {"penalty": "l1", "early_stopping": True, "normalization": "batch"},
    {"penalty": "l2", "normalization": "batch"},
    {"penalty": "elasticnet", "dropout": (0.2, 0.1), "early_stopping": True, "hidden_layer_sizes": (30, 20)},
    {"penalty": "elasticnet", "normalization": "layer", "activation": "tanh"},
    {"hidden_layer_sizes": (), "learning_rate_init": 0.05, "penalty": "l1"},
    {"input_dropout": 0.1, "learning_rate": "cosine", "weight_decay": 0.01},
    {"early_stopping": ShuffleSplit(1, test_size=0.3), "refit_on_all": True},
    {"solver": "lbfgs"},
    {"augmentation": "noise"},
    {"averaging": "ema", "max_grad_norm": 1.0},
]


class SameSquaredHinge(SquaredHinge):
    """Clones hold the same function, as they do with one that is not an object of a class: the checks compare them."""

    def __deepcopy__(self, memo):
        return self


class SameLogCosh(LogCosh):
    __deepcopy__ = SameSquaredHinge.__deepcopy__


# What acts on the weights alone, also half for each.
ON_WEIGHTS = [
    {"penalty": "group_lasso", "dropout": 0.2},
    {"penalty": "hierarchical", "dropout": 0.2, "early_stopping": True},
    {"penalty": "sparse_group_lasso", "early_stopping": True, "constraint": [None, "max_norm"]},
    {"penalty": "scad", "early_stopping": True},
    {"penalty": "mcp", "constraint": ["nonnegative", None]},
    {"penalty": "l1", "dropout": 0.2},
    {"constraint": "max_norm", "dropout": 0.2},
]
# scikit-learn checks its own MLP with 100 epochs. Inputs and targets of its checks are not scaled, hence tanh for SGD.
SHARED = {"max_iter": 50}
# Few and short fits: their number is strengths times folds.
CHOICE = {"hidden_layer_sizes": (10,), "learning_rate_init": 0.02, "max_iter": 20, "alphas": [1e-3, 1e-1], "cv": 2}
ESTIMATORS = [
    RegularizedMLPClassifierCV(**CHOICE, selection="one_se"),
    RegularizedMLPRegressorCV(**CHOICE, relax=True, adaptive=True),
    RegularizedMLPClassifier(**SHARED, penalty=None),
    preset_classifier(min_steps=200),
    preset_regressor(min_steps=200),
    *(RegularizedMLPClassifier(**SHARED, **options) for options in OPTIONS[::2]),
    RegularizedMLPClassifier(**SHARED, class_weight="balanced", label_smoothing=0.1),
    RegularizedMLPClassifier(**SHARED, loss=SameSquaredHinge()),
    *(RegularizedMLPClassifier(**SHARED, **options) for options in ON_WEIGHTS[::2]),
    *(RegularizedMLPRegressor(**SHARED, **options) for options in OPTIONS[1::2]),
    *(RegularizedMLPRegressor(**SHARED, **options) for options in ON_WEIGHTS[1::2]),
    RegularizedMLPRegressor(**SHARED, loss="absolute_error"),
    RegularizedMLPRegressor(**SHARED, loss="huber"),
    RegularizedMLPRegressor(**SHARED, loss="quantile", quantile=0.7),
    RegularizedMLPRegressor(max_iter=100, loss="poisson", learning_rate_init=0.01),
    RegularizedMLPRegressor(max_iter=250, loss="gamma", activation="tanh"),
    RegularizedMLPRegressor(**SHARED, loss="quantile", quantile=[0.2, 0.8]),
    RegularizedMLPRegressor(**SHARED, loss=SameLogCosh()),
    RegularizedMLPRegressor(**SHARED, target_transform="standard"),
    RegularizedMLPRegressor(**SHARED, target_transform="quantile", clip_predictions=True),
    RegularizedMLPRegressor(max_iter=100, activation="tanh", solver="sgd", penalty="l1", learning_rate_init=1e-3),
]
# Few and short fits of few networks.
OF_ENSEMBLES = {"hidden_layer_sizes": (10,), "learning_rate_init": 0.05, "max_iter": 30}
ENSEMBLES = [
    FoldEnsembleClassifier(RegularizedMLPClassifier(**OF_ENSEMBLES, early_stopping=True), cv=2),
    DeepEnsembleRegressor(RegularizedMLPRegressor(**OF_ENSEMBLES, early_stopping=True), n_members=2, bootstrap=True),
]
# The other pairs of a kind of ensemble and of targets.
FURTHER_ENSEMBLES = [
    FoldEnsembleRegressor(RegularizedMLPRegressor(**OF_ENSEMBLES, early_stopping=True), cv=2),
    DeepEnsembleClassifier(RegularizedMLPClassifier(**OF_ENSEMBLES), n_members=2),
]
# Two networks on two folds, with so few epochs that no check needs fewer.
OF_TABLES = {"learning_rate_init": 0.05, "max_iter": 10, "n_iter_no_change": np.inf, "early_stopping": True}
TABULAR = [
    TabularMLPClassifier(
        [(name, RegularizedMLPClassifier(units, **OF_TABLES)) for name, units in (("linear", ()), ("small", (10,)))],
        cv=2,
    ),
    TabularMLPRegressor(
        [
            (name, RegularizedMLPRegressor(units, target_transform="standard", **OF_TABLES))
            for name, units in (("linear", ()), ("small", (10,)))
        ],
        cv=2,
    ),
]
# With them every pair of values of penalty, dropout and early stopping occurs: `nox -s products`.
FURTHER_PAIRS = [
    *FURTHER_ENSEMBLES,
    RegularizedMLPClassifier(**SHARED, penalty=None, dropout=0.2, early_stopping=True, normalization="layer"),
    RegularizedMLPClassifier(**SHARED, penalty="l2", dropout=0.2, early_stopping=True, scoring="loss"),
    RegularizedMLPClassifier(**SHARED, solver="sgd", penalty="l1", learning_rate_init=0.01),
    RegularizedMLPClassifier(**SHARED, penalty="group_lasso"),
    RegularizedMLPRegressor(**SHARED, penalty=None),
    RegularizedMLPRegressor(**SHARED, penalty="hierarchical"),
]


# These checks fit targets that the loss refuses: negative ones, and for 'gamma' zeros.
OUT_OF_RANGE = {
    "poisson": ["check_regressor_multioutput"],
    "gamma": [
        "check_regressor_multioutput",
        "check_transformer_data_not_an_array",
        "check_transformer_general",
        "check_transformer_n_iter",
        "check_transformer_preserve_dtypes",
    ],
}

# These checks want predictions of the shape of y.
SHAPE_OF_PREDICTIONS = [
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_regressor_multioutput",
    "check_regressors_train",
]


# These checks ask whether a fit takes its input and what it then refuses, or compare two fits to the same data,
# whatever has been learnt. Sparse ones fit in a dozen formats each, and took a third of the time of all checks. The
# suite has them for one estimator of each way to treat inputs and targets, `nox -s products` for all.
OF_INPUTS = {
    "check_estimator_sparse_matrix",
    "check_estimator_sparse_array",
    "check_estimator_sparse_tag",
    "check_estimators_dtypes",
    "check_estimators_nan_inf",
    "check_dtype_object",
    "check_fit_score_takes_y",
    "check_array_api_input",
    "check_classifier_data_not_an_array",
    "check_classifiers_multilabel_output_format_decision_function",
    "check_classifiers_multilabel_output_format_predict",
    "check_classifiers_multilabel_output_format_predict_proba",
    "check_dict_unchanged",
    "check_dont_overwrite_parameters",
    "check_estimators_overwrite_params",
    "check_f_contiguous_array_estimator",
    "check_fit2d_predict1d",
    "check_n_features_in",
    "check_n_features_in_after_fitting",
    "check_pipeline_consistency",
    "check_positive_only_tag_during_fit",
    "check_readonly_memmap_input",
    "check_regressor_data_not_an_array",
    "check_regressor_multioutput",
    "check_regressors_int",
    "check_sample_weights_list",
    "check_sample_weights_not_an_array",
    "check_sample_weights_not_overwritten",
    "check_sample_weights_pandas_series",
    "check_sample_weights_shape",
    "check_supervised_y_2d",
    "check_transformer_data_not_an_array",
    "check_transformer_general",
    "check_transformer_preserve_dtypes",
}

# The same for checks of networks that have learnt, beside those that learn from read-only maps of files.
OF_INPUTS_THAT_ARE_LEARNT = {
    "check_class_weight_classifiers",
    "check_classifiers_classes",
    "check_sample_weight_equivalence_on_sparse_data",
}

# Further checks of attributes, methods and copies, which are the same whatever has been learnt.
OF_ANY_FIT = {
    "check_classifiers_multilabel_representation_invariance",
    "check_decision_proba_consistency",
    "check_estimators_fit_returns_self",
    "check_estimators_pickle",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit_check_is_fitted",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_non_transformer_estimators_n_iter",
    "check_regressors_no_decision_function",
    "check_transformer_n_iter",
}


def expected_failures(estimator):
    """Return the checks that cannot pass, with the reason."""
    failures = {}
    of_weights = ("check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data")
    if estimator in TABULAR:  # sparse tables are refused
        return {of_weights[0]: "folds and the quartiles of the encoder depend on the number of rows"}
    if estimator in ENSEMBLES + FURTHER_ENSEMBLES:
        is_bootstrap = getattr(estimator, "bootstrap", False)
        return dict.fromkeys(of_weights, "bootstrap rows depend on the number of rows") if is_bootstrap else {}
    if estimator.loss == "quantile" and np.ndim(estimator.quantile) > 0:
        failures |= dict.fromkeys(SHAPE_OF_PREDICTIONS, "predictions have one more axis, that of the quantiles")
    if isinstance(estimator.loss, str):
        failures |= dict.fromkeys(OUT_OF_RANGE.get(estimator.loss, []), "targets out of the loss's range")
    draws_for_rows = np.any(estimator.dropout) or estimator.input_dropout or estimator.augmentation
    if draws_for_rows or estimator.early_stopping:
        failures |= dict.fromkeys(
            of_weights, "dropout masks, noise and the validation split depend on the number of rows"
        )
    return failures


def treats_inputs_in_its_own_way(estimator):
    params = estimator.get_params()
    if "members" in params:
        return isinstance(estimator, TabularMLPClassifier)  # one of the two
    if "estimator" in params:
        return isinstance(estimator, FoldEnsembleClassifier | FoldEnsembleRegressor)
    if "alphas" in params:
        return not params["adaptive"]  # one of the two
    return (
        params["solver"] != "adam"
        or params["loss"] in ("poisson", "gamma")
        or np.ndim(params.get("quantile")) > 0
        or any(params[name] for name in ("augmentation", "input_dropout", "refit_on_all"))
    )


def is_for_the_full_product(estimator, check):
    """Return whether the suite has a check for others of the estimators alone."""
    name = check.func.__name__
    if name in OF_INPUTS:
        return not treats_inputs_in_its_own_way(estimator)
    if name in OF_INPUTS_THAT_ARE_LEARNT or check.keywords.get("readonly_memmap", False):
        # Losses take no part in it, and those that choose a strength leave it to the fits of one.
        is_other = getattr(estimator, "loss", None) in ("poisson", "gamma", "quantile") or hasattr(estimator, "alphas")
        return is_other or not treats_inputs_in_its_own_way(estimator)
    return False


def checks():
    """Return estimators and checks as scikit-learn's decorator gives them, some of them for the full product alone."""
    decorator = parametrize_with_checks(
        ESTIMATORS + ENSEMBLES + TABULAR + FURTHER_PAIRS, expected_failed_checks=expected_failures, xfail_strict=True
    )
    names, cases = decorator.args
    marked = []
    for case in cases:
        values, marks = getattr(case, "values", case), getattr(case, "marks", ())
        estimator, check = values
        if estimator in FURTHER_PAIRS or is_for_the_full_product(estimator, check):
            marks = (*marks, pytest.mark.product)
        marked.append(pytest.param(*values, marks=marks))
    return pytest.mark.parametrize(names, marked, **decorator.kwargs)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:The columns of X (have very different scales|are far from mean 0)")
@pytest.mark.filterwarnings("ignore:y has a standard deviation")
@pytest.mark.filterwarnings("ignore:normalization=.* undoes")
# Some checks have targets at random.
@pytest.mark.filterwarnings("ignore:(No feature is selected|All predictions are the same)")
@pytest.mark.filterwarnings("ignore:alpha=.* has no effect with penalty=None")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
# Where an estimator takes categories, the columns and labels of some checks are rounded.
@pytest.mark.filterwarnings("ignore:The least populated class in y has only")
@checks()
def test_scikit_learns_checks(estimator, check):
    if check.func.__name__ in OF_INPUTS | OF_ANY_FIT and not hasattr(estimator, "members"):
        fewer = {"alphas": [0.1]} if hasattr(estimator, "alphas") else {}
        network = "estimator__" if hasattr(estimator, "estimator") else ""
        estimator = clone(estimator).set_params(**{f"{network}max_iter": 5}, **fewer)
    check(estimator)


@pytest.mark.product
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:The columns of X (have very different scales|are far from mean 0)")
@pytest.mark.parametrize(
    "estimator", ENSEMBLES + FURTHER_ENSEMBLES + TABULAR, ids=lambda estimator: type(estimator).__name__
)
@pytest.mark.parametrize(
    "check", [check_dict_unchanged, check_estimators_pickle, check_fit_idempotent, check_readonly_memmap_input]
)
def test_checks_of_ensembles_in_processes(estimator, check):
    with joblib.parallel_config("loky", n_jobs=2):
        check(type(estimator).__name__, clone(estimator))


def data(estimator, dtype=np.float64):
    if isinstance(estimator, RegularizedMLPClassifier):
        X, y = load_iris(return_X_y=True)
    else:
        X, y = make_regression(120, 4, noise=1, random_state=0)
        y = y / y.std()
    return StandardScaler().fit_transform(X).astype(dtype), y


FITTED = [
    RegularizedMLPClassifier((20,), penalty="l1", alpha=0.01, dropout=0.2, early_stopping=True, random_state=0),
    RegularizedMLPClassifier((20,), normalization="layer", random_state=0, max_iter=400),
    RegularizedMLPRegressor((20,), penalty="elasticnet", dropout=0.2, early_stopping=True, random_state=0),
    RegularizedMLPRegressor((), penalty="l1", random_state=0, learning_rate_init=0.01),
]


@pytest.fixture(scope="module", params=FITTED, ids=str)
def network(request):
    return request.param


@pytest.fixture(scope="module", params=[np.float32, np.float64])
def dtype(request):
    return request.param


@pytest.fixture(scope="module")
def fitted(network, dtype):
    """Return a fitted estimator, for tests that change nothing in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clone(network).fit(*data(network, dtype))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
class TestBothPrecisions:
    def test_types_are_kept_and_states_travel(self, network, dtype, fitted, tmp_path):
        X, _ = data(network, dtype)
        assert all(W.dtype == dtype for W in (*fitted.coefs_, *fitted.intercepts_))
        path = tmp_path / "model.joblib"
        joblib.dump(fitted, path)
        for copy in (pickle.loads(pickle.dumps(fitted)), joblib.load(path)):
            np.testing.assert_array_equal(copy.predict(X), fitted.predict(X))
            assert copy.get_params().keys() == fitted.get_params().keys()

    def test_the_same_seed_gives_the_same_fit_bit_for_bit(self, network, dtype, fitted, global_state):
        X, y = data(network, dtype)
        first, second = fitted, clone(network).fit(X, y)
        for ours, theirs in zip(first.coefs_ + first.intercepts_, second.coefs_ + second.intercepts_, strict=True):
            assert ours.tobytes() == theirs.tobytes()
        assert first.loss_curve_ == second.loss_curve_
        other = clone(network).set_params(random_state=1).fit(X, y)
        assert not np.array_equal(first.coefs_[0], other.coefs_[0])

    def test_score_is_good(self, network, dtype, fitted):
        assert fitted.score(*data(network, dtype)) > 0.85


MODEL = make_pipeline(
    StandardScaler(),
    RegularizedMLPClassifier((10,), learning_rate_init=0.01, n_iter_no_change=np.inf, max_iter=40, random_state=0),
)


class TestPlacesOfUse:
    X, y = load_iris(return_X_y=True)

    def test_grid_search_in_workers(self, global_state):
        grid = {
            "regularizedmlpclassifier__penalty": [L1(), ElasticNet()],
            "regularizedmlpclassifier__penalty__alpha": [1e-4, 10.0],
        }
        search = GridSearchCV(MODEL, grid, cv=3, n_jobs=2, error_score="raise").fit(self.X, self.y)
        assert search.best_params_["regularizedmlpclassifier__penalty__alpha"] == 1e-4
        assert search.best_score_ > 0.85
        parallel = search.cv_results_["mean_test_score"]
        serial = search.set_params(n_jobs=None).fit(self.X, self.y).cv_results_["mean_test_score"]
        np.testing.assert_array_equal(parallel, serial)

    def test_grid_over_penalty_and_alpha_runs(self):
        grid = {"penalty": [None, "l1", "l2"], "alpha": [1e-4, 1e-2]}
        model = RegularizedMLPClassifier((5,), n_iter_no_change=np.inf, max_iter=3, early_stopping=True)
        with pytest.warns(UserWarning, match="has no effect with penalty=None"):
            search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(self.X, self.y)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()

    def test_a_diverging_candidate_scores_nan(self):
        model = RegularizedMLPClassifier((5,), n_iter_no_change=np.inf, max_iter=20, random_state=0)
        search = GridSearchCV(model, {"learning_rate_init": [1e-2, 1e25]}, cv=2)
        with pytest.warns((UserWarning, RuntimeWarning), match="Training diverged|non-finite"):
            search.fit(self.X, self.y)
        assert np.isfinite(search.cv_results_["mean_test_score"]).tolist() == [True, False]

    def test_cross_validate(self):
        scores = cross_validate(MODEL, self.X, self.y, cv=3, scoring=["accuracy", "neg_log_loss"])
        assert scores["test_accuracy"].mean() > 0.85

    def test_learning_curve(self):
        sizes, train, _ = learning_curve(
            MODEL, self.X, self.y, cv=3, train_sizes=[0.5, 1.0], shuffle=True, random_state=0
        )
        assert sizes.tolist() == [50, 100]
        assert np.isfinite(train).all()

    def test_validation_curve(self):
        train, _ = validation_curve(
            MODEL, self.X, self.y, cv=3, param_name="regularizedmlpclassifier__alpha", param_range=[1e-4, 100.0]
        )
        assert train[0].mean() > train[1].mean() + 0.2

    def test_calibration(self):
        calibrated = CalibratedClassifierCV(MODEL, cv=3).fit(self.X, self.y)
        np.testing.assert_allclose(calibrated.predict_proba(self.X).sum(1), 1)

    def test_bagging(self):
        bagging = BaggingClassifier(MODEL, n_estimators=3, random_state=0, n_jobs=2).fit(self.X, self.y)
        assert bagging.score(self.X, self.y) > 0.85

    def test_permutation_importance(self):
        importance = permutation_importance(MODEL.fit(self.X, self.y), self.X, self.y, n_repeats=3, random_state=0)
        assert importance.importances_mean.argmax() in (2, 3)

    def test_early_stopping_inside_a_search_on_sixty_rows(self):
        rows = np.arange(0, 150, 5).repeat(2)
        model = RegularizedMLPClassifier((10,), early_stopping=True, max_iter=150, random_state=0)
        search = GridSearchCV(
            make_pipeline(StandardScaler(), model),
            {"regularizedmlpclassifier__dropout": [0.0, 0.3]},
            cv=3,
            error_score="raise",
        )
        with pytest.warns(ConvergenceWarning):
            search.fit(self.X[rows], self.y[rows])
        assert search.best_score_ > 0.8
