"""Which strengths of a grid are fitted, and from which weights: all of them, or those near the best.

A plan is a generator of rounds: it yields steps, which are made together, gets their scores, and yields the next ones.
"""

import math
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

# A search goes along the grid in strides of about this ratio of strengths.
RATIO_OF_STRIDE = 2.0
# With hidden layers it starts at this share of the grid, from its weak end: few networks with weaker penalties predict
# better, and a path is best where it comes from a weaker one.
START = 0.25
# Between two strengths whose mean scores differ by less than this share of a standard error, none is tried.
FLAT = 0.2


@dataclass(frozen=True, eq=False)
class Step:
    """Fit of one strength.

    Attributes
    ----------
    strength : int
        Index of the strength.
    start : Step or None
        Fit whose weights it starts from; None for a fit from scratch.
    """

    strength: int
    start: "Step | None" = None

    @property
    def chain(self) -> list["Step"]:
        """The steps that lead to this one, from a fit from scratch on."""
        steps = [self]
        while steps[-1].start is not None:
            steps.append(steps[-1].start)
        return steps[::-1]


# Yields steps, gets their scores of shape (n_folds, n_steps).
Plan = Generator[list[Step], np.ndarray, None]


def all_strengths(n_alphas: int, from_scratch: np.ndarray, *, down: bool) -> Plan:
    """Plan a path over all strengths, and fits from scratch for some of them."""
    first, *others = range(n_alphas)[:: -1 if down else 1]
    step = Step(first)
    yield [step, *(Step(k) for k in from_scratch.tolist() if k != first)]
    for k in others:
        step = Step(k, step)
        yield [step]


def choose(scores: np.ndarray, selection: str) -> int:
    """Return the index of the chosen strength, from scores of shape (n_folds, n_alphas), strengths ascending.

    'best' is the highest mean, and the largest strength among equals. 'one_se' is the largest strength whose mean is
    within one standard error of that (Hastie, Tibshirani and Friedman, 2009, section 7.10.1). A strength with a score
    of NaN is not chosen.
    """
    mean = np.nan_to_num(scores.mean(axis=0), nan=-np.inf)
    best = len(mean) - 1 - int(np.argmax(mean[::-1]))
    if selection == "best":
        return best
    return int(np.flatnonzero(mean >= mean[best] - standard_error(scores[:, best])).max())


def standard_error(scores: np.ndarray) -> float:
    """Return the standard error of the mean of some folds' scores; 0 for a single fold."""
    return scores.std(ddof=1) / math.sqrt(len(scores)) if len(scores) > 1 else 0.0


class StrengthSearch:
    """Search for the best strength of a grid.

    A fit from scratch comes first. From there the search walks along the grid in strides, with warm starts, until the
    mean score is more than a standard error below the best one: on both sides, or towards weaker strengths if it starts
    at the strongest. Then it tries strengths between those around the choice.

    Parameters
    ----------
    alphas : ndarray
        Strengths, ascending, at equal ratios.
    down : bool
        Whether the path starts at the strongest.
    selection : str
        Rule of :func:`choose`.
    """

    def __init__(self, alphas: np.ndarray, *, down: bool, selection: str):
        self.n_alphas = len(alphas)
        self.down = down
        self.selection = selection
        self.stride = max(1, round(math.log(RATIO_OF_STRIDE) / math.log(alphas[1] / alphas[0])))
        self._steps: dict[int, Step] = {}
        self._scores: dict[int, np.ndarray] = {}

    def plan(self) -> Plan:
        """Return the rounds of the search."""
        first = self.n_alphas - 1 if self.down else round(START * (self.n_alphas - 1))
        yield from self._round([Step(first)])
        yield from self._walk(first)
        yield from self._refine()

    def _round(self, steps: list[Step]) -> Plan:
        scores = yield steps
        for step, column in zip(steps, scores.T, strict=True):
            self._steps[step.strength], self._scores[step.strength] = step, column

    def _walk(self, first: int) -> Plan:
        positions = {-1: first} if self.down else {1: first, -1: first}
        while positions:
            following = {sign: min(max(k + sign * self.stride, 0), self.n_alphas - 1) for sign, k in positions.items()}
            steps = [Step(k, self._steps[positions[sign]]) for sign, k in following.items() if k not in self._steps]
            if steps:
                yield from self._round(steps)
            made = {step.strength for step in steps}
            positions = {sign: k for sign, k in following.items() if k in made and not self._is_behind(k)}

    def _refine(self) -> Plan:
        distance = self.stride // 2
        while distance:
            table = self._table()
            centres = {choose(table, rule) for rule in ("best", self.selection)}
            near = {centre + side * distance for centre in centres for side in (-1, 1) if self._varies(centre, side)}
            wanted = sorted(k for k in near if 0 <= k < self.n_alphas and k not in self._steps)
            if wanted:
                yield from self._round([Step(k, self._steps[self._neighbour(k)]) for k in wanted])
            distance //= 2

    def _varies(self, k: int, side: int) -> bool:
        """Return whether the mean score changes from a strength with a fit to the next one with a fit on one side."""
        beyond = [made for made in self._steps if (made - k) * side > 0]
        if not beyond:
            return False
        here, there = self._scores[k], self._scores[min(beyond, key=lambda made: abs(made - k))]
        return not abs(here.mean() - there.mean()) <= FLAT * standard_error(here)

    def _neighbour(self, k: int) -> int:
        """Return the nearest strength with a fit on the side that the path comes from; of all if there is none."""
        before = [made for made in self._steps if (made > k) == self.down]
        return min(before or self._steps, key=lambda made: abs(made - k))

    def _table(self) -> np.ndarray:
        """Return the scores of shape (n_folds, n_alphas), NaN where there is no fit."""
        n_folds = len(next(iter(self._scores.values())))
        table = np.full((n_folds, self.n_alphas), np.nan)
        for k, column in self._scores.items():
            table[:, k] = column
        return table

    def _is_behind(self, k: int) -> bool:
        """Return whether a strength is more than a standard error below the best; not before any has a finite score."""
        table = self._table()
        best = table[:, choose(table, "best")]
        if not np.isfinite(best).all():
            return False
        return not best.mean() - table[:, k].mean() <= standard_error(best)
