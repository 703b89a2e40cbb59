"""Warnings that name the line that mends what they are about, and fits with that line."""

import copy
import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import (
    GroupKFold,
    PredefinedSplit,
    StratifiedGroupKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

import skreg
from skreg import (
    AdviceWarning,
    RegularizedMLPClassifier,
    RegularizedMLPRegressor,
    RegularizedMLPRegressorCV,
    TabularMLPClassifier,
    table_pipeline,
)
from skreg._estimator.advice import FEWEST_TO_STOP_ON, goes_up
from skreg._warnings import Advice, without_repeats
from skreg.engine.spec import FitResult
from skreg.ensemble import FoldEnsembleClassifier, FoldEnsembleRegressor
from skreg.model_selection import GridSearchCV

X, NUMBERS = (scale(data) for data in load_diabetes(return_X_y=True))
ROWS, CLASSES = make_classification(
    300, 4, n_informative=3, n_redundant=0, n_classes=3, random_state=0, n_clusters_per_class=1
)
ROWS = scale(ROWS)
# Without a stopping rule that waits, and so without a warning of convergence.
QUICK = {"hidden_layer_sizes": (4,), "max_iter": 3, "n_iter_no_change": np.inf, "random_state": 0}
FEW = "Early stopping chooses the epoch by .* rows, which are too few"


def warned(fit, *args, **options):
    """Return texts and categories of the warnings of a call."""
    with warnings.catch_warnings(record=True, action="always") as caught:
        fit(*args, **options)
    return [(str(item.message), item.category) for item in caught]


def only_warning(fit, *args, **options):
    """Return the text and the category of the only warning of a call."""
    (found,) = warned(fit, *args, **options)
    return found


def parameters_in(line):
    """Return the parameters of a line such as "early_stopping=True, max_iter=25"."""
    return {name: eval(value) for name, value in re.findall(r"(\w+)=([\w.'+-]+)", line)}


class TestConvergence:
    """What is said of a training that has not converged; the line that is named makes it converge."""

    def test_of_the_defaults(self):
        model = RegularizedMLPRegressor((10,), max_iter=60, learning_rate_init=0.01, random_state=0)
        text, category = only_warning(model.fit, X, NUMBERS)
        assert category is ConvergenceWarning
        assert text.startswith("Training reached max_iter=60 epochs before it converged. Use ")
        mend, _, alone = text.removesuffix(" alone.").partition(", which keeps what is best on held-out rows")
        assert parameters_in(mend.partition(". Use ")[2]) == {"early_stopping": True, "max_iter": 300}
        assert parameters_in(alone) == {"max_iter": 300}
        model.set_params(early_stopping=True, max_iter=300).fit(X, NUMBERS)  # warnings are errors

    def test_of_the_defaults_with_few_rows(self):
        """Early stopping would have too few of them."""
        model = RegularizedMLPRegressor((10,), max_iter=50, learning_rate_init=0.01, random_state=0)
        text, _ = only_warning(model.fit, X[:100], NUMBERS[:100])
        line = "skreg.ensemble.FoldEnsembleRegressor(RegularizedMLPRegressor(early_stopping=True, max_iter=250, ...))"
        assert f"Use {line}, which keeps what is best on held-out rows; or, to go on" in text
        model.set_params(early_stopping=True, max_iter=250)
        assert warned(FoldEnsembleRegressor(model, random_state=0).fit, X[:100], NUMBERS[:100]) == []

    @pytest.mark.parametrize("options", [{"penalty": "l1", "alpha": 0.01}, {"early_stopping": True}])
    def test_where_early_stopping_is_no_help(self, options):
        model = RegularizedMLPRegressor((10,), max_iter=40, learning_rate_init=0.01, random_state=0, **options)
        text, _ = only_warning(model.fit, X, NUMBERS)
        assert text == "Training reached max_iter=40 epochs before it converged. Use max_iter=200."
        model.set_params(max_iter=200).fit(X, NUMBERS)

    @pytest.mark.parametrize(("kind", "n_epochs"), [("Regressor", 20), ("Classifier", 12)])
    def test_of_steps_that_are_too_long(self, kind, n_epochs):
        options = {"learning_rate_init": 3.0, "max_iter": n_epochs, "n_iter_no_change": 50, "random_state": 0}
        model = getattr(skreg, f"RegularizedMLP{kind}")((10,), **options)
        y = NUMBERS if kind == "Regressor" else NUMBERS > 0
        text, _ = only_warning(model.fit, X, y)
        end = "The objective has gone up, as with steps that are too long. Use learning_rate_init=0.3."
        assert text == f"Training reached max_iter={n_epochs} epochs before it converged. {end}"
        high = model.loss_
        text, _ = only_warning(model.set_params(learning_rate_init=0.3).fit, X, y)
        assert "has gone up" not in text
        assert model.loss_ < 0.7 * high

    def test_when_an_objective_goes_up(self):
        def result(losses, constant):
            return FitResult(epochs=[{"train_loss": loss, "penalty": 0.0} for loss in losses], constant_loss=constant)

        assert not goes_up(result([], 1.0))
        assert not goes_up(result([0.9, 0.8], 1.0))
        assert not goes_up(result([1.5, 1.4], 1.0))  # as of weights that are hardly trained
        assert goes_up(result([20.0, 1.2], 1.0))
        assert not goes_up(result([20.0, 0.8], 1.0))
        assert not goes_up(result([20.0, 15.0], np.inf))  # of which nothing is known
        assert not goes_up(result(np.linspace(1, 0, 20), 1.0))
        assert goes_up(result([*np.linspace(1, 0, 20), *np.linspace(0, 0.9, 20)], 1.0))
        assert not goes_up(result([0.5, 0.4, 0.3, 0.2, 0.3, 0.4, 0.5], 1.0))  # too few to say

    def test_data_come_first(self):
        text, category = warned(RegularizedMLPRegressor((4,), max_iter=4).fit, 1000 * X, NUMBERS)[-1]
        assert category is ConvergenceWarning
        line = "make_pipeline(StandardScaler(), RegularizedMLPRegressor(...))"
        assert text.endswith(f"Mend the data first, as another warning says: {line}.")

    def test_it_is_said_once_of_all_members(self):
        ensemble = FoldEnsembleRegressor(RegularizedMLPRegressor((4,), max_iter=4), random_state=0)
        assert len(warned(ensemble.fit, X, NUMBERS)) == 1


class PredefinedGroups(GroupKFold):
    """Splitter that holds out some groups."""

    def __init__(self, held_out):
        super().__init__(2)
        self.held_out = held_out

    def split(self, X, y=None, groups=None):
        is_held_out = np.isin(groups, self.held_out)
        yield np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)


