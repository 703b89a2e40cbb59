"""Warnings of data whose size is not what training is meant for, and of validation rows that were scaled otherwise."""

import warnings

import numpy as np
import pytest
import scipy.sparse
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, RobustScaler, StandardScaler, scale

from skreg import RegularizedMLPClassifier, RegularizedMLPRegressor
from skreg._estimator.scales import advice_on_columns, advice_on_targets, look_different
from skreg.model_selection import GridSearchCV
from skreg.preprocessing._encoded import EncodedTable

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
Y = X[:, 0] + 0.1 * RNG.normal(size=120)
QUICK = {"hidden_layer_sizes": (4,), "max_iter": 2, "n_iter_no_change": np.inf, "random_state": 0}


def regressor(**options):
    return RegularizedMLPRegressor(**QUICK | options)


class TestColumns:
    @pytest.mark.parametrize("dtype", [np.float64, np.float32])
    @pytest.mark.parametrize("change", [lambda X: X * 1e6, lambda X: X + 1e6, lambda X: X * 1e30, lambda X: X * 1e-4])
    def test_all_of_them_far_off(self, change, dtype):
        text = advice_on_columns(change(X).astype(dtype), "RegularizedMLPRegressor")
        assert text.startswith("The columns of X are far from mean 0 and standard deviation 1")
        assert text.endswith("use make_pipeline(StandardScaler(), RegularizedMLPRegressor(...)).")

    def test_every_kind_of_fit_warns(self):
        for fit in (regressor().fit, regressor().partial_fit, regressor(solver="lbfgs", tol=1e9).fit):
            with pytest.warns(UserWarning, match="columns of X are far"):
                fit(1000 * X, Y)

    def test_features_of_an_encoder_are_not_to_be_scaled_again(self):
        different = X * [1, 1, 1, 1e-8]
        fits = [regressor().fit, regressor().partial_fit]
        for fit in fits:
            fit(EncodedTable(different, np.arange(4)), Y)  # warnings are errors
        with pytest.warns(UserWarning, match="very different scales"):
            regressor().fit(different, Y)

    def test_the_mending_line_mends(self):
        for change in (lambda X: X * 1e6, lambda X: X + 1e6):
            make_pipeline(StandardScaler(), regressor()).fit(change(X), Y)  # warnings are errors

    def test_of_sparse_ones_are_told_what_works(self):
        sparse = scipy.sparse.random(100, 6, 0.3, format="csr", random_state=0)
        for data in (1e6 * sparse, sparse @ scipy.sparse.diags([1e5, 1, 1, 1, 1, 1])):
            with pytest.warns(UserWarning, match=r"make_pipeline\(MaxAbsScaler\(\), "):
                regressor().fit(data, Y[:100])
            make_pipeline(MaxAbsScaler(), regressor()).fit(data, Y[:100])
            make_pipeline(StandardScaler(with_mean=False), regressor()).fit(data, Y[:100])

    def test_those_that_are_fine(self):
        rng = np.random.default_rng(1)
        wild = X.copy()
        wild[range(4), range(4)] = 500
        categories = rng.integers(50, size=500)
        fine = {
            "standardized": X,
            "with a constant column": np.column_stack([X, np.full(len(X), 1e7)]),
            "indicators": np.eye(50)[categories],
            "sparse indicators": scipy.sparse.csr_matrix(np.eye(50)[categories]),
            "rare indicators": np.eye(50, 20_000),
            "between 0 and 1": load_digits().data / 16,
            "iris": load_iris().data,
            "constant": np.ones((50, 3)),
            "zeros": np.zeros((50, 3)),
            "one row": X[:1],
            "wild rows in all columns, scaled by their middle": RobustScaler().fit_transform(wild),
            "wild rows and rare indicators": np.column_stack(
                [RobustScaler().fit_transform(wild * 100), rng.random((len(X), 2)) < 0.03]
            ),
            "heavy tails": scale(rng.standard_cauchy((200, 3))),
            "mostly ones": (rng.random((200, 3)) < 0.98) * 1.0,
        }
        assert {name: text for name, data in fine.items() if (text := advice_on_columns(data, "R"))} == {}
        assert advice_on_columns(1000 * wild, "R")
        for large in (1e4 * X[:, :1], rng.lognormal(10, 1, (len(X), 1)), 1e4 * (rng.random((len(X), 1)) < 0.1)):
            assert "very different scales" in advice_on_columns(np.column_stack([X, large]), "R")
        assert advice_on_columns(load_digits().data * 16, "R")  # from 0 to 255: the accuracy suffers

    def test_a_search_warns_too(self):
        search = GridSearchCV(regressor(), {"alpha": [0.1, 1.0]}, cv=2)
        with pytest.warns(UserWarning, match="columns of X are far from mean 0"):
            search.fit(X * 1e30, Y)


