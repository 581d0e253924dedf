"""Seeds as arguments: NumPy-style seeds turned into PyTorch generators."""

import numpy as np
import torch

from .checked import checked_seed

Seed = int | np.random.SeedSequence | np.random.Generator


def torch_generator(seed: Seed) -> torch.Generator:
    """Make a CPU generator whose stream is fixed by a NumPy-style ``seed``."""
    draw = np.random.default_rng(seed).integers(2**63 - 1)
    return torch.Generator().manual_seed(int(draw))


def stream(seed: int, purpose: str) -> np.random.SeedSequence:
    """Derive the random stream of one purpose from a study's seed.

    Streams of different purposes are independent: drawing more from one changes
    nothing in another, and the order in which they are asked for is irrelevant.

    Raises:
        ValueError: if the seed is negative or above 2^63 - 1.

    Example:
        >>> import numpy as np
        >>> a = np.random.default_rng(stream(7, "data")).integers(100, size=3)
        >>> b = np.random.default_rng(stream(7, "batches")).integers(100, size=3)
        >>> bool((a == b).all())
        False
    """
    return np.random.SeedSequence([checked_seed(seed), *purpose.encode()])
