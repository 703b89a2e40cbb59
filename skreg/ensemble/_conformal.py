"""Intervals and sets of conformal prediction from out-of-fold predictions.

A row's out-of-fold prediction is the mean over the members that have not seen the row. What these predictions miss by
is what new rows are compared with. Three rules make intervals of it, two of them sets; see `OutOfFoldResiduals`.
"""

import math
from fractions import Fraction

import numpy as np

from skreg._numbers import is_number
from skreg.ensemble._held_out import HeldOutPredictions, out_of_fold_mean, share_of_mean

# So many numbers are in memory at a time, for as many new rows as that allows.
BLOCK_SIZE = 2**22
# The same for the scores of training rows, each of which takes several arrays of all classes.
SCORES_SIZE = 2**18
INTERVAL_METHODS = ("scaled", "cv+", "one_fold")
SET_METHODS = ("one_fold", "cv+")


def check_coverage(coverage) -> None:
    """Raise if a coverage is not between 0 and 1."""
    if not is_number(coverage) or not 0 < coverage < 1:
        raise ValueError(f"The 'coverage' parameter must be a number between 0 and 1, both excluded; got {coverage!r}.")


def position(coverage: float, n_rows: int, rows: str = "rows with an out-of-fold prediction") -> Fraction:
    """Return coverage (n + 1), which is a position among n sorted residuals.

    The decimal number is meant: 0.55 times 100 is 55, although it is a little more in floats.

    Raises
    ------
    ValueError
        If the position is beyond the last residual, with the number of rows that the coverage needs.
    """
    share = Fraction(repr(float(coverage)))
    found = share * (n_rows + 1)
    if math.ceil(found) > n_rows:
        raise ValueError(
            f"The 'coverage' parameter must be at most {n_rows}/{n_rows + 1} with {n_rows} {rows}; got {coverage!r}, "
            f"which needs {math.ceil(share / (1 - share))} of them."
        )
    return found


def log_odds_against(probabilities: np.ndarray) -> np.ndarray:
    """Return log((1 - p) / p) of each class, which has the order of 1 - p.

    1 - p itself would be rounded: among sure predictions many would be equal, and sets larger than they need to be. The
    other probabilities are therefore summed up. Numbers that differ by rounding alone become equal.
    """
    before, after = np.zeros_like(probabilities), np.zeros_like(probabilities)
    before[..., 1:] = np.cumsum(probabilities[..., :-1], axis=-1)
    after[..., :-1] = np.cumsum(probabilities[..., :0:-1], axis=-1)[..., ::-1]
    with np.errstate(divide="ignore"):
        return np.round(np.log(before + after) - np.log(probabilities), 12)