class TestTargets:
    @pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "quantile"])
    @pytest.mark.parametrize("factor", [77, 1e6, 0.01])
    def test_far_from_size_one(self, loss, factor):
        text = r"y has a standard deviation of .*, far from 1\..* Use target_transform='standard'\.$"
        model = regressor(loss=loss, learning_rate_init=1e-6)
        with pytest.warns(UserWarning, match=text):
            model.fit(X, factor * Y)
        model.set_params(target_transform="standard").fit(X, factor * Y)

    def test_one_output_is_enough(self):
        with pytest.warns(UserWarning, match="y has a standard deviation of 5"):
            regressor().fit(X, np.column_stack([scale(Y), 50 * scale(Y)]))

    @pytest.mark.parametrize("loss", ["poisson", "gamma"])
    def test_links_of_logarithms_take_them_as_they_are(self, loss):
        regressor(loss=loss).fit(X, 1000 * np.exp(Y))

    def test_those_that_are_fine(self):
        fine = [
            Y,
            Y + 1e6,
            5 * scale(Y),
            (Y > 0) * 1.0,
            np.full(50, 1e6),
            1e6 + np.zeros(50),
            (np.arange(60) % 30 == 0),
        ]
        assert [text for y in fine if (text := advice_on_targets(np.asarray(y, float)[:, None]))] == []

    def test_unfinished_training_is_not_told_to_take_more_epochs(self):
        model = regressor(n_iter_no_change=1, tol=0)
        for fit in (model.fit, GridSearchCV(model, {"alpha": [0.1]}, cv=2).fit):
            with warnings.catch_warnings(record=True) as record:
                warnings.simplefilter("always")
                fit(X, 77 * Y)
            texts = " ".join(str(warning.message) for warning in record)
            assert "y has a standard deviation of 7" in texts
            assert "Mend the data first, as another warning says: target_transform='standard'." in texts
            assert "max_iter=10" not in texts
        with pytest.warns(ConvergenceWarning, match=r"Regressor\(early_stopping=True, max_iter=10, \.\.\.\)\), which"):
            model.fit(X, Y)


class TestValidationRows:
    def test_inputs_that_were_not_scaled(self):
        X, y = load_wine(return_X_y=True)
        X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=40, random_state=0)
        scaler = StandardScaler().fit(X_train)
        model = RegularizedMLPClassifier(**QUICK, early_stopping=True)
        with pytest.warns(UserWarning, match=r"X_val has another location or scale than X.*scaler\.transform\(X_val\)"):
            model.fit(scaler.transform(X_train), y_train, X_val=X_val, y_val=y_val)
        model.fit(scaler.transform(X_train), y_train, X_val=scaler.transform(X_val), y_val=y_val)

    def test_targets_that_were_not_transformed(self):
        X, y = load_diabetes(return_X_y=True)
        X = scale(X)
        model = TransformedTargetRegressor(regressor(early_stopping=True), transformer=StandardScaler())
        with pytest.warns(UserWarning, match=r"y_val has another location or scale than y.*StandardScaler\(\)\.fit"):
            model.fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
        own = StandardScaler().fit(y[:300].reshape(-1, 1)).transform(y[300:].reshape(-1, 1)).ravel()
        model.fit(X[:300], y[:300], X_val=X[300:], y_val=own)

    @pytest.mark.parametrize("n_rows", [1, 3, 5, 10, 30])
    def test_false_alarms(self, n_rows):
        rng = np.random.default_rng(n_rows)
        names = {"wine": load_wine, "iris": load_iris, "diabetes": load_diabetes}
        tables = {name: load(return_X_y=True)[0] for name, load in names.items()}
        tables |= {
            "heavy tails": rng.standard_cauchy((300, 3)),
            "rare": (rng.random((300, 10)) < 0.03) * 1.0,
            "with a constant": np.column_stack([rng.normal(size=(300, 2)), np.ones(300)]),
            "one column": rng.normal(size=(300, 1)),
            "three quarters are zero": np.where(rng.random((300, 1)) < 0.75, 0, rng.lognormal(size=(300, 1))),
            "half are zero": np.where(rng.random((300, 1)) < 0.5, 0, rng.lognormal(size=(300, 1))),
        }
        for data in tables.values():
            orders = [rng.permutation(len(data)) for _ in range(50)]
            alarms = [look_different(data[order[n_rows:]], data[order[:n_rows]]) for order in orders]
            assert sum(alarms) <= 1

    def test_a_drift_is_no_alarm(self):
        rng = np.random.default_rng(2)
        drifting = rng.normal(size=(400, 5)) + np.linspace(0, 3, 400)[:, None] * [1, 0.5, 0, 0, 0]
        assert not look_different(drifting[:300], drifting[300:])
        walks = np.cumsum(rng.normal(size=(400, 5)), axis=0)
        assert not look_different(walks[:300], walks[300:])

    def test_of_sparse_inputs(self):
        rows = scipy.sparse.random(200, 50, 0.1, format="csr", random_state=0)
        assert look_different(rows[:150], 255 * rows[150:])
        assert look_different(rows[:150].toarray() * 0 + X[0, 0], rows[150:]) is False
        assert not look_different(rows[:150], rows[150:])
        assert not look_different(rows[:150], rows[150:151] * 0)
