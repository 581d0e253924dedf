"""The envelope f(l): how much of a perturbation arrives on average after l steps."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..cells import Cell
from ..grid import checked_lags
from .engine import Engine
from .orders import Alignment, Order, sampled_exact, transport
from .record import Envelope
from .sums import COMPILED
from .windows import Accumulator


def envelope(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    states: Float[Tensor, "sequence step state"],
    lags: Iterable[int],
    *,
    order: Order,
    rates: Float[Tensor, "sequence step unit"] | None = None,
    alignment: Alignment = "states",
    engine: Engine = "auto",
) -> Envelope:
    """Measure the envelope over all windows of some sequences.

    ``mu_{t,l}[q] = Lambda[q] Gamma_{t,l}[q]``, Lambda at the source state t - l.

    Args:
        cell: the recurrence.
        x: inputs.
        states: the states after each step.
        lags: lags in steps, at least 1.
        order: the transport; ``exact`` costs T Jacobian products a lag, see
            `sampled_envelope`.
        rates: base rates Lambda at every state; 1 unless given. They need the
            alignment ``states``, which names the source state.
        alignment: which windows count; see `orders.Alignment`.
        engine: ``compiled`` does all orders but ``exact``; see `engine.Engine`.

    Raises:
        ValueError: if a lag does not fit, rates come with the alignment ``steps``, or
            the engine cannot do it.

    Example:
        >>> import torch
        >>> from learnability.cells import ConstGate
        >>> from learnability.unroll import unroll
        >>> cell, x = ConstGate(3, 4, s=0.5), torch.zeros(2, 9, 3)
        >>> f = envelope(cell, x, unroll(cell, x), [1, 2], order="zero")
        >>> f.normalised
        array([0.5 , 0.25])

    Source: Livi 2025, definition of the envelope (arXiv 2512.05790).
    """
    return envelopes(
        cell,
        x,
        states,
        lags,
        orders=[order],
        rates=rates,
        alignment=alignment,
        engine=engine,
    )[order]


def envelopes(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    states: Float[Tensor, "sequence step state"],
    lags: Iterable[int],
    *,
    orders: Iterable[Order] = COMPILED,
    rates: Float[Tensor, "sequence step unit"] | None = None,
    alignment: Alignment = "states",
    engine: Engine = "auto",
) -> dict[Order, Envelope]:
    """Measure the envelopes of several orders, those without matrices in one pass.

    Arguments are those of `envelope`.

    Args:
        orders: the transports.

    Raises:
        ValueError: as `envelope`.

    Example:
        >>> import torch
        >>> from learnability.cells import ConstGate
        >>> from learnability.unroll import unroll
        >>> cell, x = ConstGate(3, 4, s=0.5), torch.zeros(2, 9, 3)
        >>> list(envelopes(cell, x, unroll(cell, x), [1, 2]))
        ['zero', 'first', 'diagonal']
    """
    if rates is not None and alignment == "steps":
        raise ValueError("base rates need a source state: use alignment='states'")
    chosen, wanted = checked_lags(lags, x.shape[1]), list(orders)
    fast = _compiled(wanted, x, engine)
    found: dict[Order, Envelope] = {}
    if fast:
        sums = Accumulator(cell, chosen, alignment=alignment)
        sums.add(x, states, rates=rates)
        found = sums.result(fast).envelopes
    for order in wanted:
        if order not in found:
            gains = transport(
                cell, x, states, [0, *chosen], order=order, alignment=alignment
            )
            found[order] = _summarise(chosen, _weighted(gains, rates))
    return {order: found[order] for order in wanted}


def _compiled(orders: list[Order], x: Tensor, engine: Engine) -> list[Order]:
    """Give the orders that the window kernels do."""
    fits = x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
    able: list[Order] = [order for order in orders if fits and order in COMPILED]
    if engine == "auto":
        return able
    if engine == "reference":
        return []
    if engine != "compiled":
        raise ValueError(
            f"engine {engine!r} is unknown; use 'auto', 'reference' or 'compiled'"
        )
    if able != orders:
        raise ValueError(
            f"no window kernel does {orders} in {x.dtype} on {x.device}; "
            "use engine='auto'"
        )
    return able


def sampled_envelope(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    states: Float[Tensor, "sequence step state"],
    lags: Iterable[int],
    *,
    windows: int,
    seed: int | np.random.SeedSequence | np.random.Generator,
    rates: Float[Tensor, "sequence step unit"] | None = None,
    lengths: Int[Tensor, "sequence"] | None = None,
) -> Envelope:
    """Measure the exact envelope on a random sample of windows.

    Args:
        cell: the recurrence.
        x: inputs.
        states: the states after each step.
        lags: lags in steps, at least 1.
        windows: how many pairs (sequence, last step) to sample, with replacement.
        seed: NumPy-style seed of the sample.
        rates: base rates Lambda at every state; 1 unless given.
        lengths: steps of each sequence; windows end within them. All T unless given.

    Raises:
        ValueError: if a lag does not fit or fewer than 2 windows are asked for.
    """
    chosen = checked_lags(lags, x.shape[1])
    pairs = sampled_windows(x, chosen[-1], windows=windows, seed=seed, lengths=lengths)
    return window_envelope(cell, x, states, chosen, pairs, rates=rates)


def sampled_windows(
    x: Float[Tensor, "sequence step input"],
    longest: int,
    *,
    windows: int,
    seed: int | np.random.SeedSequence | np.random.Generator,
    lengths: Int[Tensor, "sequence"] | None = None,
) -> Int[Tensor, "pair 2"]:
    """Draw windows that the longest lag fits into: pairs (sequence, last step).

    Args:
        x: inputs.
        longest: the longest lag in steps.
        windows: how many, with replacement.
        seed: NumPy-style seed of the sample.
        lengths: steps of each sequence; windows end within them. All T unless given.

    Raises:
        ValueError: if no window fits or fewer than 2 are asked for.
    """
    if windows < 2:
        raise ValueError(f"{windows} windows give no standard error; sample at least 2")
    random = np.random.default_rng(seed)
    if lengths is None:
        pairs = np.stack(
            [
                random.integers(x.shape[0], size=windows),
                random.integers(longest, x.shape[1], size=windows),
            ],
            axis=1,
        )
    else:
        ends = torch.arange(x.shape[1]) < lengths.cpu()[:, None]
        ends[:, :longest] = False
        every = ends.nonzero().numpy()
        if not len(every):
            raise ValueError(
                f"no sequence has a window of lag {longest}; give shorter lags"
            )
        pairs = every[random.integers(len(every), size=windows)]
    return torch.as_tensor(pairs, device=x.device)


def window_envelope(
    cell: Cell,
    x: Float[Tensor, "sequence step input"],
    states: Float[Tensor, "sequence step state"],
    lags: Iterable[int],
    pairs: Int[Tensor, "pair 2"],
    *,
    rates: Float[Tensor, "sequence step unit"] | None = None,
) -> Envelope:
    """Measure the exact envelope on some windows.

    Args:
        cell: the recurrence.
        x: inputs.
        states: the states after each step.
        lags: lags in steps, at least 1.
        pairs: (sequence, last step) of each window.
        rates: base rates Lambda at every state; 1 unless given.

    Raises:
        ValueError: if a lag does not fit.
    """
    chosen = checked_lags(lags, x.shape[1])
    gains = sampled_exact(cell, x, states, [0, *chosen], pairs)
    sequence, step = pairs.unbind(dim=1)
    weighted = (
        (lag, (g if rates is None else g * rates[sequence, step - lag])[:, None])
        for lag, g in gains
    )
    return _summarise(chosen, weighted)


def _weighted(
    windows: Iterator[tuple[int, Tensor]], rates: Tensor | None
) -> Iterator[tuple[int, Tensor]]:
    for lag, gain in windows:
        yield lag, gain if rates is None else gain * rates[:, : gain.shape[1]]


def _summarise(lags: list[int], weighted: Iterator[tuple[int, Tensor]]) -> Envelope:
    rows = [_averages(mu.detach().abs().double()) for _, mu in weighted]
    mean, error, typical, unit_mean, unit_typical = (
        np.stack(column) for column in zip(*rows, strict=True)
    )
    return Envelope(
        lags=np.array(lags),
        mean=mean[1:],
        error=error[1:],
        typical=typical[1:],
        unit_mean=unit_mean[1:],
        unit_typical=unit_typical[1:],
        origin=float(mean[0]),
    )


def _averages(size: Float[Tensor, "sequence window unit"]) -> tuple[np.ndarray, ...]:
    """Reduce one lag; a gain of exactly 0 makes a typical value of 0."""
    total = size.sum(dim=-1)
    by_sequence = total.mean(dim=1)
    if len(by_sequence) > 1:
        error = by_sequence.std() / len(by_sequence) ** 0.5
    else:
        error = torch.full((), torch.nan, dtype=size.dtype)
    reduced = (
        total.mean(),
        error,
        total.log().mean().exp(),
        size.mean(dim=(0, 1)),
        size.log().mean(dim=(0, 1)).exp(),
    )
    return tuple(value.cpu().numpy() for value in reduced)