class TestRowsToStopOn:
    def test_few_of_them(self):
        n_rows, enough = 160, 167  # of which 15 % are held out
        model = RegularizedMLPClassifier(**QUICK, early_stopping=True)
        text, category = only_warning(model.fit, ROWS[:n_rows], CLASSES[:n_rows])
        assert category is AdviceWarning
        assert text.startswith(f"Early stopping chooses the epoch by {FEWEST_TO_STOP_ON - 1} rows")
        line = "skreg.ensemble.FoldEnsembleClassifier(RegularizedMLPClassifier(early_stopping=True, ...))"
        assert f"Use {line}, " in text
        assert warned(model.fit, ROWS[:enough], CLASSES[:enough]) == []
        assert warned(model.set_params(early_stopping=False).fit, ROWS[:n_rows], CLASSES[:n_rows]) == []

    def test_the_line_mends(self):
        made = eval(
            "skreg.ensemble.FoldEnsembleClassifier(RegularizedMLPClassifier(early_stopping=True, ...))".replace(
                "...", "**QUICK"
            )
        )
        assert warned(made.fit, ROWS[:60], CLASSES[:60]) == []

    def test_few_of_the_users_own(self):
        model = RegularizedMLPRegressor(**QUICK, early_stopping=True)
        own = {"X_val": X[:20], "y_val": NUMBERS[:20]}
        text, _ = only_warning(model.fit, X[20:], NUMBERS[20:], **own)
        assert "by 20 rows" in text
        assert "FoldEnsembleRegressor(RegularizedMLPRegressor(" in text
        weight = np.r_[np.ones(20), np.zeros(30)]
        own = {"X_val": X[:50], "y_val": NUMBERS[:50], "sample_weight_val": weight}
        assert "by 20 rows" in only_warning(model.fit, X[50:], NUMBERS[50:], **own)[0]
        # Without early stopping they choose nothing.
        assert warned(model.set_params(early_stopping=False).fit, X[50:], NUMBERS[50:], **own) == []

    def test_of_a_constant_target_no_epoch_is_better(self):
        model = RegularizedMLPRegressor(**QUICK, early_stopping=True)
        for y in (np.full(100, 3.0), np.tile([1.0, 2.0], (100, 1))):
            assert warned(model.fit, X[:100], y) == []
        assert len(warned(model.fit, X[:100], np.column_stack([np.ones(100), NUMBERS[:100]]))) == 1

    def test_a_class_that_is_missing(self):
        is_valid = (np.arange(300) < 100) & (CLASSES != 2)
        names = np.array(["a", "b", "c"])[CLASSES]
        model = RegularizedMLPClassifier(**QUICK, early_stopping=True)
        own = {"X_val": ROWS[is_valid], "y_val": names[is_valid]}
        text, category = only_warning(model.fit, ROWS[~is_valid], names[~is_valid], **own)
        assert category is AdviceWarning
        assert text.startswith(
            "Early stopping has no row to choose the epoch by of the classes ['c'], which are trained"
        )
        assert text.endswith("Use X, X_val, y, y_val = train_test_split(X, y, stratify=y).")
        model.set_params(early_stopping=PredefinedSplit(np.where(is_valid, 0, -1)))
        text, _ = only_warning(model.fit, ROWS, names)
        assert "Use early_stopping=StratifiedShuffleSplit(1), which holds out" in text
        assert warned(model.set_params(early_stopping=StratifiedShuffleSplit(1)).fit, ROWS, names) == []

    def test_a_class_that_is_missing_in_the_held_out_groups(self):
        order = np.argsort(CLASSES, kind="stable")
        groups = np.arange(300) // 10
        splitter = PredefinedGroups([0, 1, 2])
        model = RegularizedMLPClassifier(**QUICK, early_stopping=splitter)
        text, _ = only_warning(model.fit, ROWS[order], CLASSES[order], groups=groups)
        assert "of the classes [1, 2], which" in text
        assert "Use early_stopping=StratifiedGroupKFold(5), which holds out whole groups" in text
        model.set_params(early_stopping=StratifiedGroupKFold(5))
        assert warned(model.fit, ROWS[order], CLASSES[order], groups=groups) == []

    def test_the_last_rows_of_time_are_as_they_are(self):
        order = np.argsort(CLASSES, kind="stable")
        model = RegularizedMLPClassifier(**QUICK, early_stopping=TimeSeriesSplit(2))
        assert warned(model.fit, ROWS[order], CLASSES[order]) == []

    def test_a_rare_class_that_is_missing(self):
        """Rows of which there are hardly any cannot be held out."""
        y = (np.arange(300) >= 291).astype(int)
        model = RegularizedMLPClassifier(**QUICK, early_stopping=True)
        own = {"X_val": ROWS[:50], "y_val": y[:50]}
        assert warned(model.fit, ROWS[50:], y[50:], **own) == []
        y[290] = 1
        assert (
            "no row to choose the epoch by of the classes [1]" in only_warning(model.fit, ROWS[50:], y[50:], **own)[0]
        )

    def test_labels_are_no_classes(self):
        labels = np.column_stack([CLASSES == 0, ROWS[:, 0] > 0]).astype(int)
        model = RegularizedMLPClassifier(**QUICK, early_stopping=True)
        assert warned(model.fit, ROWS[50:], labels[50:], X_val=ROWS[:50], y_val=0 * labels[:50]) == []

    @pytest.mark.parametrize("scoring", ["loss", "accuracy"])
    def test_held_out_rows_of_other_groups_may_lie_elsewhere(self, scoring):
        """A scaler would not help, and folds hold out few rows each, but all of them together."""
        groups = np.arange(60) % 5
        far = ROWS[:60] + 30 * groups[:, None]
        network = RegularizedMLPClassifier(**QUICK, early_stopping=True, scoring=scoring)
        assert "X_val has another location" in " ".join(
            text
            for text, _ in warned(
                network.fit,
                scale(far)[groups > 0],
                CLASSES[:60][groups > 0],
                X_val=scale(far)[groups == 0],
                y_val=CLASSES[:60][groups == 0],
            )
        )
        for template in (network, make_pipeline(StandardScaler(), network)):
            ensemble = FoldEnsembleClassifier(template, random_state=0)
            assert warned(ensemble.fit, scale(far), CLASSES[:60], groups=groups) == []
        if scoring == "loss":
            tabular = TabularMLPClassifier([("a", network)], random_state=0)
            assert warned(tabular.fit, far, CLASSES[:60], groups=groups) == []


