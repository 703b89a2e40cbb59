"""Many networks trained side by side, along the leading member axis.

Small networks spend their time on calls, not on arithmetic. So networks that differ only in numbers (strengths, rates
of dropout and learning, weight decay, label smoothing), in their rows or in their seeds take their steps together: one
batched matrix product serves all of them. Each has its own early stopping, and leaves when it ends. Without its
neighbours a member comes out the same, but for rounding: it reads its rows in the order that its own seed gives, and
draws its own dropout masks.
"""

import math
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from sklearn.base import clone
from sklearn.utils import gen_even_slices
from torch import Tensor
from tqdm import tqdm

from skreg.batches import BLOCK_BYTES, Batch, Rows, epoch_spans
from skreg.constraints import Constraint
from skreg.layers import MLP, NARROW, join_rows, random_bits
from skreg.losses import Loss
from skreg.optim import FlatOptimizer
from skreg.penalties._base import LayerPenalty
from skreg.progress import Progress
from skreg.stopping import bounded_mean
from skreg.training import (
    AbandonedError,
    LearningRate,
    backpropagate,
    last_step_loss,
    limited_threads,
    loss_at_start,
    smallest_batch,
    step_flops,
    without_gradients,
)

# Without a limit of the user's, members share a program as long as what a step touches stays about in the cache.
# Measured (digits, 64-128-10, batches of 32, 50 members): 8 MiB take 12 % longer; 16, 32 and 64 MiB the same.
CACHE_BYTES = 32 * 2**20
# A population also takes, whatever its size, so many blocks: one of rows, and in validation temporaries of a layer.
# A block is at most this share of a limit.
N_BLOCKS = 5
BLOCK_SHARE = 1 / 16


@dataclass
class Job:
    """A network that is ready to be trained, and how.

    Attributes
    ----------
    network : dict
        Keyword arguments of the :class:`~skreg.layers.MLP` of a population of one.
    start : callable
        Gives such a network its start values.
    loss : Loss
        The loss.
    penalties, constraints : list
        What acts on every weight matrix.
    solver : callable
        ``solver(module, penalties, constraints, **options)`` returns the optimizer of a population; options are
        'weight_decay' and 'lr_scales'.
    rows, valid_rows : Rows
        Rows to train on and (or None) to validate on.
    seeds : dict of str to int
        Of the generators 'shuffle' and 'dropout'.
    shuffle : bool
        Whether the rows are shuffled in every epoch.
    batch_size : int
        Rows of a step.
    power_t, weight_decay : float
        See the estimators.
    progress : Progress
        Judges the epochs.
    family : hashable
        What must be equal, beside shapes, for networks to be trained together.
    read : callable
        Returns what is wanted of the trained network.
    result : dict or None
        That, after training.
    error : Exception or None
        Why training has failed.
    seconds : float
        The share of the time that it took.
    """

    network: dict
    start: Callable[[MLP], None]
    loss: Loss
    penalties: list[LayerPenalty | None]
    constraints: list[Constraint | None]
    solver: Callable[..., FlatOptimizer]
    rows: Rows
    valid_rows: Rows | None
    seeds: dict[str, int]
    shuffle: bool
    batch_size: int
    power_t: float
    weight_decay: float
    progress: Progress
    family: Hashable
    read: Callable[[MLP], dict]
    result: dict | None = None
    error: Exception | None = None
    seconds: float = 0.0

    @property
    def spans(self) -> list[slice]:
        """The batches of an epoch."""
        return epoch_spans(len(self.rows), self.batch_size, smallest_batch(self.network["normalization"]))

    @property
    def dropout_rates(self) -> tuple[float, ...]:
        """The rates in front of every linear layer."""
        return (self.network["input_dropout"], *self.network["dropout"])

    @property
    def structure(self) -> tuple:
        """What members of one population have in common."""
        progress = self.progress
        # A rate that anneals over all epochs depends on their number.
        n_epochs = progress.max_epochs if progress.schedule == "cosine" else None
        of_steps = (len(self.spans), progress.schedule, self.power_t, n_epochs, self.shuffle)
        # What a decaying rate has come to depends on the number of rows.
        n_rows = len(self.rows) if progress.schedule == "invscaling" else None
        of_network = [value for name, value in self.network.items() if "dropout" not in name]
        return (
            *of_network,
            type(self.loss),
            self.valid_rows is None,
            progress.stops_early,
            *of_steps,
            n_rows,
            self.family,
        )

    @property
    def n_bytes(self) -> int:
        """Upper bound of the memory that a member takes, beside the data."""
        units = self.network["layer_units"]
        # Weights, biases, gains and shifts, and the skip connection, where there are any.
        n_parameters = sum((a + 3) * b for a, b in pairwise(units)) + self.network["skip"] * units[0] * units[-1]
        n_valid = 0 if self.valid_rows is None else len(self.valid_rows)
        widest = max(span.stop - span.start for span in self.spans)
        # Parameters, gradients, two moments, the metric's bound, temporaries of a step, the best epoch, the result.
        of_parameters = 10 * n_parameters
        # Targets, outputs in two copies, losses and weights of an epoch; validation outputs and targets.
        of_rows = (3 * units[-1] + 4) * (len(self.rows) + n_valid)
        # Inputs of one batch; of every layer its outputs, masks (drawn as integers) and gradients.
        of_step = widest * (2 * units[0] + 6 * sum(units[1:]))
        return (of_parameters + of_rows + of_step) * self.network["dtype"].itemsize


