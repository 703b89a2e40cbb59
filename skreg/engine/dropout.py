"""Random numbers for the dropout of many networks, each of which draws as if it were alone."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from skreg.layers import random_bits


class DropoutStreams:
    """Random numbers for dropout: members with the same seed and as many rows get the same, as if they were alone.

    Parameters
    ----------
    keys : sequence of tuple
        For every member the seed, the number of rows, and which places have dropout at all.
    device : torch.device
        Where the numbers are drawn.
    """

    def __init__(self, keys: Sequence[tuple[int, int, tuple[bool, ...]]], device: torch.device):
        self._keys = list(keys)
        self._generators = {key: torch.Generator(device).manual_seed(key[0]) for key in self._keys}
        self.select(range(len(self._keys)))

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
