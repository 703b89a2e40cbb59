"""Display of training and test scores, and of the gap between them."""

import numpy as np
import pandas as pd

from skreg._plotting import BLUE, ORANGE, axes_for, labels_of
from skreg._seeds import seeded_splitter
from skreg.model_selection import cross_validate


class GeneralizationGapDisplay:
    """Training and test scores of several estimators, and the gap between them.

    Filled dots are mean test scores, open ones mean training scores; the line between them is the gap, whose size is
    written above it. Faint dots are single folds.

    Parameters
    ----------
    train_scores, test_scores : dict of str to array-like of shape (n_folds,)
        Scores of each estimator, by name.
    score_name : str, default='score'
        Name of the score, for the axis label.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes.
    figure_ : matplotlib Figure
        The figure.
    gaps_ : list of matplotlib Line2D
        The lines from mean training to mean test score, from top to bottom.
    train_, test_ : matplotlib Line2D
        Mean training and mean test scores, from top to bottom.
    folds_ : list of matplotlib Line2D
        Training scores and test scores of the folds.

    See Also
    --------
    compare_regularizers : Tests of the differences between test scores.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skreg import RegularizedMLPClassifier
    >>> from skreg.inspection import GeneralizationGapDisplay
    >>> X, y = load_iris(return_X_y=True)
    >>> network = RegularizedMLPClassifier((20,), learning_rate_init=0.02, max_iter=20, n_iter_no_change=float("inf"))
    >>> display = GeneralizationGapDisplay.from_estimator(network, X, y, cv=3)
    >>> list(display.frame().columns)
    ['train_score', 'test_score', 'gap', 'std_train_score', 'std_test_score']
    """

    def __init__(self, train_scores, test_scores, *, score_name="score"):
        if list(train_scores) != list(test_scores):
            raise ValueError(
                f"The 'test_scores' parameter must have the same names as 'train_scores', {list(train_scores)}; "
                f"got {list(test_scores)}."
            )
        self.train_scores = {name: np.asarray(scores, dtype=float) for name, scores in train_scores.items()}
        self.test_scores = {name: np.asarray(scores, dtype=float) for name, scores in test_scores.items()}
        self.score_name = score_name

    @classmethod
    def from_estimator(cls, estimator, X, y, *, cv=None, scoring=None, groups=None, n_jobs=None, name=None, ax=None):
        """Score an estimator by cross-validation, and draw the gap.

        Parameters
        ----------
        estimator : estimator
            Estimator to fit and score.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        cv : int, cross-validation splitter or iterable, default=None
            As for :func:`skreg.model_selection.cross_validate`.
        scoring : str or callable, default=None
            Scorer, greater is better; None means the estimator's `score`.
        groups : array-like of shape (n_samples,), default=None
            Group of each row, for the splitter.
        n_jobs : int, default=None
            As for :func:`skreg.model_selection.cross_validate`.
        name : str, default=None
            Label of the estimator; None means the name of its class.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        GeneralizationGapDisplay
            The display.
        """
        estimators = {type(estimator).__name__ if name is None else name: estimator}
        return cls.from_estimators(estimators, X, y, cv=cv, scoring=scoring, groups=groups, n_jobs=n_jobs, ax=ax)

    @classmethod
    def from_estimators(cls, estimators, X, y, *, cv=None, scoring=None, groups=None, n_jobs=None, ax=None):
        """Score several estimators on the same folds, and draw their gaps.

        Parameters
        ----------
        estimators : dict of str to estimator
            Estimators by name.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        cv : int, cross-validation splitter or iterable, default=None
            As for :func:`skreg.model_selection.cross_validate`. All estimators have the same folds.
        scoring : str or callable, default=None
            Scorer, greater is better; None means the `score` of each estimator.
        groups : array-like of shape (n_samples,), default=None
            Group of each row, for the splitter.
        n_jobs : int, default=None
            As for :func:`skreg.model_selection.cross_validate`.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        GeneralizationGapDisplay
            The display.
        """
        cv = seeded_splitter(cv)
        results = {
            name: cross_validate(
                estimator, X, y, cv=cv, scoring=scoring, groups=groups, n_jobs=n_jobs, return_train_score=True
            )
            for name, estimator in estimators.items()
        }
        train_scores, test_scores = (
            {name: result[f"{part}_score"] for name, result in results.items()} for part in ("train", "test")
        )
        return cls(train_scores, test_scores, score_name=scoring if isinstance(scoring, str) else "score").plot(ax=ax)

    @classmethod
    def from_comparison(cls, comparison, *, ax=None):
        """Draw the gaps of a comparison.

        Parameters
        ----------
        comparison : RegularizerComparison
            Result of :func:`compare_regularizers`.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        GeneralizationGapDisplay
            The display.
        """
        train, test = comparison.scores("train_score"), comparison.scores("test_score")
        train_scores, test_scores = ({name: frame[name] for name in comparison.names} for frame in (train, test))
        return cls(train_scores, test_scores, score_name=comparison.score_name).plot(ax=ax)

    def frame(self):
        """Return the numbers that are drawn.

        Returns
        -------
        DataFrame
            One row per estimator: means 'train_score', 'test_score' and 'gap' (training minus test), and the standard
            deviations over the folds, 'std_train_score' and 'std_test_score'.
        """
        train, test = pd.DataFrame(self.train_scores), pd.DataFrame(self.test_scores)
        frame = pd.DataFrame({"train_score": train.mean(skipna=False), "test_score": test.mean(skipna=False)})
        return frame.assign(
            gap=frame["train_score"] - frame["test_score"],
            std_train_score=train.std(skipna=False),
            std_test_score=test.std(skipna=False),
        )

    def plot(self, *, ax=None):
        """Draw the scores.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        GeneralizationGapDisplay
            The display itself.
        """
        frame = self.frame()
        (self.ax_,) = axes_for(ax, figsize=(7, 1.4 + 0.45 * len(frame)))
        self.figure_ = self.ax_.figure
        # The first is on top.
        places = np.arange(len(frame))[::-1]
        self.folds_ = [
            self.ax_.plot(
                np.concatenate(list(scores.values())), _repeated(places, scores), ".", color=color, alpha=0.3
            )[0]
            for scores, color in ((self.train_scores, ORANGE), (self.test_scores, BLUE))
        ]
        self.gaps_ = [
            self.ax_.plot([train, test], [place, place], color="0.45", linewidth=2)[0]
            for place, train, test in zip(places, frame["train_score"], frame["test_score"], strict=True)
        ]
        (self.train_,) = self.ax_.plot(
            frame["train_score"],
            places,
            "o",
            color=ORANGE,
            markerfacecolor="white",
            markersize=8,
            label="training rows",
        )
        (self.test_,) = self.ax_.plot(frame["test_score"], places, "o", color=BLUE, markersize=8, label="test rows")
        for place, middle, gap in zip(
            places, frame[["train_score", "test_score"]].mean(axis=1), frame["gap"], strict=True
        ):
            self.ax_.annotate(
                f"{gap:+.3f}", (middle, place), xytext=(0, 7), textcoords="offset points", ha="center", fontsize="small"
            )
        self.ax_.set_yticks(places, labels_of(frame.index))
        self.ax_.set_ylim(-0.6, len(frame) - 0.3)
        (label,) = labels_of([f"{self.score_name} (number: gap, training minus test)"])
        self.ax_.set_xlabel(label)
        self.ax_.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
        return self


def _repeated(places: np.ndarray, scores: dict[str, np.ndarray]) -> np.ndarray:
    return np.repeat(places, [len(of_one) for of_one in scores.values()])