def member_tensors(module: MLP) -> list[Tensor]:
    """Return everything that predictions depend on, as tensors with a leading member axis."""
    parameters = [parameter.data for parameter in module.parameters()]
    return [*parameters, *module.running_means, *module.running_variances]


def by_member(module: MLP, flat: Tensor) -> list[Tensor]:
    """Return views of a buffer that is laid out like the module's parameters, with a leading member axis."""
    parameters = list(module.parameters())
    parts = flat.split([parameter.numel() for parameter in parameters])
    return [part.view_as(parameter) for part, parameter in zip(parts, parameters, strict=True)]


def by_reader(jobs: Sequence[Job]) -> list[Job]:
    """Return jobs in an order in which those that read the same rows with the same seed stand beside each other."""
    readers: dict[tuple, list[Job]] = {}
    for job in jobs:
        readers.setdefault((id(job.rows), job.seeds["shuffle"]), []).append(job)
    return [job for reader in readers.values() for job in reader]


def common(values: Sequence[float], like: Tensor) -> float | Tensor:
    """Return a number if all members have the same one, else a tensor of shape (n_members, 1, 1)."""
    if all(value == values[0] for value in values):
        return values[0]
    return like.new_tensor(values).view(-1, 1, 1)


def stacked_penalty(penalties: Sequence[LayerPenalty | None], like: Tensor) -> LayerPenalty | None:
    """Return one penalty for all members: those of one class, with numbers of their own where these differ."""
    given = [penalty for penalty in penalties if penalty is not None]
    if not given:
        return None
    first = given[0]
    alpha = common([0.0 if penalty is None else penalty.alpha for penalty in penalties], like)
    varying = {}
    for name in first.penalty.member_parameters:
        # The strength of a member without penalty is zero, so its other numbers do not matter.
        values = [getattr((penalty or first).penalty, name) for penalty in penalties]
        if any(value != values[0] for value in values):
            varying[name] = common([float(value) for value in values], like)
    penalty = clone(first.penalty).set_params(**varying) if varying else first.penalty
    return LayerPenalty(penalty, alpha, first.options)


