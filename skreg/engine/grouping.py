"""Populations: which fits are trained together, and how many of them at a time."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import fields
from itertools import pairwise

from sklearn.utils import gen_even_slices

from skreg._hashing import structure_of
from skreg.engine.arrays import BLOCK_BYTES
from skreg.engine.dataset import Dataset
from skreg.engine.spec import FitSpec

# Without a memory limit, populations are as large as the memory that a step touches stays about in the cache.
# Measured (digits, 64-128-10, batches of 32, 50 members): 8 MiB take 12 % longer; 16, 32 and 64 MiB the same.
CACHE_BYTES = 32 * 2**20
# A population also takes, whatever its size, so many blocks: one of rows, and in validation temporaries of a layer.
# A block is at most this share of a limit.
N_BLOCKS = 5
BLOCK_SHARE = 1 / 16

# Copies of an epoch's outputs at its end: themselves, batch by batch and joined, the targets as an array and as a
# tensor, and temporaries of losses and scores. Measured: 7 to 10.3 (Poisson), with and without validation rows.
N_COPIES_OF_OUTPUTS = 11
# Of these, steps touch so many.
N_COPIES_IN_STEPS = 3

Fit = tuple[FitSpec, Dataset]


def structure(spec: FitSpec) -> Hashable:
    """Return the structure of a fit, which is the same for all members of a population."""
    parts = [getattr(spec, item.name) for item in fields(spec) if item.name not in spec.member_parameters]
    # Such a learning rate depends on the number of rows seen.
    n_rows = (len(spec.train), spec.n_rows_before) if spec.schedule.depends_on_rows else None
    # A network whose members share weights is trained by itself.
    alone = spec.token if spec.network.n_shared > 1 else None
    return (spec.n_batches, spec.valid is None, n_rows, alone, *map(structure_of, parts))


def n_bytes(spec: FitSpec, n_copies_of_outputs: int = N_COPIES_OF_OUTPUTS) -> int:
    """Return an upper bound of the memory that a member takes, beside the data."""
    network = spec.network
    units = network.layer_units
    # Weights, biases, gains and shifts, and the skip connection, where there are any.
    n_parameters = sum((a + 3) * b for a, b in pairwise(units)) + network.skip * units[0] * units[-1]
    if network.n_shared > 1:
        n_parameters += network.n_shared * sum(a + 2 * b for a, b in pairwise(units))
    n_valid = 0 if spec.valid is None else len(spec.valid) * network.n_shared
    # Parameters, gradients, the solver's buffers, the metric's bound, temporaries of a step, the best epoch, the
    # result; the mean and its exchange.
    n_copies = 8 + spec.solver.n_buffers + (0 if spec.averaging is None else 3)
    # Outputs and targets, losses and weights of an epoch; those of validation.
    of_rows = (n_copies_of_outputs * units[-1] + 4) * (len(spec.train) + n_valid)
    # Targets changed by transforms, of each batch and joined.
    n_transforms = len(spec.batch_transforms)
    of_rows += 2 * units[-1] * len(spec.train) * min(n_transforms, 1)
    # Inputs of one batch; of every layer its outputs, masks (drawn as integers) and gradients; copies of inputs and
    # targets for each transform.
    of_step = 2 * units[0] + 6 * sum(units[1:]) + 3 * n_transforms * (units[0] + units[-1])
    n_numbers = n_copies * n_parameters + of_rows + spec.largest_batch * of_step + of_shared_predictions(spec)
    return n_numbers * network.dtype.itemsize


def of_shared_predictions(spec: FitSpec) -> int:
    """Return an upper bound of the numbers that predictions of members that share weights take, beside their outputs.

    These are the members' own weights, with gradients, and of the first layer once more; and of a block of validation
    rows, for all members, the inputs, the products and the outputs of every layer.
    """
    k, units = spec.network.n_shared, spec.network.layer_units
    if k == 1:
        return 0
    n_valid = 0 if spec.valid is None else len(spec.valid)
    of_row = k * sum(a + 2 * b for a, b in pairwise(units))
    n_rows = 4 * BLOCK_BYTES // (k * max(units[1:]) * spec.network.dtype.itemsize) + 1
    return 3 * k * sum(a * b for a, b in pairwise(units)) + min(n_valid, n_rows) * of_row


def block_size(memory_limit: int | None, n_workers: int) -> int:
    """Return the bytes of a block of rows, or of a layer's outputs for such a block."""
    return BLOCK_BYTES if memory_limit is None else min(BLOCK_BYTES, int(BLOCK_SHARE * memory_limit / n_workers))


def make_populations(fits: Sequence[Fit], memory_limit: int | None, n_workers: int) -> list[list[int]]:
    """Return populations of fits of the same structure, as large as memory and the number of workers allow.

    Parameters
    ----------
    fits : sequence of (FitSpec, Dataset)
        The fits.
    memory_limit : int or None
        Bytes for all populations that are trained at the same time; None is about the size of a cache for each.
    n_workers : int
        Number of populations that are trained at the same time.

    Returns
    -------
    list of list of int
        Indices of the fits of each population.

    Raises
    ------
    ValueError
        If a single member takes more than the limit.
    """
    block_bytes = block_size(memory_limit, n_workers)
    families: dict[Hashable, list[int]] = {}
    for index, (spec, _) in enumerate(fits):
        families.setdefault(structure(spec), []).append(index)
    populations = []
    for family in families.values():
        needed = max(n_bytes(fits[index][0]) for index in family)
        smallest = n_workers * math.ceil(min(needed / (1 - N_BLOCKS * BLOCK_SHARE), needed + N_BLOCKS * BLOCK_BYTES))
        if memory_limit is not None and memory_limit < smallest:
            raise ValueError(
                f"The 'memory_limit' parameter must leave room for one network in each of {n_workers} populations that "
                f"are trained at the same time, here {smallest} bytes; got {memory_limit!r}."
            )
        if memory_limit is None:
            largest = CACHE_BYTES // max(n_bytes(fits[index][0], N_COPIES_IN_STEPS) for index in family)
        else:
            largest = (memory_limit // n_workers - N_BLOCKS * block_bytes) // needed
        largest = max(1, largest)
        n_populations = max(math.ceil(len(family) / largest), min(n_workers, len(family)))
        populations += [family[span] for span in gen_even_slices(len(family), n_populations)]
    return populations
