r"""When modes escape from a plateau, as of a linear network with small weights.

A unit with the memory lambda, read out with v and driven by w along u, adds
``v w lambda^l`` to beta. With the residual ``r_l = c_l - beta_l`` both weights grow as
``dv/dt = eta_v w rho``, ``dw/dt = eta_w v rho``, ``rho = |sum_l W_l r_l lambda^l|``:
their product grows at the rate ``R = 2 sqrt(eta_v eta_w) rho``, and takes
``log(A/eps)/R`` updates from eps to the size ``A = rho/sum_l W_l lambda^2l`` that takes
the mode off the residual. The mode with the largest R goes first; the residual is
fitted anew by all modes so far; the next one follows.

Source: Saxe, McClelland and Ganguli 2014; Proca et al. 2025 (modes in time).
"""

import numpy as np
from jaxtyping import Float

from .dynamics import Kernel

MEMORIES = np.linspace(0.0, 0.995, 200)  # lambda


def modes(
    seen: Kernel,
    c: Float[np.ndarray, "lag"],
    rate: float,
    size: float,
    units: int,
) -> tuple[Float[np.ndarray, "time"], Float[np.ndarray, "time lag"]]:
    """Return when modes have escaped, and beta from then on.

    Args:
        seen: beta and W; the kernel is not looked at.
        c: what beta tends to.
        rate: ``sqrt(eta_v eta_w)``, geometric mean of the step sizes of read-out and
            input weights.
        size: eps, the product of the weights of one unit, before it grows.
        units: the most modes there are.

    Returns:
        Times in updates, the first of them 0, and beta at each.
    """
    lags, w = np.arange(len(c)), seen.within
    powers = MEMORIES[:, None] ** lags
    chosen: list[int] = []
    times, betas, t = [0.0], [seen.beta], 0.0
    for _ in range(units):
        r = c - betas[-1]
        rho = np.abs(powers @ (w * r))
        rho[chosen] = 0.0
        best = int(rho.argmax())
        if not rho[best] > 0:
            break
        amplitude = rho[best] / (w * powers[best] ** 2).sum()
        t += max(np.log(amplitude / size), 0.0) / (2 * rate * rho[best])
        chosen.append(best)
        root = np.sqrt(w)
        design = powers[chosen].T * root[:, None]
        fit = np.linalg.lstsq(design, root * (c - seen.beta), rcond=1e-6)[0]
        times.append(t)
        betas.append(seen.beta + powers[chosen].T @ fit)
    return np.array(times), np.array(betas)