class Streams:
    """Random numbers for dropout: members with the same seed and as many rows get the same, as if they were alone.

    Parameters
    ----------
    jobs : sequence of Job
        The members.
    """

    def __init__(self, jobs: Sequence[Job]):
        device = jobs[0].network["device"]
        # A network alone draws nothing where its rate is zero.
        self._keys = [
            (job.seeds["dropout"], len(job.rows), tuple(rate > 0 for rate in job.dropout_rates)) for job in jobs
        ]
        self._generators = {key: torch.Generator(device).manual_seed(key[0]) for key in self._keys}
        self.select(range(len(jobs)))

    def select(self, members: Sequence[int]) -> None:
        """Go on with some of the members."""
        self._keys = [self._keys[member] for member in members]
        self._used = list(dict.fromkeys(self._keys))
        self._of_member = torch.tensor([self._used.index(key) for key in self._keys])
        has_dropout = [any(used) for used in zip(*(key[2] for key in self._used), strict=True)]
        self._all_places = np.flatnonzero(has_dropout).tolist()

    def begin(self, n_rows: dict[int, int]) -> None:
        """Begin a batch, in which members with a certain number of rows have so many of them."""
        self._n_rows = n_rows
        self._places = iter(self._all_places)

    def bits(self, like: Tensor) -> Tensor:
        """Return random 16-bit integers that broadcast to the shape of ``like``, for the next place with dropout."""
        place = next(self._places)
        streams = torch.zeros(len(self._used), *like.shape[-2:], dtype=torch.int16, device=like.device)
        for stream, key in zip(streams, self._used, strict=True):
            if key[2][place]:
                rows = stream[: self._n_rows[key[1]]]  # a shorter batch is filled up with rows that do not count
                rows.copy_(random_bits(rows, self._generators[key]))
        if like.dim() == 2:  # a population of one goes without the member axis
            return streams[0]
        return streams if len(self._used) == 1 else streams[self._of_member.to(like.device)]


@dataclass
class Reader:
    """Neighbouring members that read the same rows in the same order.

    ``slots`` holds for every column the place in that order that it shows (the first where it is filled up), ``is_row``
    which columns are rows, ``target`` the targets, transposed, and ``order`` the numbers of the rows in this epoch's
    columns.
    """

    rows: Rows
    generator: torch.Generator | None
    spans: list[slice]
    n_members: int = 1
    slots: Tensor = field(default_factory=lambda: torch.empty(0))
    is_row: Tensor = field(default_factory=lambda: torch.empty(0))
    target: Tensor = field(default_factory=lambda: torch.empty(0))
    order: np.ndarray = field(default_factory=lambda: np.empty(0, int))