class OutOfFold:
    """What residuals and scores have in common: which members held out which rows.

    Parameters
    ----------
    held_out : ndarray of bool of shape (n_members, n_rows)
        Whether a member has not seen a training row. Rows that every member has seen are left out.

    Attributes
    ----------
    rows_ : ndarray of int of shape (n_kept,)
        The other rows.
    patterns_ : ndarray of bool of shape (n_patterns, n_members)
        Distinct columns of `held_out`: the members that held out the same rows together. There is one for each fold;
        with r repetitions of K folds there are up to K**r, with samples drawn with replacement up to `n_kept`.
    pattern_of_row_ : ndarray of int of shape (n_kept,)
        Pattern of each row.
    groups_ : list of tuple of ndarray
        For each distinct row of `held_out` the numbers of the members that held out just these rows, and of the rows.
    """

    def __init__(self, held_out):
        held_out = np.asarray(held_out, dtype=bool)
        self.rows_ = np.flatnonzero(held_out.any(axis=0))
        self.patterns_, self.pattern_of_row_ = _distinct_columns(held_out[:, self.rows_])
        rows, of_member = np.unique(held_out, axis=0, return_inverse=True)
        groups = [(np.flatnonzero(of_member.ravel() == number), np.flatnonzero(row)) for number, row in enumerate(rows)]
        self.groups_ = [group for group in groups if len(group[1])]

    def centres(self, predictions):
        """Return the mean of the members of each pattern, of shape (n_patterns, n_new, ...)."""
        sums = np.tensordot(self.patterns_.astype(np.float64), predictions, axes=1)
        # Divided as in `out_of_fold_mean`, so that equal means stay equal.
        return sums / self.patterns_.sum(axis=1).reshape(-1, *[1] * (sums.ndim - 1))

    def blocks(self, n_new, size_of_row):
        """Iterate over slices of new rows."""
        step = max(1, BLOCK_SIZE // max(1, size_of_row))
        return (slice(first, first + step) for first in range(0, n_new, step))

    def one_fold_thresholds(self, residuals, coverage, draws, n_new):
        """Return the group that each new row is compared with, and its threshold of shape (n_new, ...).

        The rank is drawn between the two integers around coverage (n + 1), so that the coverage is exact. The threshold
        of rank 0 is NaN, which no residual is below.
        """
        draws = np.asarray(np.nan if draws is None else draws, dtype=np.float64)
        if draws.shape != (n_new,) or not ((draws >= 0) & (draws < 1)).all():
            raise ValueError(
                "With method='one_fold' the 'draws' parameter must be numbers of at least 0 and smaller than 1, one "
                f"for each of {n_new} rows."
            )
        scaled = draws * len(self.groups_)
        group_of_row = scaled.astype(int)
        thresholds = np.empty((len(scaled), *residuals[0].shape[1:]))
        for group, values in enumerate(residuals):
            exact = float(position(coverage, len(values), "rows in a fold"))
            new = group_of_row == group
            ranks = math.floor(exact) + (scaled[new] - group < exact - math.floor(exact))
            below = np.full_like(values[:1], np.nan)
            thresholds[new] = np.concatenate([below, np.sort(values, axis=0)])[ranks]
        return group_of_row, thresholds


def _distinct_columns(held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct columns of an array of bool, in lexical order, as rows, and the number of each column.

    Columns are numbered anew for each of their entries: one sort of many columns takes ten times as long.
    """
    numbers = np.zeros(held_out.shape[1], dtype=np.intp)
    first = np.zeros(min(1, held_out.shape[1]), dtype=np.intp)
    for entries in held_out:
        _, first, numbers = np.unique(2 * numbers + entries, return_index=True, return_inverse=True)
    return held_out[:, first].T, numbers


class OutOfFoldResiduals(OutOfFold):
    r"""Absolute out-of-fold residuals of a regression, and the intervals that they give.

    :math:`R_i = |y_i - \mu_{-i}(x_i)|`, where :math:`\mu_{-i}` is the mean of the members that have not seen row i. The
    rules, for n rows with a residual and a coverage of :math:`1 - \alpha`:

    'cv+'
        From the :math:`\lfloor \alpha (n + 1) \rfloor`-th smallest :math:`\mu_{-i}(x) - R_i` to the
        :math:`\lceil (1 - \alpha)(n + 1) \rceil`-th smallest :math:`\mu_{-i}(x) + R_i` [1]_. With one partition into K
        folds, for exchangeable rows, a new target is inside with a probability of at least

        .. math:: 1 - 2 \alpha - \min\left(\frac{2 (1 - 1/K)}{n/K + 1}, \frac{1 - K/n}{K + 1}\right)
                  \ge 1 - 2 \alpha - \sqrt{2/n},

        whatever the distribution and the network (Theorem 4); with each row held out alone at least
        :math:`1 - 2 \alpha` (Theorem 1). With members fitted to samples drawn with replacement this is the
        jackknife+-after-bootstrap [2]_, and :math:`1 - 2 \alpha` holds if the number of members was drawn from a
        binomial distribution. For several partitions no such theorem is known. The coverage is mostly at least
        :math:`1 - \alpha`, and above it where members differ much: the rank of a target is then a mean of ranks among
        several members, and a mean is rarely small.
    'one_fold'
        Each new row is given a fold at random, and is compared with the residuals of that fold alone around the
        prediction of the members that held it out. The rank is drawn between the two integers around
        :math:`(1 - \alpha)(n_k + 1)`. A new target is inside with a probability of at least :math:`1 - \alpha`, and of
        exactly that if residuals are never equal, for exchangeable rows and folds that do not depend on the targets
        (split conformal prediction). Intervals have the width that fewer members need, and those of similar rows
        differ by fold.
    'scaled'
        :math:`\bar\mu(x) \pm s R_{(k)}`, around the mean of all m members, where :math:`R_{(k)}` is the
        :math:`\lceil (1 - \alpha)(n + 1) \rceil`-th smallest residual. The factor says how much less the mean of m
        members misses by than the mean of the :math:`r_i` members that held out a row. A mean of squared errors of
        members is that of their mean plus their variance around it [3]_, so

        .. math:: s^2 = 1 - \frac{\tau^2 \left(\overline{1/r} - 1/m\right)}{\overline{R^2}},

        where :math:`\tau^2` is the mean variance of members for the same row. It is computed from the members that held
        the row out, and where no row was held out by two from those that have seen it, which differ less, so that
        intervals are then rather too wide. There is no guarantee for finite samples: the rule assumes that errors of
        the mean have the distribution of those of members but for their scale.

    All of it rests on rows that members have not seen, for their early stopping neither. Weights of rows are not used:
    the coverage is that of rows as they come.

    Parameters
    ----------
    targets : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Targets of the training rows.
    predictions : ndarray of shape (n_members, n_rows) or (n_members, n_rows, n_outputs)
        Predictions of each member for all training rows.
    held_out : ndarray of bool of shape (n_members, n_rows)
        Whether a member has not seen a row. Rows that every member has seen are left out.

    Attributes
    ----------
    residuals_ : ndarray of shape (n_kept, n_outputs)
        Absolute residuals.
    group_residuals_ : list of ndarray of shape (n_group_rows, n_outputs)
        Absolute residuals of each fold.
    scale_ : ndarray of shape (n_outputs,)
        The factor s of 'scaled', at most 1.

    References
    ----------
    .. [1] Barber, Candès, Ramdas and Tibshirani (2021), "Predictive inference with the jackknife+".
    .. [2] Kim, Xu and Barber (2020), "Predictive inference is free with the jackknife+-after-bootstrap".
    .. [3] Krogh and Vedelsby (1995), "Neural network ensembles, cross validation, and active learning".

    Examples
    --------
    Five members, each a constant that was fitted to four fifths of the rows:

    >>> import numpy as np
    >>> from skreg.ensemble._conformal import OutOfFoldResiduals
    >>> y = np.random.default_rng(0).normal(size=100)
    >>> held_out = np.arange(100) % 5 == np.arange(5)[:, None]
    >>> means = np.array([y[~rows].mean() for rows in held_out])
    >>> residuals = OutOfFoldResiduals(y, np.repeat(means[:, None], 100, axis=1), held_out)
    >>> residuals.intervals(means[:, None], coverage=0.9).round(1)
    array([[-1.4,  1.6]])
    """

    def __init__(self, targets, predictions, held_out):
        held_out = np.asarray(held_out, dtype=bool)
        super().__init__(held_out)
        predictions = np.asarray(predictions, dtype=np.float64)
        self._has_outputs = predictions.ndim == 3
        predictions = predictions.reshape(*predictions.shape[:2], -1)
        targets = np.asarray(targets, dtype=np.float64).reshape(predictions.shape[1:])
        self.residuals_ = np.abs(targets - out_of_fold_mean(predictions, held_out))[self.rows_]
        self.group_residuals_ = [
            np.abs(targets[rows] - predictions[members][:, rows].mean(axis=0)) for members, rows in self.groups_
        ]
        self.scale_ = _scale(self.residuals_, predictions[:, self.rows_], held_out[:, self.rows_])

    def intervals(self, predictions, coverage=0.9, *, method="scaled", draws=None):
        """Return intervals for new rows.

        Parameters
        ----------
        predictions : ndarray of shape (n_members, n_new) or (n_members, n_new, n_outputs)
            Predictions of each member for new rows.
        coverage : float, default=0.9
            Probability that a target is to be inside, of each output by itself; between 0 and 1.
        method : {'scaled', 'cv+', 'one_fold'}, default='scaled'
            How they are made; see the class.
        draws : ndarray of shape (n_new,), default=None
            With 'one_fold', numbers of at least 0 and smaller than 1, drawn for the rows.

        Returns
        -------
        ndarray of shape (n_new, 2) or (n_new, n_outputs, 2)
            Lower and upper ends.

        Raises
        ------
        ValueError
            If the coverage is not between 0 and 1, or needs more rows than there are.
        """
        check_coverage(coverage)
        check_method(method, INTERVAL_METHODS)
        predictions = np.asarray(predictions, dtype=np.float64)
        predictions = predictions.reshape(*predictions.shape[:2], -1)
        if method == "one_fold":
            ends = self._of_one_fold(predictions, coverage, draws)
        else:
            rank = math.ceil(position(coverage, len(self.residuals_)))
            ends = self._around_mean(predictions, rank) if method == "scaled" else self._of_all_folds(predictions, rank)
        return ends if self._has_outputs else ends[:, 0]

    def _around_mean(self, predictions, rank):
        radius = self.scale_ * np.sort(self.residuals_, axis=0)[rank - 1]
        centre = predictions.mean(axis=0)
        return np.stack([centre - radius, centre + radius], axis=-1)

    def _of_all_folds(self, predictions, rank):
        n_rows, n_outputs = self.residuals_.shape
        ends = np.empty((*predictions.shape[1:], 2))
        for new in self.blocks(predictions.shape[1], n_rows * n_outputs):
            centres = self.centres(predictions[:, new])[self.pattern_of_row_]
            radius = self.residuals_[:, None]
            # n + 1 - ceil((1 - alpha) (n + 1)) is floor(alpha (n + 1)); it is counted from 0 here.
            ends[new, :, 0] = np.partition(centres - radius, n_rows - rank, axis=0)[n_rows - rank]
            ends[new, :, 1] = np.partition(centres + radius, rank - 1, axis=0)[rank - 1]
        return ends

    def _of_one_fold(self, predictions, coverage, draws):
        group_of_row, radius = self.one_fold_thresholds(self.group_residuals_, coverage, draws, predictions.shape[1])
        centre = np.empty(predictions.shape[1:])
        for group, (members, _) in enumerate(self.groups_):
            new = group_of_row == group
            centre[new] = predictions[members][:, new].mean(axis=0)
        radius = np.fmax(radius, 0.0)  # a point where not even the smallest residual is to be covered
        return np.stack([centre - radius, centre + radius], axis=-1)


class OutOfFoldScores(OutOfFold):
    r"""Out-of-fold scores of a classification, and the sets of classes that they give.

    The score of a class is one minus its probability, that of a training row is the score of its true class,
    :math:`R_i = 1 - p_{-i}(x_i)_{y_i}` [1]_, where :math:`p_{-i}` is the mean of the members that have not seen row i.
    A class is in the set of a new row if its score is small enough beside these. The rules, for n rows with a score and
    a coverage of :math:`1 - \alpha`:

    'one_fold'
        Each new row is given a fold at random, and class c is in the set if its score by the members that held out that
        fold is at most the k-th smallest score of the fold's :math:`n_k` rows. The rank k is drawn between the two
        integers around :math:`(1 - \alpha)(n_k + 1)`. The true class is in the set with a probability of at least
        :math:`1 - \alpha`, and of exactly that if scores are never equal, for exchangeable rows and folds that do not
        depend on the classes; stratified folds come close.
    'cv+'
        Class c is in the set unless :math:`1 - p_{-i}(x)_c` is larger than :math:`R_i` for at least
        :math:`(1 - \alpha)(n + 1)` of the rows [2]_. The guarantee is that of the intervals [3]_: with one partition
        into K folds a probability of at least :math:`1 - 2 \alpha - \sqrt{2/n}`. The coverage is mostly at least
        :math:`1 - \alpha`, and above it where members differ much.

    Sets can be empty: where the classes are predicted better than the coverage asks for, this is the only way to cover
    no more. An empty set marks a row that is unlike all others. Weights of rows are not used.

    Parameters
    ----------
    targets : ndarray of int of shape (n_rows,)
        Columns of the true classes.
    held : HeldOutPredictions
        Probabilities by each member for the rows that it has not seen, one column for each class. Those of float64 that
        were computed as the exponentials of log-probabilities tell sure predictions apart; float32, or one minus
        another, rounds them to 0 and 1. Rows that every member has seen are left out.

    Attributes
    ----------
    scores_ : ndarray of shape (n_kept,)
        Scores of the true classes, as logarithms of the odds against them: log(R / (1 - R)), which has the order of R.
    group_scores_ : list of ndarray of shape (n_group_rows,)
        The same for the rows of each fold.

    References
    ----------
    .. [1] Sadinle, Lei and Wasserman (2019), "Least ambiguous set-valued classifiers with bounded error levels".
    .. [2] Romano, Sesia and Candès (2020), "Classification with valid and adaptive coverage", section 2.3.
    .. [3] Barber, Candès, Ramdas and Tibshirani (2021), "Predictive inference with the jackknife+", Theorem 4.

    Examples
    --------
    Five members that know no more than how frequent three classes are:

    >>> import numpy as np
    >>> from skreg.ensemble._conformal import OutOfFoldScores
    >>> from skreg.ensemble._held_out import HeldOutPredictions
    >>> y = np.repeat([0, 0, 0, 0, 1, 1, 1, 1, 2, 2], 10)
    >>> held_out = np.arange(100) % 5 == np.arange(5)[:, None]
    >>> shares = np.array([np.bincount(y[~rows]) / 80 for rows in held_out])
    >>> held = HeldOutPredictions(held_out, [np.tile(own, (20, 1)) for own in shares])
    >>> scores = OutOfFoldScores(y, held)
    >>> scores.sets(shares[:, None], coverage=0.75, method="cv+")
    array([[ True,  True, False]])
    """

    def __init__(self, targets, held: HeldOutPredictions):
        super().__init__(held.held_out)
        targets = np.asarray(targets)
        n_rows, n_classes = len(targets), held.predictions[0].shape[1]
        scores = np.empty(n_rows)
        for rows in _pieces(n_rows, n_classes):
            scores[rows] = _true_class_scores(held.between(rows.start, rows.stop).mean(), targets[rows])
        self.scores_ = scores[self.rows_]
        self.group_scores_ = []
        for members, rows in self.groups_:
            own = [held.predictions[member] for member in members]
            pieces = [
                _true_class_scores(np.mean([one[piece] for one in own], axis=0, dtype=np.float64), targets[rows[piece]])
                for piece in _pieces(len(rows), n_classes)
            ]
            self.group_scores_.append(np.concatenate(pieces))

    def sets(self, probabilities, coverage=0.9, *, method="one_fold", draws=None, allow_empty=True):
        """Return sets of classes for new rows.

        Parameters
        ----------
        probabilities : ndarray of shape (n_members, n_new, n_classes)
            Probabilities by each member for new rows.
        coverage : float, default=0.9
            Probability that the true class is to be in the set; between 0 and 1.
        method : {'one_fold', 'cv+'}, default='one_fold'
            How they are made; see the class.
        draws : ndarray of shape (n_new,), default=None
            With 'one_fold', numbers of at least 0 and smaller than 1, drawn for the rows.
        allow_empty : bool, default=True
            Whether sets may be empty. If not, the class that is the most probable in the mean of all members joins
            those that are; the coverage then grows, up to the accuracy where that is higher.

        Returns
        -------
        ndarray of bool of shape (n_new, n_classes)
            Whether a class is in the set.

        Raises
        ------
        ValueError
            If the coverage is not between 0 and 1, or needs more rows than there are.
        """
        check_coverage(coverage)
        check_method(method, SET_METHODS)
        probabilities = np.asarray(probabilities, dtype=np.float64)
        of_method = self._of_all_folds if method == "cv+" else self._of_one_fold
        sets = of_method(probabilities, coverage, draws)
        if not allow_empty:
            empty = np.flatnonzero(~sets.any(axis=1))
            sets[empty, probabilities.mean(axis=0)[empty].argmax(axis=1)] = True
        return sets

    def _of_all_folds(self, probabilities, coverage, draws):
        # A number of rows is at least (1 - alpha) (n + 1) if it is at least the next integer.
        limit = math.ceil(position(coverage, len(self.scores_)))
        own = [np.sort(self.scores_[self.pattern_of_row_ == pattern]) for pattern in range(len(self.patterns_))]
        sets = np.empty(probabilities.shape[1:], dtype=bool)
        for new in self.blocks(sets.shape[0], len(own) * sets.shape[1]):
            scores = log_odds_against(self.centres(probabilities[:, new]))
            n_smaller = sum(np.searchsorted(*pair, side="left") for pair in zip(own, scores, strict=True))
            sets[new] = n_smaller < limit
        return sets

    def _of_one_fold(self, probabilities, coverage, draws):
        group_of_row, thresholds = self.one_fold_thresholds(self.group_scores_, coverage, draws, probabilities.shape[1])
        sets = np.empty(probabilities.shape[1:], dtype=bool)
        for group, (members, _) in enumerate(self.groups_):
            new = group_of_row == group
            scores = log_odds_against(probabilities[members][:, new].mean(axis=0))
            sets[new] = scores <= thresholds[new, None]
        return sets


def check_method(method, allowed) -> None:
    """Raise if a method is none of those that are allowed."""
    if not isinstance(method, str) or method not in allowed:
        raise ValueError(f"The 'method' parameter must be one of {', '.join(map(repr, allowed))}; got {method!r}.")


def _pieces(n_rows, n_classes):
    """Iterate over slices of rows, few enough for the arrays that their scores take."""
    step = max(1, SCORES_SIZE // n_classes)
    return (slice(first, min(first + step, n_rows)) for first in range(0, n_rows, step))


def _true_class_scores(probabilities, targets):
    """Return the scores of the true classes."""
    return log_odds_against(probabilities)[np.arange(len(targets)), targets]


def _scale(residuals, predictions, held_out):
    """Return how much smaller the errors of the mean of all members are than the residuals, for each output."""
    n_held_out = held_out.sum(axis=0)
    members = held_out if (n_held_out > 1).any() else ~held_out
    n_members = members.sum(axis=0)
    rows = n_members > 1
    mean_squares = (residuals**2).mean(axis=0)
    if not rows.any() or not mean_squares.all():
        return np.ones(residuals.shape[1])
    squares = (predictions - out_of_fold_mean(predictions, members)) ** 2
    sums = np.where(members[:, rows, None], squares[:, rows], 0.0).sum(axis=0)
    variance = (sums / (n_members[rows, None] - 1)).mean(axis=0)
    return np.sqrt(share_of_mean(variance, mean_squares, n_held_out, len(held_out)))
