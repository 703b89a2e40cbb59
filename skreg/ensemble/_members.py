"""Members of an ensemble: on which rows each is fitted, and the preparation of their fits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
from sklearn import get_config
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import has_fit_parameter

from skreg._composition import last_of, path_to_last
from skreg._estimator.base import BaseRegularizedMLP
from skreg._estimator.data import as_numpy
from skreg._estimator.prepare import PendingFit
from skreg._estimator.shared_checks import CheckedWhole, SharedChecks
from skreg._sklearn_private import safe_split
from skreg._warnings import Message
from skreg.compose import last_if_plain
from skreg.engine.spec import FitResult
from skreg.engine.threads import AbandonedError, StopSignal
from skreg.model_selection._batched_fits import fit_error, fit_with_messages, has_network, is_trained_together
from skreg.model_selection._deferred import DatasetCache, FittedTogether, HeldOut, PendingFits, finish_fits, fits_of
from skreg.stopping import RowStructure


@dataclass
class Plan:
    """An unfitted member, the rows to train it on, and those that it does not see but in early stopping.

    Attributes
    ----------
    estimator : estimator
        The member.
    train, held_out : ndarray of int
        Indices of rows; training rows may occur several times.
    """

    estimator: object
    train: np.ndarray
    held_out: np.ndarray


@dataclass
class EnsembleData:
    """The rows of an ensemble's fit.

    Attributes
    ----------
    X, y : array-like
        Rows and targets.
    sample_weight : ndarray or None
        Weights.
    classes : ndarray or None
        Classes; None for regression and for label indicator matrices.
    structure : RowStructure
        Structure of the rows.
    checks : SharedChecks
        Results of the checks of rows, which members share.
    """

    X: object
    y: object
    sample_weight: np.ndarray | None
    classes: np.ndarray | None
    structure: RowStructure
    checks: SharedChecks = field(default_factory=SharedChecks)

    def rows(self, estimator, rows: np.ndarray) -> tuple:
        """Return X, y and weights of some rows, as an estimator takes them."""
        weight = None if self.sample_weight is None else self.sample_weight[rows]
        X, y = safe_split(estimator, self.X, self.y, rows)
        if isinstance(self.checks, CheckedWhole):
            self.checks.add(X, y, rows)
        return X, y, weight

    def known_rows(self, held_out: np.ndarray) -> np.ndarray:
        """Return which rows with positive weight a member has not seen, from what each of them holds out."""
        known = held_out.any(axis=0)
        return known if self.sample_weight is None else known & (self.sample_weight > 0)

    def held_out_rows(self, plan: Plan) -> HeldOut | None:
        """Return the held-out rows of a member to validate on; None if there are none.

        Rows of a class that is not among the training rows are left out: the member has no probability of it.
        """
        rows = plan.held_out
        if self.sample_weight is not None:
            rows = rows[self.sample_weight[rows] > 0]
        if self.classes is not None:
            y = np.asarray(self.y)
            rows = rows[np.isin(y[rows], y[plan.train])]
        if not len(rows):
            return None
        return HeldOut(*self.rows(plan.estimator, rows))

    def error_of_one_class(self, plan: Plan) -> ValueError | None:
        """Return an error if the training rows of a member, as those of a rare class can be, are of one class alone."""
        if self.classes is None:
            return None
        rows = plan.train if self.sample_weight is None else plan.train[self.sample_weight[plan.train] > 0]
        found = np.unique(np.asarray(self.y)[rows])
        if len(found) > 1:
            return None
        return ValueError(f"The training rows of the member hold no two classes; got {found.tolist()!r}.")


@dataclass
class MemberFit:
    """The fit of a member: prepared, made, or failed.

    Attributes
    ----------
    plan : Plan
        The member.
    pending : PendingFit, PendingFits or None
        The fit of its network, or the fits of its networks, to be trained together with others; None if it was fitted
        by itself.
    messages : list
        Warnings.
    error : Exception or None
        Error of a fit that failed.
    """

    plan: Plan
    pending: PendingFit | PendingFits | None = None
    messages: list[Message] = field(default_factory=list)
    error: Exception | None = None


@dataclass
class PendingEnsemble(PendingFits):
    """An ensemble whose members are prepared; the rest is for the function that gets them when they are fitted."""

    members: list[MemberFit]
    conclude: Callable[[list[MemberFit]], list[Message]]

    @property
    def fits(self) -> list[PendingFit]:
        """The fits of networks that are not trained yet."""
        return [fit for member in self._waiting for fit in fits_of(member.pending)]

    @property
    def _waiting(self) -> list[MemberFit]:
        return [member for member in self.members if member.pending is not None]

    def finish(self, results: Sequence[FitResult]) -> list[Message]:
        """Set the fitted attributes of the ensemble from the results of the fits, and return the warnings."""
        remaining = iter(results)
        for member in self._waiting:
            own = list(islice(remaining, len(fits_of(member.pending))))
            if isinstance(member.pending, PendingFit) and own[0].error is not None:  # others may share it
                member.error = own[0].error
                continue
            try:
                member.messages += finish_fits(member.pending, own)
            except Exception as error:  # also of a user's loss: the member counts as failed
                member.error = error
        return self.conclude(self.members)


def stops_early(estimator) -> bool:
    """Return whether the network of skreg at the end of an estimator stops early, which it can do on held-out rows."""
    return bool(_stopped_networks(last_if_plain(estimator)))


def _stopped_networks(last) -> list[BaseRegularizedMLP]:
    """Return the networks that stop early of what is at the end of an estimator: itself, or those it is made of."""
    if isinstance(last, BaseRegularizedMLP):
        return [last] if last.early_stopping else []
    return last.stopped_networks if isinstance(last, FittedTogether) else []


def stopped_on_held_out_rows(estimator):
    """Return a copy of an estimator whose early stopping takes the rows that it is given.

    Raises
    ------
    ValueError
        If it would train on these rows in the end.
    """
    member = clone(estimator)
    for network in _stopped_networks(last_of(member)):
        if network.refit_on_all:
            raise ValueError(
                "The 'refit_on_all' parameter must be False in an ensemble whose members stop early on rows that they "
                f"are not trained on; got refit_on_all={network.refit_on_all!r}."
            )
        network.set_params(early_stopping=True)
    return member


def weight_arguments(estimator, sample_weight: np.ndarray | None) -> dict:
    """Return weights as an argument of an estimator's `fit`, under the name that reaches its innermost part.

    Raises
    ------
    ValueError
        If that takes no weights.
    """
    if sample_weight is None:
        return {}
    last = last_of(estimator)
    if not has_fit_parameter(last, "sample_weight"):
        raise ValueError(
            "With sample_weight, the 'estimator' parameter must be an estimator whose fit takes weights; got "
            f"{type(last).__name__}."
        )
    names: list[str] = []
    if not get_config()["enable_metadata_routing"]:
        path = path_to_last(estimator)
        outer = [item for _, item in path[:-1]]
        names = [name for around, (name, _) in zip(outer, path[1:], strict=True) if isinstance(around, Pipeline)]
    return {"__".join([*names, "sample_weight"]): sample_weight}


def prepare_members(
    plans: Sequence[Plan],
    data: EnsembleData,
    *,
    n_jobs: int | None,
    stopped: StopSignal | None,
) -> list[MemberFit]:
    """Fit members but for networks that can be trained together.

    Parameters
    ----------
    plans : sequence of Plan
        The members, all of one kind.
    data : EnsembleData
        The rows.
    n_jobs : int or None
        Number of fits at the same time, of members that are fitted by themselves.
    stopped : StopSignal or None
        Signal to abandon these.

    Returns
    -------
    list of MemberFit
        One for each plan.

    Raises
    ------
    Exception
        An error of the preparation of a network: it is one of parameters or data.
    """
    example = plans[0].estimator
    if is_trained_together(example):
        shared, cache = SharedRows(data), DatasetCache()
        fits = [_prepare(plan, data, shared) for plan in plans]
        for fit in fits:
            for pending in () if fit.pending is None else fits_of(fit.pending):
                cache.share(pending)
        return fits
    options = {"backend": "threading"} if has_network(example) else {}
    data = replace(data, checks=SharedChecks())  # what is known of all rows would keep those of every member
    calls = (delayed(_fit_by_itself)(plan, data, stopped) for plan in plans)
    return list(Parallel(n_jobs=n_jobs, **options)(calls))


class SharedRows:
    """Rows of members, which members on equal rows share."""

    def __init__(self, data: EnsembleData):
        self.data = data
        self._known: dict[bytes, tuple] = {}

    def __call__(self, estimator, rows: np.ndarray) -> tuple:
        """Return X, y and weights of some rows, the same objects for the same rows."""
        key = rows.tobytes()
        if key not in self._known:
            self._known[key] = self.data.rows(estimator, rows)
        return self._known[key]


def _prepare(plan: Plan, data: EnsembleData, shared: SharedRows) -> MemberFit:
    """Return the fit of a member with its network prepared; an error of its data or parameters is raised."""
    fit = MemberFit(plan, error=data.error_of_one_class(plan))
    if fit.error is not None:
        return fit
    X, y, weight = shared(plan.estimator, plan.train)
    try:
        fit.pending = _fit(fit, data, (as_numpy(X), as_numpy(y, "y")), weight, checks=data.checks)
    except Exception as error:  # also of a user's transformer, as in searches: columns of text get a hint
        hinted = fit_error(error, X, plan.estimator)
        if hinted is error:
            raise
        raise hinted from error
    return fit


def _fit_by_itself(plan: Plan, data: EnsembleData, stopped: StopSignal | None) -> MemberFit:
    """Return the fit of a member that is not trained together with others; an error is kept with it."""
    fit = MemberFit(plan)
    X, y, weight = data.rows(plan.estimator, plan.train)
    try:
        _fit(fit, data, (X, y), weight, stopped=stopped, is_alone=True)
    except AbandonedError:
        raise
    except Exception as error:  # of any estimator: the member counts as failed
        fit.error = fit_error(error, X, plan.estimator)
    return fit


def _fit(fit: MemberFit, data: EnsembleData, rows: tuple, weight: np.ndarray | None, **options):
    """Fit a member to its rows, or prepare that, as :func:`fit_with_messages` does with the same options."""
    plan = fit.plan
    return fit_with_messages(
        plan.estimator,
        data.structure.rows(plan.train),
        rows,
        weight_arguments(plan.estimator, weight),
        fit.messages,
        held_out=data.held_out_rows(plan) if stops_early(plan.estimator) else None,
        **options,
    )
