"""Random numbers of a population, whose members each draw as a single network does."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from skreg._seeds import augmentation_seed, generator_of
from skreg.network.dropout import random_bits


class MemberStreams:
    """Streams of random numbers; members with equal keys share one.

    Parameters
    ----------
    keys : sequence of tuple
        For every member the seed, the number of its rows, and whatever else its numbers depend on.
    device : torch.device
        Device of the generators.

    Attributes
    ----------
    generators : dict of tuple to torch.Generator
        One for each key.
    """

    def __init__(self, keys: Sequence[tuple], device: torch.device):
        self._keys = list(keys)
        self.generators = {key: torch.Generator(device).manual_seed(key[0]) for key in self._keys}
        self.select(range(len(self._keys)))

    def select(self, members: Sequence[int]) -> None:
        """Keep the streams of some members only."""
        self._keys = [self._keys[member] for member in members]
        self._used = list(dict.fromkeys(self._keys))
        self._of_member = torch.tensor([self._used.index(key) for key in self._keys], device="cpu")

    def begin(self, n_rows: dict[int, int]) -> None:
        """Begin a batch; ``n_rows`` is the number of its rows for members with a number of rows in total."""
        self._n_rows = n_rows

    def _rows(self, stream: Tensor, key: tuple) -> Tensor:
        """Return the rows of a stream that are drawn, without those that pad a shorter batch."""
        return stream[: self._n_rows[key[1]]]

    def _of_members(self, streams: Tensor) -> Tensor:
        """Return the numbers of every member, of shape (n_members or 1, ...), from those of every stream."""
        return streams if len(self._used) == 1 else streams[self._of_member.to(streams.device)]


class DropoutStreams(MemberStreams):
    """Random numbers for dropout. The third part of a key tells which layers have dropout."""

    def select(self, members: Sequence[int]) -> None:
        """Keep the streams of some members only."""
        super().select(members)
        has_dropout = [any(used) for used in zip(*(key[2] for key in self._used), strict=True)]
        self._dropout_layers = np.flatnonzero(has_dropout).tolist()

    def begin(self, n_rows: dict[int, int]) -> None:
        """Begin a batch; ``n_rows`` is the number of its rows for members with a number of rows in total."""
        super().begin(n_rows)
        self._layers = iter(self._dropout_layers)

    def bits(self, like: Tensor) -> Tensor:
        """Return random 16-bit integers that broadcast to the shape of ``like``, for the next layer with dropout."""
        layer = next(self._layers)
        streams = torch.zeros(len(self._used), *like.shape[-2:], dtype=torch.int16, device=like.device)
        for stream, key in zip(streams, self._used, strict=True):
            if key[2][layer]:
                rows = self._rows(stream, key)
                rows.copy_(random_bits(rows, self.generators[key]))
        if like.dim() == 2:  # a population of one goes without the member axis
            return streams[0]
        return self._of_members(streams)


class BatchRandom(MemberStreams):
    """Random numbers for the transforms of batches."""

    def normal(self, like: Tensor) -> Tensor:
        """Return normal random numbers, of mean 0 and variance 1; see :meth:`uniform`."""
        return self._drawn(like, torch.Tensor.normal_)

    def uniform(self, like: Tensor) -> Tensor:
        """Return uniform random numbers, in [0, 1).

        Parameters
        ----------
        like : Tensor of shape (n_members, n_rows, n_columns)
            Has the shape, the type and the device.

        Returns
        -------
        Tensor of shape (n_members or 1, n_rows, n_columns)
            The same for members that have the same rows and seed; 0 in rows that pad a batch.
        """
        return self._drawn(like, torch.Tensor.uniform_)

    def permutation(self, like: Tensor) -> Tensor:
        """Return row indices in a random order, for ``like.take_along_dim(indices, dim=1)``.

        Parameters
        ----------
        like : Tensor of shape (n_members, n_rows, n_columns)
            Has the number of rows and the device.

        Returns
        -------
        Tensor of int of shape (n_members or 1, n_rows, 1)
            Rows that pad a batch stay where they are.
        """
        orders = torch.arange(like.shape[1], device=like.device).repeat(len(self._used), 1)
        for order, key in zip(orders, self._used, strict=True):
            rows = self._rows(order, key)
            torch.randperm(len(rows), generator=self.generators[key], out=rows, device=rows.device)
        return self._of_members(orders.unsqueeze(2))

    def _drawn(self, like: Tensor, draw) -> Tensor:
        streams = like.new_zeros(len(self._used), *like.shape[1:])
        for stream, key in zip(streams, self._used, strict=True):
            draw(self._rows(stream, key), generator=self.generators[key])
        return self._of_members(streams)


def make_dropout_streams(members: Sequence, device: torch.device) -> torch.Generator | DropoutStreams:
    """Return the random numbers for the dropout of some members: a plain generator for a single one."""
    if len(members) == 1:
        return generator_of(members[0].spec.seeds["dropout"], device)
    # As a single network does, a member draws nothing where its rate is zero.
    places = [tuple(rate > 0 for rate in member.spec.network.dropout_rates) for member in members]
    keys = [
        (member.spec.seeds["dropout"], len(member.rows), of_member)
        for member, of_member in zip(members, places, strict=True)
    ]
    return DropoutStreams(keys, device)


def make_batch_random(members: Sequence, device: torch.device) -> BatchRandom:
    """Return the random numbers for the batch transforms of some members."""
    keys = [(augmentation_seed(member.spec.seeds["dropout"]), len(member.rows)) for member in members]
    return BatchRandom(keys, device)
