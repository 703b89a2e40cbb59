"""A function of the user's own as a loss."""

from collections.abc import Callable

import numpy as np
import scipy.optimize
import torch
from torch import Tensor

from skreg.losses._base import Loss


class CustomLoss(Loss):
    """A user's loss, ``function(t, z)``, differentiated by autograd.

    Parameters
    ----------
    function : callable
        ``function(y_true, y_pred)`` is given tensors of shapes (n_rows, n_targets) and (n_rows, n_outputs): encoded
        targets and the network's outputs, before the link. It returns a tensor of shape (n_rows,), the loss of each
        row, computed with torch operations.
    link : Loss
        The loss whose link, score and label smoothing are used.
    """

    # Unknown, so assumed not to be.
    smooth = False
    closed_form = False

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor], link: Loss):
        super().__init__()
        self.function = function
        self.link_loss = link
        self.out_activation = link.out_activation

    def n_outputs(self, n_targets):
        """Return the number of outputs that the link needs."""
        return self.link_loss.n_outputs(n_targets)

    def link(self, Z):
        """Return the predictions."""
        return self.link_loss.link(Z)

    def mean_outputs(self, Z):
        """Return those of the link."""
        return self.link_loss.mean_outputs(Z)

    def per_row(self, Z, T):
        """Return the values of the function for every member."""
        members = zip(Z, T.expand(len(Z), *T.shape[-2:]), strict=True)
        return torch.stack([self._evaluate(outputs, targets) for outputs, targets in members])

    def gradient(self, Z, T):
        """Return the derivative that autograd finds."""
        with torch.enable_grad():
            outputs = Z.detach().requires_grad_()
            total = self.per_row(outputs, T).sum()
            gradient = torch.autograd.grad(total, outputs, allow_unused=True)[0] if total.requires_grad else None
        if gradient is None:
            raise ValueError(
                "The 'loss' parameter must be a function whose result depends on y_pred through torch operations; got "
                "a result that is detached from y_pred, so it has no gradient."
            )
        return gradient

    def fit_intercept_only(self, T, weight):
        """Return a minimum that BFGS finds from the best constant of the link's own loss."""

        def mean_loss(constant):
            Z = torch.as_tensor(constant, dtype=T.dtype, device=T.device).expand(1, len(T), -1)
            value = (self.per_row(Z, T)[0] @ weight).item()
            return value, (weight @ self.gradient(Z, T)[0]).numpy()

        start = self.link_loss.fit_intercept_only(T, weight).numpy()
        # Without a minimum the search overflows, or ends on a slope.
        with np.errstate(all="ignore"):
            result = scipy.optimize.minimize(mean_loss, start, method="BFGS", jac=True, options={"gtol": 1e-10})
            beyond = mean_loss(2 * result.x - start)[0]
        gave_up = not result.success and beyond < result.fun
        if gave_up or not np.isfinite([mean_loss(start)[0], result.fun, *result.x]).all():
            raise ValueError(
                "The 'loss' parameter must be a function whose mean has a minimum among constant outputs; the "
                f"search from {start.tolist()!r} got to the value {float(result.fun)!r}."
            )
        return torch.as_tensor(result.x, dtype=T.dtype, device=T.device)

    def start_outputs(self, T, weight):
        """Return those of the link's own loss; zeros where the function is smaller there.

        It need not have a minimum, and its outputs need not be in units of the targets.
        """
        outputs = self.link_loss.start_outputs(T, weight)
        candidates = torch.stack([torch.zeros_like(outputs), outputs]).to(T.dtype)
        with torch.no_grad():
            at_zero, there = self.per_row(candidates.unsqueeze(1).expand(-1, len(T), -1), T) @ weight.to(T.dtype)
        return outputs if there < at_zero or not at_zero.isfinite() else torch.zeros_like(outputs)

    def score(self, Z, T, weight):
        """Return accuracy or R²."""
        return self.link_loss.score(Z, T, weight)

    def running_score(self):
        """Return that of the link's own loss."""
        return self.link_loss.running_score()

    def smooth_targets(self, T, rate):
        """Return targets with label smoothing, if the link is one of classification."""
        return self.link_loss.smooth_targets(T, rate)

    def _evaluate(self, outputs: Tensor, targets: Tensor) -> Tensor:
        rows = self.function(targets, outputs)
        if not isinstance(rows, Tensor) or rows.shape != outputs.shape[:1]:
            got = f"one of shape {tuple(rows.shape)}" if isinstance(rows, Tensor) else f"{rows!r}"
            raise ValueError(
                "The 'loss' parameter must be a function that returns a tensor of shape (n_rows,), the loss of each "
                f"row, here {tuple(outputs.shape[:1])}; got {got}."
            )
        if rows.is_complex():
            raise ValueError(
                f"The 'loss' parameter must be a function that returns real numbers; got a tensor of {rows.dtype}."
            )
        return rows.to(outputs.dtype)
