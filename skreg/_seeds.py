"""Seeds and generators from ``random_state``."""

import copy

import numpy as np
import torch
from sklearn.utils import check_random_state

# Purposes of a fit's random numbers, each with a generator of its own.
SEEDS = ("init", "shuffle", "dropout", "split")
# Seeds are at least 0 and smaller than this.
SEED_LIMIT = 2**31 - 1


def random_numbers(random_state) -> np.random.RandomState:
    """Return a generator.

    None takes fresh entropy from the operating system, so that numpy's global generator is left alone; an instance is
    advanced, as everywhere in scikit-learn.
    """
    if random_state is None:
        random_state = int(np.random.default_rng().integers(SEED_LIMIT))
    return check_random_state(random_state)


def fresh_seed(random: np.random.RandomState) -> int:
    """Return a seed drawn from a generator."""
    return int(random.randint(SEED_LIMIT))


def seeded_splitter(splitter, seed: int | None = None):
    """Return a splitter that does not draw from numpy's global generator, and gives the same splits again.

    One without a random state of its own is copied, and gets a seed; None is a fresh one. Anything else that gives
    folds, such as a number, is returned as it is.
    """
    draws = getattr(splitter, "random_state", 0) is None and getattr(splitter, "shuffle", True)
    if not (hasattr(splitter, "split") and draws):
        return splitter
    seeded = copy.copy(splitter)
    seeded.random_state = fresh_seed(random_numbers(None)) if seed is None else seed
    return seeded


def draw_seeds(random_state, *purposes: str) -> dict[str, int]:
    """Return one seed for each purpose; see :func:`random_numbers`."""
    draws = random_numbers(random_state).randint(SEED_LIMIT, size=len(purposes))
    return dict(zip(purposes, (int(seed) for seed in draws), strict=True))


def augmentation_seed(dropout_seed: int) -> int:
    """Return the seed of batch transforms, which follows from that of dropout.

    Another draw from the random state would change the later numbers of a user's generator.
    """
    return int(np.random.SeedSequence([dropout_seed, 1]).generate_state(1)[0])


def sign_seed(init_seed: int) -> int:
    """Return the seed of the signs of members that share weights, which follows from that of the weights."""
    return int(np.random.SeedSequence([init_seed, 2]).generate_state(1)[0])


def generator_of(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a new generator."""
    return torch.Generator(device).manual_seed(seed)


def seed_arrays(seeds: dict[str, int]) -> dict[str, np.ndarray]:
    """Return seeds as a checkpoint holds them."""
    return {f"seed_{name}": np.asarray(seed) for name, seed in seeds.items()}
