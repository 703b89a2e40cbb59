"""Settings of SciPy's L-BFGS, whose iterations are epochs."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class LBFGS:
    """Settings of L-BFGS (Byrd, Lu, Nocedal and Zhu, 1995).

    Attributes
    ----------
    max_fun : int
        Largest number of evaluations of the objective.
    """

    max_fun: int = 15000

    takes_steps: ClassVar[bool] = False
    n_buffers: ClassVar[int] = 20
    member_parameters: ClassVar[tuple[str, ...]] = ()