class TestCategories:
    @pytest.fixture
    def frame(self):
        return pd.DataFrame({"size": ROWS[:, 0], "grade": pd.Categorical(1 + np.arange(300) % 3)})

    def test_numbers_that_are_categories(self, frame):
        model = RegularizedMLPClassifier(**QUICK)
        text, category = only_warning(model.fit, frame, CLASSES)
        assert category is AdviceWarning
        assert text == (
            "X holds categories, which are taken as numbers, in the columns ['grade']. Use "
            "skreg.table_pipeline(RegularizedMLPClassifier(...)), which encodes them. skreg.TabularMLPClassifier() "
            "takes such tables without any setting."
        )
        assert warned(table_pipeline(model).fit, frame, CLASSES) == []
        assert warned(model.fit, frame.astype(float), CLASSES) == []
        frame["grade"] = frame["grade"] == 1
        assert warned(model.fit, frame.astype({"grade": "category"}), CLASSES) == []

    @pytest.mark.parametrize("kind", ["Classifier", "Regressor"])
    def test_text(self, frame, kind):
        frame["town"] = ["Ulm", "Jena", "Bonn"] * 100
        with pytest.raises(ValueError, match="could not convert") as error:
            getattr(skreg, f"RegularizedMLP{kind}")(**QUICK).fit(frame, CLASSES)
        assert str(error.value).endswith(
            f"X holds strings, in the columns ['town']. Use skreg.table_pipeline(RegularizedMLP{kind}(...)), which "
            f"encodes them. skreg.TabularMLP{kind}() takes such tables without any setting."
        )