class Feed:
    """The batches of all members.

    Every member reads its own rows in the order that its own seed gives. Batches of members with fewer rows are filled
    up with rows whose weight is zero.

    Parameters
    ----------
    rows : sequence of Rows
        The rows of every member; those of neighbours that are the same object are read once.
    spans : sequence of list of slice
        The batches of every member, as many for each.
    seeds : sequence of int or None
        Of the order, for every member; None keeps the given order.
    block_bytes : int, default=1 MiB
        Rows of several batches are gathered at once, up to so many bytes.
    """

    def __init__(
        self,
        rows: Sequence[Rows],
        spans: Sequence[list[slice]],
        seeds: Sequence[int | None],
        block_bytes: int = BLOCK_BYTES,
    ):
        self.block_bytes = block_bytes
        # A few targets lie in memory as the outputs do that they are compared with.
        self.is_narrow = rows[0].target.shape[1] < NARROW
        self._members = list(zip(rows, spans, seeds, strict=True))
        self._generators = {
            (id(own), seed): torch.Generator().manual_seed(seed) for own, _, seed in self._members if seed is not None
        }
        self.select(range(len(self._members)))

    def select(self, members: Sequence[int]) -> None:
        """Go on with some of the members."""
        self._members = [self._members[member] for member in members]
        self.readers: list[Reader] = []
        last = None
        for rows, spans, seed in self._members:
            key = (id(rows), seed)
            if key == last:
                self.readers[-1].n_members += 1
            else:
                self.readers.append(Reader(rows, self._generators.get(key), spans))
            last = key
        widths = np.max([[span.stop - span.start for span in reader.spans] for reader in self.readers], axis=0)
        stops = np.cumsum(widths)
        self.spans = [slice(int(stop - width), int(stop)) for stop, width in zip(stops, widths, strict=True)]
        self.n_columns = int(stops[-1])
        self.is_uniform = all(
            reader.rows.weight is None and len(reader.rows) == self.n_columns for reader in self.readers
        )
        for reader in self.readers:
            slots = np.zeros(self.n_columns, dtype=np.int64)
            is_row = np.zeros(self.n_columns, dtype=bool)
            for span, own in zip(self.spans, reader.spans, strict=True):
                filled = slice(span.start, span.start + own.stop - own.start)
                slots[filled], is_row[filled] = np.arange(own.start, own.stop), True
            reader.slots = torch.from_numpy(slots)
            reader.is_row = torch.from_numpy(is_row).to(reader.rows.target.device)
            reader.target = reader.rows.target.mT.contiguous()
        self.weight = None
        example = self.readers[0].rows
        row_bytes = example.X.shape[1] * example.target.element_size() * len(self._members)
        self.batches_per_block = max(1, self.block_bytes // (row_bytes * int(widths.max())))

    def arrange(self) -> None:
        """Begin an epoch: draw the order of the rows, and gather targets and weights in that order.

        Sets ``target`` of shape (n_members, n_columns, n_targets) and ``weight`` of shape (n_members, n_columns), which
        sums to 1 over the columns of a member.
        """
        targets, weights = [], []
        # Equal weights are the same in every order.
        has_weights = self.weight is not None and all(reader.rows.weight is None for reader in self.readers)
        for reader in self.readers:
            columns, rows = reader.slots, reader.rows
            if reader.generator is not None:
                columns = torch.randperm(len(rows), generator=reader.generator)[columns]
            reader.order = columns.numpy()
            columns = columns.to(rows.target.device)
            targets.append(reader.target.index_select(1, columns))
            if not has_weights:
                weights.append(rows.row_weight()[columns] * reader.is_row)
        self.target = self._joined(targets).mT
        if not self.is_narrow:
            self.target = self.target.contiguous()
        if not has_weights:
            self.weight = self._joined(weights)

    def __iter__(self) -> Iterator[tuple[slice, Tensor]]:
        """Iterate over the columns and the inputs, of shape (n_members, n_rows, n_features), of every batch."""
        for first in range(0, len(self.spans), self.batches_per_block):
            spans = self.spans[first : first + self.batches_per_block]
            start, stop = spans[0].start, spans[-1].stop
            X = self._joined([reader.rows.inputs(reader.order[start:stop]) for reader in self.readers])
            for span in spans:
                yield span, X[:, span.start - start : span.stop - start]

    def _joined(self, parts: list[Tensor]) -> Tensor:
        """Return what every member gets, given what every reader reads."""
        expanded = [
            part.expand(reader.n_members, *part.shape) for part, reader in zip(parts, self.readers, strict=True)
        ]
        return expanded[0] if len(expanded) == 1 else torch.cat(expanded)

    def n_rows(self, batch: int) -> dict[int, int]:
        """Return, for members with a certain number of rows, how many of them are in a batch."""
        return {len(reader.rows): reader.spans[batch].stop - reader.spans[batch].start for reader in self.readers}


class Population:
    """Networks of one structure, which are trained together.

    Parameters
    ----------
    jobs : sequence of Job
        The members; all have the same structure.
    stopped : threading.Event
        When set, training is given up.
    report : callable
        Called with the number of epochs of single members that are done.
    block_bytes : int, default=1 MiB
        Size of blocks of rows, and of a layer's outputs in validation.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        stopped: threading.Event,
        report: Callable[[int], None],
        block_bytes: int = BLOCK_BYTES,
    ):
        # Members that read the same rows stand beside each other, so that the rows are read once.
        self.jobs = by_reader(jobs)
        self.stopped, self.report, self.block_bytes = stopped, report, block_bytes
        first = self.jobs[0]
        self.loss = first.loss
        self.schedule = LearningRate(first.progress.schedule, 1.0, first.power_t)
        self.feed = Feed(
            [job.rows for job in self.jobs],
            [job.spans for job in self.jobs],
            [job.seeds["shuffle"] if job.shuffle else None for job in self.jobs],
            block_bytes,
        )
        self.streams = Streams(self.jobs)
        self.n_batches = len(self.feed.spans)
        self.single = MLP(**first.network)
        self.module = self._make_module()
        with torch.no_grad():
            for member, job in enumerate(self.jobs):
                job.start(self.single)
                for tensor, own in zip(member_tensors(self.module), member_tensors(self.single), strict=True):
                    tensor[member] = own[0]
        self._make_solver()
        self.validation: Feed | None = None
        self.best = [tensor.clone() for tensor in member_tensors(self.module)]

    def train(self) -> None:
        """Train until every member has ended; results lie in the jobs."""
        while self.jobs:
            with without_gradients(self.loss, self.solver):
                measured = self._epoch()
            self.report(len(self.jobs))
            leaving = self._judge(measured)
            staying = [member for member in range(len(self.jobs)) if member not in leaving]
            for member in leaving:
                self._take_leave(member)
            if not staying:
                return
            if leaving:
                self._keep(staying)
            elif [job.progress.lr for job in self.jobs] != self.rates:
                old = self.solver
                self._make_solver()
                self._copy_solver(old, self.module, staying)

    def _epoch(self) -> list[dict[str, float]]:
        """Run one epoch; return what is measured of every member."""
        module, feed, epoch = self.module, self.feed, self.jobs[0].progress.epoch + 1
        total_steps = self.jobs[0].progress.max_epochs * self.n_batches
        n_seen = len(self.jobs[0].rows) * (epoch - 1)
        feed.arrange()
        scale = module.flat.new_full((), self.n_batches / feed.n_columns)
        outputs, factor = [], 1.0
        for number, (span, X) in enumerate(feed):
            if self.stopped.is_set():
                raise AbandonedError
            self.streams.begin(feed.n_rows(number))
            weight = None if feed.is_uniform else feed.weight[:, span].unsqueeze(2)
            batch = Batch(X, feed.target[:, span], weight, span)
            outputs.append(
                backpropagate(module, self.loss, batch, generator=self.streams, scale=scale, n_batches=self.n_batches)
            )
            rate = self.schedule.at(self.solver.n_steps, total_steps, epoch, n_seen + span.start)
            factor = 1.0 if rate is None else rate
            self.solver.step(self.rates[0] * factor)
        Z = join_rows(outputs)
        loss = self.loss.per_row(Z, feed.target)
        if epoch == 1:
            is_row = feed.weight[:, feed.spans[0]] > 0
            first = (loss[:, feed.spans[0]] * is_row).sum(dim=1) / is_row.sum(dim=1)
            for job, value in zip(self.jobs, first.tolist(), strict=True):
                job.progress.first_loss = loss_at_start(job.loss, job.rows, value)
        results = {
            "train_loss": (loss * feed.weight).sum(dim=1),
            "penalty": self.solver.penalty_values(),
            "train_score": self.loss.score(Z, feed.target, feed.weight),
        }
        if self.jobs[0].valid_rows is not None:
            results |= self._validate()
        results["is_finite"] = torch.stack([torch.isfinite(p.flatten(1).sum(dim=1)) for p in module.parameters()]).all(
            dim=0
        )
        results["lr"] = torch.tensor([rate * factor for rate in self.rates], dtype=torch.float64)
        columns = [values.tolist() for values in results.values()]
        return [dict(zip(results, values, strict=True)) for values in zip(*columns, strict=True)]

    def _validate(self) -> dict[str, Tensor]:
        """Return loss and score of every member on its validation rows."""
        if self.validation is None:
            rows = [job.valid_rows for job in self.jobs]
            row_bytes = max(self.module.layer_units) * rows[0].target.element_size() * len(rows)
            n_blocks = min(*map(len, rows), math.ceil(max(map(len, rows)) * row_bytes / self.block_bytes))
            spans = [list(gen_even_slices(len(own), n_blocks)) for own in rows]
            self.validation = Feed(rows, spans, [None] * len(rows), self.block_bytes)
            self.validation.arrange()
        feed = self.validation
        Z = torch.cat([self.module.forward(X) for _, X in feed], dim=1)
        losses = self.loss.per_row(Z, feed.target)
        mean = (losses * feed.weight).sum(dim=1)
        results = {"valid_loss": mean, "valid_score": self.loss.score(Z, feed.target, feed.weight)}
        if self.loss.bounds_rows:
            results["bounded_loss"] = bounded_mean(losses, feed.weight, mean)
        return results

    def _judge(self, measured: list[dict[str, float]]) -> list[int]:
        """Let every member judge its epoch; return those for which it was the last."""
        leaving, improved = [], []
        for member, (job, values) in enumerate(zip(self.jobs, measured, strict=True)):
            judged = {name: values.pop(name) for name in ("is_finite", "bounded_loss") if name in values}
            try:
                is_best = job.progress.end_epoch(values, **judged)
            except ValueError as error:
                job.error = error
            else:
                if is_best:
                    improved.append(member)
            if job.error is not None or job.progress.stopping_reason:
                leaving.append(member)
        if improved and self.jobs[0].progress.stops_early:
            index = torch.tensor(improved, device=self.module.flat.device)
            for kept, tensor in zip(self.best, member_tensors(self.module), strict=True):
                kept[index] = tensor[index]
        return leaving

    def _take_leave(self, member: int) -> None:
        """Give a member its weights."""
        job = self.jobs[member]
        self.report(job.progress.max_epochs - job.progress.epoch)
        if job.error is not None:
            return
        stops_early = job.progress.stops_early
        source = self.best if stops_early else member_tensors(self.module)
        for own, tensor in zip(member_tensors(self.single), source, strict=True):
            own.copy_(tensor[member : member + 1])
        if not stops_early:
            # No training loss has seen what the last step has left.
            try:
                is_finite = bool(torch.isfinite(self.single.flat).all())
                loss = last_step_loss(self.single, job.loss, job.rows)
                job.progress.check_divergence(
                    "training", loss, job.progress.history[-1]["penalty"], is_finite=is_finite
                )
            except ValueError as error:
                job.error = error
                return
        job.result = job.read(self.single)

    def _make_module(self) -> MLP:
        """Return a module for all members."""
        exact = self.single.flat.new_empty(0, dtype=torch.float64)
        rates = [common(values, exact) for values in zip(*(job.dropout_rates for job in self.jobs), strict=True)]
        options = self.jobs[0].network | {"input_dropout": rates[0], "dropout": rates[1:]}
        return MLP(**options, n_members=len(self.jobs))

    def _make_solver(self) -> None:
        jobs, flat = self.jobs, self.module.flat
        # A step has one learning rate, that of the first member; the others' are in proportion to it.
        self.rates = [job.progress.lr for job in jobs]
        is_same = all(rate == self.rates[0] for rate in self.rates)
        self.solver = jobs[0].solver(
            self.module,
            [stacked_penalty([job.penalties[i] for job in jobs], flat) for i in range(len(self.module.weights))],
            jobs[0].constraints,
            weight_decay=common([job.weight_decay for job in jobs], flat),
            lr_scales=None if is_same else flat.new_tensor(self.rates) / self.rates[0],
        )

    def _keep(self, members: list[int]) -> None:
        """Go on with some of the members."""
        old_module, old_solver = self.module, self.solver
        self.jobs = [self.jobs[member] for member in members]
        self.best = [tensor[members] for tensor in self.best]
        self.feed.select(members)
        self.streams.select(members)
        self.validation = None
        self.module = self._make_module()
        self.module.n_batches = old_module.n_batches
        for tensor, old in zip(member_tensors(self.module), member_tensors(old_module), strict=True):
            tensor.copy_(old[members])
        self._make_solver()
        self._copy_solver(old_solver, old_module, members)

    def _copy_solver(self, old: FlatOptimizer, old_module: MLP, members: list[int]) -> None:
        """Go on from the state of another solver, of which there are only some members left."""
        self.solver.n_steps = old.n_steps
        for new_buffer, old_buffer in zip(self.solver.buffers(), old.buffers(), strict=True):
            parts = zip(by_member(self.module, new_buffer), by_member(old_module, old_buffer), strict=True)
            for new_part, old_part in parts:
                new_part.copy_(old_part[members])


def block_size(memory_limit: int | None, n_workers: int) -> int:
    """Return the bytes of a block of rows, or of a layer's outputs for such a block."""
    return BLOCK_BYTES if memory_limit is None else min(BLOCK_BYTES, int(BLOCK_SHARE * memory_limit / n_workers))


def in_chunks(jobs: Sequence[Job], memory_limit: int | None, n_workers: int) -> list[list[Job]]:
    """Return populations: jobs of the same structure, no more together than memory and workers ask for.

    Parameters
    ----------
    jobs : sequence of Job
        The jobs.
    memory_limit : int or None
        Bytes for all populations that are trained at the same time; None is about the size of a cache for each.
    n_workers : int
        Number of populations that are trained at the same time.

    Returns
    -------
    list of list of Job
        The populations.

    Raises
    ------
    ValueError
        If a single member takes more than the limit.
    """
    block_bytes = block_size(memory_limit, n_workers)
    families: dict[tuple, list[Job]] = {}
    for job in jobs:
        families.setdefault(job.structure, []).append(job)
    chunks = []
    for family in families.values():
        needed = max(job.n_bytes for job in family)
        smallest = n_workers * math.ceil(min(needed / (1 - N_BLOCKS * BLOCK_SHARE), needed + N_BLOCKS * BLOCK_BYTES))
        if memory_limit is not None and memory_limit < smallest:
            raise ValueError(
                f"The 'memory_limit' parameter must leave room for one network in each of {n_workers} populations that "
                f"are trained at the same time, here {smallest} bytes; got {memory_limit!r}."
            )
        room = CACHE_BYTES if memory_limit is None else memory_limit // n_workers - N_BLOCKS * block_bytes
        largest = max(1, room // needed)
        n_chunks = max(math.ceil(len(family) / largest), min(n_workers, len(family)))
        chunks += [family[span] for span in gen_even_slices(len(family), n_chunks)]
    return chunks


def train_jobs(
    jobs: Sequence[Job],
    *,
    n_jobs: int | None = None,
    memory_limit: int | None = None,
    verbose: bool = False,
    on_progress: Callable[[float], None] | None = None,
) -> None:
    """Train networks, those of the same structure together.

    Parameters
    ----------
    jobs : sequence of Job
        What to train; results and errors lie in them afterwards.
    n_jobs : int or None, default=None
        Number of populations that are trained at the same time, each in a thread of its own; as in joblib.
    memory_limit : int or None, default=None
        Largest number of bytes for all populations at a time, beside the data; None is sized for the cache.
    verbose : bool, default=False
        Whether to show a progress bar.
    on_progress : callable or None, default=None
        Called with what has been done meanwhile, in fits: an epoch is its share of one.

    Raises
    ------
    ValueError
        If the limit is too small for a single network.
    """
    if not jobs:
        return
    # Whatever runs around this, such as a search that scores one candidate after the other, these are threads.
    with parallel_config(backend="threading"):
        n_workers = min(effective_n_jobs(n_jobs), len(jobs))
    chunks = in_chunks(jobs, memory_limit, n_workers)
    block_bytes = block_size(memory_limit, n_workers)
    stopped = threading.Event()
    bar_lock = threading.Lock()

    def report(max_epochs, n_epochs):
        with bar_lock:
            bar.update(n_epochs)
            if on_progress is not None:
                on_progress(n_epochs / max_epochs)

    def train(chunk):
        start = time.perf_counter()
        try:
            # Populations in parallel have one thread each.
            flops = 0 if n_workers > 1 else step_flops(chunk[0].network["layer_units"], chunk[0].batch_size)
            with limited_threads(flops):
                Population(chunk, stopped, partial(report, chunk[0].progress.max_epochs), block_bytes).train()
        except AbandonedError:
            raise
        except Exception as error:  # of a user's loss, or of memory: it belongs to the members that have not ended
            for job in chunk:
                if job.error is None and not job.progress.stopping_reason:
                    job.error = error
        for job in chunk:
            job.seconds = (time.perf_counter() - start) / len(chunk)

    total = sum(job.progress.max_epochs for job in jobs)
    with tqdm(total=total, desc="epochs of all networks", disable=not verbose) as bar:
        try:
            Parallel(n_jobs=n_workers, backend="threading")(delayed(train)(chunk) for chunk in chunks)
        finally:
            stopped.set()
