"""Models of other packages with their defaults: `fit` on a frame as it is, `predict`, `predict_proba`.

catboost, lightgbm and pytabkit are not among the packages that skreg installs:
``pip install catboost lightgbm "pytabkit[models]==1.8.0"``.
"""

import contextlib
import io

import numpy as np
import pandas as pd
from bench_tables import MOST_LEVELS_OF_BOOSTING
from sklearn.base import BaseEstimator
from sklearn.preprocessing import LabelEncoder

MISSING = "missing"


def is_number(column):
    """Return whether a column holds numbers or booleans."""
    return pd.api.types.is_numeric_dtype(column) and not isinstance(column.dtype, pd.CategoricalDtype)


class Peer(BaseEstimator):
    """A model of another package, which gets its columns in the way that its documentation asks for.

    Parameters
    ----------
    make : callable
        Returns the model, given the names of the categorical columns.
    categories : {'category', 'string'}
        What they become: columns of dtype category with gaps, or strings with a level 'missing'.
    fill_numbers : bool
        Whether gaps in numbers become the median of the training rows, for models that take none.
    pass_names : bool
        Whether the names of the categorical columns are passed to `fit`, not to `make`.
    task : {'classification', 'regression'}
        Kind of target.
    """

    def __init__(self, make, categories, fill_numbers, pass_names, task):
        self.make, self.categories, self.fill_numbers = make, categories, fill_numbers
        self.pass_names, self.task = pass_names, task

    def fit(self, X, y):
        """Fit the model to a frame as it is."""
        # Constant columns, and names with characters that some packages do not take.
        self.used_ = [position for position in range(X.shape[1]) if X.iloc[:, position].nunique(dropna=False) > 1]
        columns = [X.iloc[:, position] for position in self.used_]
        self.numbers_ = [is_number(column) for column in columns]
        self.medians_ = [
            column.astype(float).median() if number else None
            for column, number in zip(columns, self.numbers_, strict=True)
        ]
        self.levels_ = [
            None if number else column.astype(str).where(column.notna()).value_counts().index[:MOST_LEVELS_OF_BOOSTING]
            for column, number in zip(columns, self.numbers_, strict=True)
        ]
        frame = self._frame(X)
        names = [f"x{j}" for j, number in enumerate(self.numbers_) if not number]
        y = np.asarray(y)
        if self.task == "classification":
            self.labels_ = LabelEncoder().fit(y)
            self.classes_, y = self.labels_.classes_, self.labels_.transform(y)
        with contextlib.redirect_stdout(io.StringIO()):
            if self.pass_names:
                self.model_ = self.make([]).fit(frame, y, cat_col_names=names)
            else:
                self.model_ = self.make(names).fit(frame, y)
        return self

    def _frame(self, X):
        columns = {}
        for j, (position, number, median, levels) in enumerate(
            zip(self.used_, self.numbers_, self.medians_, self.levels_, strict=True)
        ):
            column = X.iloc[:, position]
            if number:
                column = column.astype(float)
                columns[f"x{j}"] = column.fillna(0.0 if np.isnan(median) else median) if self.fill_numbers else column
            else:
                column = pd.Categorical(column.astype(str).where(column.notna()), levels)
                if self.categories == "string":
                    column = pd.Series(column, index=X.index).astype(object).fillna(MISSING).astype(str)
                columns[f"x{j}"] = pd.Series(column, index=X.index)
        return pd.DataFrame(columns, index=X.index)

    def predict(self, X):
        """Return numbers or labels."""
        predicted = np.asarray(self.model_.predict(self._frame(X))).ravel()
        return self.labels_.inverse_transform(predicted.astype(int)) if self.task == "classification" else predicted

    def predict_proba(self, X):
        """Return probabilities, of which rows sum to 1."""
        probabilities = np.asarray(self.model_.predict_proba(self._frame(X)), dtype=float)
        return probabilities / probabilities.sum(axis=1, keepdims=True)


def catboost(task):
    """Return CatBoost with its defaults."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    kind = CatBoostClassifier if task == "classification" else CatBoostRegressor

    def make(names):
        return kind(cat_features=names, random_seed=0, verbose=False, thread_count=1, allow_writing_files=False)

    return Peer(make, "string", fill_numbers=False, pass_names=False, task=task)


def lightgbm(task):
    """Return LightGBM with its defaults."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    kind = LGBMClassifier if task == "classification" else LGBMRegressor
    return Peer(
        lambda names: kind(random_state=0, n_jobs=1, verbose=-1),
        "category",
        fill_numbers=False,
        pass_names=False,
        task=task,
    )


def pytabkit(name):
    """Return a function that makes a model of pytabkit with its defaults."""

    def make_peer(task):
        import pytabkit

        kind = getattr(pytabkit, f"{name}_{'Classifier' if task == 'classification' else 'Regressor'}")
        return Peer(
            lambda names: kind(random_state=0, n_threads=1, device="cpu"),
            "string",
            fill_numbers=True,
            pass_names=True,
            task=task,
        )

    return make_peer


PEERS = {
    "catboost": catboost,
    "lightgbm": lightgbm,
    "realmlp": pytabkit("RealMLP_TD"),
    "tabm": pytabkit("TabM_D"),
}
