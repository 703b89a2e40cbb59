"""Ensembles whose members share weights: the fit of all members as one network, and the members as estimators."""

import copy
from dataclasses import replace
from numbers import Integral

from skreg._estimator.copies import unfitted
from skreg._estimator.prepare import PendingFit, finish, prepare
from skreg._estimator.weights import module_of
from skreg._warnings import Message
from skreg.engine.spec import FitResult
from skreg.engine.threads import on_one_thread
from skreg.penalties import Penalty


def prepare_shared(
    estimator, X, y, sample_weight=None, *, n_members: int, messages: list[Message] | None = None, **validation
) -> PendingFit:
    """Return the pending fit of members that share weights (BatchEnsemble), as one network.

    Every layer of member i is ``z = s_i * (W (r_i * x)) + b_i``, with one matrix W for all members; the last one, too
    (Wen, Tran and Ba, 2020). Training starts with random signs in the scales r of the first layer, and with ones in all
    others, as TabM does (Gorishniy, Kotelnikov and Babenko, 2025); the matrices W are those of a single network with
    the same seed.

    The objective is the mean of the members' losses, and the penalty of the shared matrices W: a penalty, and weight
    decay, act on these, not on the members' own vectors. Each row of a batch is seen by one member, by another one in
    each epoch (see :class:`~skreg.engine.shared_batches.SharedBatches`). A batch has at least one row for each member.
    Validation monitors the loss of the mean of the members' predictions: probabilities, or numbers.

    Parameters
    ----------
    estimator : BaseRegularizedMLP
        The estimator, which is not changed.
    X, y, sample_weight : array-like
        The arguments of `fit`.
    n_members : int
        Number of members, at least 1; one member is a plain network.
    messages : list or None, default=None
        Warnings are appended to it.
    **validation : dict
        Further arguments of `fit`: `X_val`, `y_val`, `sample_weight_val`, `groups`.

    Returns
    -------
    PendingFit
        Of an unfitted copy of the estimator. Its spec and data set are trained as any other by
        :func:`skreg.backends.train_fits`.

    Raises
    ------
    ValueError
        If parameters or data do not allow a fit.

    References
    ----------
    .. [1] Y. Wen, D. Tran and J. Ba, "BatchEnsemble: an alternative approach to efficient ensemble and lifelong
       learning", ICLR 2020, sections 3.1 and 3.2.
    .. [2] Y. Gorishniy, A. Kotelnikov and A. Babenko, "TabM: advancing tabular deep learning with parameter-efficient
       ensembling", ICLR 2025.
    """
    if not isinstance(n_members, Integral) or isinstance(n_members, bool) or n_members < 1:
        raise ValueError(f"The 'n_members' parameter must be an integer of at least 1; got {n_members!r}.")
    check_can_share(estimator, is_validated=validation.get("X_val") is not None)
    pending = prepare(unfitted(estimator), X, y, sample_weight, messages=messages, **validation)
    network = replace(pending.spec.network, n_shared=int(n_members))
    return replace(pending, spec=replace(pending.spec, network=network))


def check_can_share(estimator, *, is_validated: bool = False) -> None:
    """Raise ValueError if an estimator has parameters that members that share weights do not have."""
    is_validated |= bool(estimator.early_stopping)
    refused = {
        "solver": (estimator.solver == "lbfgs", "'adam' or 'sgd'", "batches are divided among the members"),
        "normalization": (bool(estimator.normalization), "None", "members have no normalization of layers"),
        "constraint": (
            estimator.constraint is not None,
            "None",
            "the weights of a member are not those that are shared",
        ),
        "penalty": (_has_skip(estimator), "one without a skip connection", "members have none"),
        "scoring": (is_validated and estimator.scoring != "loss", "'loss'", "training monitors the loss"),
        "refit_on_all": (
            bool(estimator.early_stopping) and estimator.refit_on_all,
            "False",
            "members are not fitted again",
        ),
        "warm_start": (bool(estimator.warm_start), "False", "training always starts with new weights"),
        "callbacks": (
            bool(estimator.callbacks or getattr(estimator, "_skl_callbacks", None)),
            "None",
            "members have no callbacks",
        ),
    }
    for name, (is_refused, allowed, reason) in refused.items():
        if is_refused:
            raise ValueError(
                f"The '{name}' parameter must be {allowed} with weight_sharing='batch_ensemble', where {reason}; got "
                f"{getattr(estimator, name)!r}."
            )


def _has_skip(estimator) -> bool:
    """Return whether the penalty of an estimator adds a skip connection."""
    penalty = estimator.penalty
    return penalty == "hierarchical" or (isinstance(penalty, Penalty) and penalty.skip)


@on_one_thread
def finish_shared(pending: PendingFit, result: FitResult, dtype=None) -> tuple[list, list[Message]]:
    """Return the members of a fit as ordinary fitted estimators, and the warnings.

    The weights of member i are ``diag(r_i) W diag(s_i)``, its intercepts ``b_i``. Its history is that of the common
    fit: the mean loss of the members, each on its rows, and the loss and score of their mean prediction in validation.

    Parameters
    ----------
    pending : PendingFit
        The fit, as :func:`prepare_shared` returns it.
    result : FitResult
        The result.
    dtype : dtype or None, default=None
        Type of the fitted attributes; None is that of X.

    Returns
    -------
    members : list of estimator
        Fitted estimators of the class of the given one.
    messages : list of tuple
        Message and category of each warning.

    Raises
    ------
    ValueError
        If the fit has failed, for instance because training has diverged, or if the result is of another spec.
    Exception
        Any error of a user's loss.
    """
    if result.error is not None:
        raise result.error
    spec = pending.spec
    if spec.network.n_shared == 1:
        return [pending.estimator], finish(pending, result, dtype)
    plain = replace(spec, network=replace(spec.network, n_shared=1), token=spec.token)
    members, messages = [], []
    for arrays in module_of(result.weights, spec.network).member_arrays():
        member = copy.deepcopy(pending.estimator)
        messages = finish(replace(pending, estimator=member, spec=plain), replace(result, weights=arrays), dtype)
        members.append(member)
    return members, messages
