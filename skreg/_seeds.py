"""From ``random_state`` to the generators that everything random is drawn from."""

import numpy as np
import torch
from sklearn.utils import check_random_state

# What a fit draws, each with a generator of its own.
SEEDS = ("init", "shuffle", "dropout", "split")
# Seeds are at least 0 and smaller than this.
SEED_LIMIT = 2**31 - 1


def draw_seeds(random_state, *purposes: str) -> dict[str, int]:
    """Return one seed for each purpose.

    None takes fresh entropy from the operating system, so that numpy's global generator is left alone; an instance is
    advanced, as everywhere in scikit-learn.
    """
    if random_state is None:
        draws = np.random.default_rng().integers(SEED_LIMIT, size=len(purposes))
    else:
        draws = check_random_state(random_state).randint(SEED_LIMIT, size=len(purposes))
    return dict(zip(purposes, (int(seed) for seed in draws), strict=True))


def generator_of(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a new generator."""
    return torch.Generator(device).manual_seed(seed)


def seed_arrays(seeds: dict[str, int]) -> dict[str, np.ndarray]:
    """Return seeds as a checkpoint holds them."""
    return {f"seed_{name}": np.asarray(seed) for name, seed in seeds.items()}
