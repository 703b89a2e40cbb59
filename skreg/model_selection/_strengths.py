"""Which strengths of a grid are fitted, and from which weights: all of them, or those near the best.

A plan is a generator of rounds: it yields steps, which are made together, gets their scores, and yields the next ones.
"""

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
from scipy import stats

# A search goes along the grid in strides of about this ratio of strengths.
RATIO_OF_STRIDE = 2.0
# With hidden layers it starts at this share of the grid, from its weak end: few networks with weaker penalties predict
# better, and a path is best where it comes from a weaker one.
START = 0.25
# Between two strengths whose mean scores differ by less than this share of a standard error, none is tried.
FLAT = 0.2
# Level of the one-sided paired t-test by which a strength is worse than the best.
LEVEL = 0.05


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


# Yields steps, gets their scores of shape (n_folds, n_steps), NaN where they are not finite.
Plan = Generator[list[Step], np.ndarray, None]


def follow(plan: Plan, make: Callable[[list[Step]], np.ndarray]) -> None:
    """Follow a plan to its end; ``make`` makes the steps of a round, and returns their scores."""
    steps = next(plan)
    while True:
        scores = make(steps)
        try:
            steps = plan.send(scores)
        except StopIteration:
            return


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
    if selection == "best" or mean[best] == -np.inf:
        return best
    return int(np.flatnonzero(mean >= mean[best] - standard_error(scores[:, best])).max())


def standard_error(scores: np.ndarray) -> float:
    """Return the standard error of the mean of some folds' scores; 0 for a single fold."""
    return scores.std(ddof=1) / math.sqrt(len(scores)) if len(scores) > 1 else 0.0


class StrengthSearch:
    """Search for the best strength of a grid.

    A fit from scratch comes first. From there the search walks along the grid in strides, with warm starts, until a
    strength cannot be chosen: on both sides, or towards weaker strengths if it starts at the strongest. Where strengths
    weaker than the first are better, a path up from there may be better still, and is fitted. Then the search tries
    strengths between those around the choice.

    Parameters
    ----------
    alphas : ndarray
        Strengths, ascending, at equal ratios.
    down : bool
        Whether the path starts at the strongest.
    selection : str
        Rule of :func:`choose`.
    start : float, default=0.25
        Share of the grid, from its weak end, at which the search starts, unless at the strongest.
    """

    def __init__(self, alphas: np.ndarray, *, down: bool, selection: str, start: float = START):
        self.n_alphas = len(alphas)
        self.first = len(alphas) - 1 if down else round(start * (len(alphas) - 1))
        self.down = down
        self.selection = selection
        # All but one of the strengths, if even the ends of the grid are nearer to each other than a stride.
        span, whole = math.log(alphas[-1] / alphas[0]), len(alphas) - 1
        stride = math.log(RATIO_OF_STRIDE)
        self.stride = whole if span <= stride else max(1, round(whole * stride / span))
        self._steps: dict[int, Step] = {}
        self._scores: dict[int, np.ndarray] = {}

    def plan(self) -> Plan:
        """Return the rounds of the search."""
        first = self.first
        yield from self._round([Step(first)])
        yield from self._walk({-1: first} if self.down else {1: first, -1: first})
        best = self._chosen("best")
        if not self.down and best < first and self._differ(best, first):
            yield from self._return(best)
        yield from self._refine()

    def _round(self, steps: list[Step]) -> Plan:
        """Have some steps made, and keep the better one of each strength."""
        scores = yield steps
        for step, column in zip(steps, scores.T, strict=True):
            known = self._scores.get(step.strength)
            if known is None or choose(np.column_stack([known, column]), "best") == 1:
                self._steps[step.strength], self._scores[step.strength] = step, column

    def _return(self, start: int) -> Plan:
        """Walk up from a strength weaker than the first, over strengths that have fits from stronger ones."""
        step = self._steps[start]
        for k in range(start + self.stride, self.n_alphas, self.stride):
            step = Step(k, step)
            yield from self._round([step])
            if self._is_behind(k):
                return

    def _walk(self, positions: dict[int, int]) -> Plan:
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
            centres = {self._chosen(rule) for rule in ("best", self.selection)}
            near = {centre + side * distance for centre in centres for side in (-1, 1) if self._varies(centre, side)}
            wanted = sorted(k for k in near if 0 <= k < self.n_alphas and k not in self._steps)
            if wanted:
                yield from self._round([Step(k, self._steps[self._neighbour(k)]) for k in wanted])
            distance //= 2

    def _varies(self, k: int, side: int) -> bool:
        """Return whether the mean score changes from a strength with a fit to the next one with a fit on one side."""
        beyond = [made for made in self._steps if (made - k) * side > 0]
        return bool(beyond) and self._differ(k, min(beyond, key=lambda made: abs(made - k)))

    def _differ(self, k: int, other: int) -> bool:
        """Return whether the mean scores of two strengths with fits differ by more than a small part of their error."""
        here, there = self._scores[k], self._scores[other]
        return not abs(here.mean() - there.mean()) <= FLAT * standard_error(here)

    def _neighbour(self, k: int) -> int:
        """Return the nearest strength with a fit on the side that the path comes from; of all if there is none."""
        before = [made for made in self._steps if (made > k) == self.down]
        return min(before or self._steps, key=lambda made: abs(made - k))

    def _chosen(self, selection: str) -> int:
        """Return the strength, of those with fits, that a rule chooses."""
        made = sorted(self._scores)
        return made[choose(np.column_stack([self._scores[k] for k in made]), selection)]

    def _is_behind(self, k: int) -> bool:
        """Return whether a strength, and those beyond it, cannot be chosen; not before any has a finite score.

        Its mean score is more than a standard error below the best. Where the best mean is chosen, it may also be worse
        in a paired test over folds, whose scores differ much more from each other than those of two strengths.
        """
        best, here = self._scores[self._chosen("best")], self._scores[k]
        if not np.isfinite(best).all():
            return False
        margin = standard_error(best)
        if self.selection == "best" and len(best) > 1:
            margin = min(margin, stats.t.ppf(1 - LEVEL, len(best) - 1) * standard_error(best - here))
        return not best.mean() - here.mean() <= margin