class TestCategory:
    def test_advice_can_be_ignored(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AdviceWarning)
            RegularizedMLPRegressor(**QUICK, early_stopping=True).fit(1000 * X[:100], 1000 * NUMBERS[:100])
        found = warned(RegularizedMLPRegressor(**QUICK, early_stopping=True).fit, 1000 * X[:100], 1000 * NUMBERS[:100])
        assert [category for _, category in found] == [AdviceWarning] * 3

    def test_other_warnings_remain(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AdviceWarning)
            with pytest.warns(UserWarning, match="batch_size=1000 is larger") as record:
                RegularizedMLPRegressor(**QUICK, batch_size=1000).fit(X, NUMBERS)
        assert [item.category for item in record] == [UserWarning]

    def test_searches_give_it_once(self):
        search = GridSearchCV(RegularizedMLPRegressor(**QUICK), {"alpha": [0.1, 1.0, 10.0]}, cv=2, refit=False)
        texts = [text for text, _ in warned(search.fit, X, 1000 * NUMBERS)]
        assert len(texts) == len(set(texts)) == 2  # of either fold

    def test_folds_and_strengths_give_it_once(self):
        """Though folds have other standard deviations."""
        for model in (
            RegularizedMLPRegressorCV(**QUICK, alphas=[0.01, 0.1, 1.0], cv=3),
            FoldEnsembleRegressor(make_pipeline(StandardScaler(), RegularizedMLPRegressor(**QUICK)), cv=4),
        ):
            found = [text for text, category in warned(model.fit, X, 50 * NUMBERS) if category is AdviceWarning]
            assert len(found) == 1

    def test_repeats(self):
        given = []
        warn = without_repeats(given.extend)
        warn([("y is 7.5, far off", AdviceWarning), ("y is 8e+01, far off", AdviceWarning), ("X is 3", AdviceWarning)])
        warn([("y is 9, far off", AdviceWarning), ("y is 9, far off", UserWarning), ("y is 8, far off", UserWarning)])
        warn([("y is 9, far off", UserWarning)])
        assert given == [
            ("y is 7.5, far off", AdviceWarning),
            ("X is 3", AdviceWarning),
            ("y is 9, far off", UserWarning),
            ("y is 8, far off", UserWarning),
        ]

    def test_texts_can_be_copied(self):
        advice = Advice("Use this.", "this")
        for other in (pickle.loads(pickle.dumps(advice)), copy.deepcopy(advice), copy.copy(advice)):
            assert (other, other.line, type(other)) == ("Use this.", "this", Advice)
