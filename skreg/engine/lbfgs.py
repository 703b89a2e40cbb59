"""L-BFGS of SciPy as the loop of a trainer: an iteration is an epoch."""

from functools import partial

import numpy as np
import torch
from scipy.optimize import OptimizeResult, minimize

from skreg.engine.objective import FullObjective, loss_at_start, loss_of_start_outputs
from skreg.engine.threads import one_blas_thread

# SciPy's own rule: L-BFGS ends when an iteration gains less than this share of the objective.
LBFGS_FTOL = 2.2e-9
# A gradient so small, beside the objective, belongs to a gain that double precision cannot show.
GRADIENT_AT_ROUNDING = float(np.sqrt(np.finfo(np.float64).eps))


class _Iterations:
    """Iterations of L-BFGS as epochs of a trainer of one network."""

    def __init__(self, trainer):
        self.trainer, self.monitor = trainer, trainer.monitor
        self.rows = trainer.members[0].rows
        self.full = FullObjective(trainer.module, trainer.spec.loss, trainer.regularization, self.rows)
        self.is_running = False

    def objective(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return value and gradient; the first evaluation of an iteration begins an epoch."""
        self.trainer.check_stopped()
        if not self.is_running:
            self.trainer.begin_epoch()
            self.is_running = True
        value, gradient = self.full(x)
        if self.monitor.first_loss is None:
            of_constant = loss_of_start_outputs(self.trainer.spec.loss, self.rows)
            self.monitor.first_loss = loss_at_start(self.full.loss, of_constant)
        return value, gradient

    def end(self, x: np.ndarray) -> None:
        """End an iteration at a point."""
        self.full.move_to(x)
        self.is_running = False
        self.trainer.n_rows_seen += len(self.rows)
        tensor = partial(torch.tensor, dtype=torch.float64, device="cpu")
        self.trainer.end_epoch(
            {
                "train_loss": tensor([self.full.loss]),
                "penalty": self.trainer.regularization.penalty_values(),
                "train_score": tensor([self.full.score]),
            }
        )
        error = self.trainer.results[0] and self.trainer.results[0].error
        if error:
            raise error

    def after_iteration(self, x: np.ndarray) -> None:
        """End an iteration; raise StopIteration if the monitor ends training."""
        self.end(x)
        if self.monitor.stopping_reason:
            raise StopIteration


@one_blas_thread()
def run_lbfgs(trainer) -> None:
    """Minimize the objective of all rows (Byrd, Lu, Nocedal and Zhu, 1995).

    SciPy's sums over weights are a small part of the work, and threads of BLAS wait busily for the next one.
    """
    trainer.observer.check_no_batches()
    monitor, tol = trainer.monitor, trainer.spec.stopping.tol
    iterations = _Iterations(trainer)
    result: OptimizeResult = minimize(
        iterations.objective,
        trainer.module.flat.numpy(force=True).astype(np.float64),
        jac=True,
        method="L-BFGS-B",
        callback=iterations.after_iteration,
        options={
            "maxiter": monitor.last_epoch,
            "maxfun": trainer.spec.solver.max_fun,
            "gtol": tol,
            # Where the gradient is below tol, steps gain less than about its square: do not stop before.
            "ftol": min(LBFGS_FTOL, min(float(tol), 1.0) ** 2),
        },
    )
    if iterations.is_running:  # SciPy reports no iteration that finds no better point, and none at a stationary start
        iterations.end(result.x)
    iterations.full.move_to(result.x)
    stopped = trainer.stopping_callback is not None or (monitor.rule.is_early and monitor.patience.exhausted)
    # A line search that finds nothing lower ends "abnormally", also where the objective has no more digits to give.
    at_rounding = result.status == 2 and np.abs(result.jac).max() <= GRADIENT_AT_ROUNDING * max(1, abs(result.fun))
    monitor.converged = stopped or result.status == 0 or at_rounding
    if not monitor.stopping_reason or result.status == 0:
        monitor.stopping_reason = f"L-BFGS: {result.message}"
