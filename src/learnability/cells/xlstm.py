"""The two memories of xLSTM: of numbers (sLSTM) and of a matrix (mLSTM)."""

from typing import Unpack, final

import torch
from jaxtyping import Float
from torch import Tensor

from .base import Steps, previous
from .closed import Options, OuterProductFactor, logit, normalise_vjp
from .gated import Gated
from .inputs import Matrix, Scan, Section, outer, times, times_from_left

CAP = 15.0
"""Pre-activations of exponential gates are softly kept below it, ``CAP tanh(a/CAP)``.

So no exponential overflows and no stabiliser is needed (Beck et al. 2025, section 3,
arXiv 2503.13427)."""


def capped(a: Tensor) -> tuple[Tensor, Tensor]:
    """Return a capped pre-activation and its derivative."""
    share = torch.tanh(a / CAP)
    return CAP * share, 1 - share**2


def uncapped(a: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Return what the cap makes a of, which lies between -15 and 15."""
    return CAP * torch.atanh(a / CAP)


def before_cap(f0: float) -> Float[Tensor, ""]:
    """Return the pre-activation at which a capped gate stands at f0."""
    start = logit(f0)
    if abs(start) >= CAP:
        raise ValueError(
            f"f0 is {f0}; a capped forget gate lies between 3.1e-7 and 1 - 3.1e-7"
        )
    return uncapped(torch.tensor(start, dtype=torch.float64))


@final
class SLSTM(Gated):
    """An LSTM with an exponential input gate and a normaliser; its state is (h, s, n).

    ``i = exp(cap(W_i x + b_i + U_i h))``, ``f, o = sigmoid(...)``,
    ``g = tanh(LN(W_g x + b_g + U_g h))`` each with its own matrices, that of f capped,
    too; ``n' = f n + i``, ``s' = (f n s + i g)/n'``, ``h' = o s'``. The publication's
    memory is ``c = n s``, and its stabiliser m, which no h depends on, is replaced by
    ``cap(a) = 15 tanh(a/15)``. What a unit keeps is ``f n/n'`` of the mean s.

    Args:
        inputs: their number, D.
        units: their number, H.
        f0: the forget gate's value at the start, with ``init="published"``.
        options: ``layernorm``, ``init`` and ``seed``; see `Options`.

    Raises:
        ValueError: if f0 is not between 0 and 1 or a size is below 1.

    Example:
        >>> SLSTM(3, 4).state_size
        12

    Source: Beck et al. 2024, section 2.2 (arXiv 2405.04517).
    """

    names = "ifog"
    recurrent = ("U_i", "U_f", "U_o", "U_g")
    U_i: Tensor
    U_f: Tensor
    U_o: Tensor
    U_g: Tensor
    b_f: Tensor

    def __init__(
        self, inputs: int, units: int, *, f0: float = 0.95, **options: Unpack[Options]
    ) -> None:
        self._start = before_cap(f0)
        super().__init__(inputs, units, **options)

    def open_gate(self, generator: torch.Generator) -> None:
        self._fix("f", self._start)

    @property
    def state_size(self) -> int:
        return 3 * self.units

    @property
    def carried(self) -> slice:
        return slice(self.units, 2 * self.units)

    def pre_activations(self, h: Tensor, projected: Tensor) -> tuple[Tensor, ...]:
        """Return those of i, f, o and g."""
        return (projected + h @ self.recurrent_weight().T).chunk(4, dim=-1)

    def step_projected(self, state: Tensor, projected: Tensor) -> Tensor:
        h, s, n = state.chunk(3, dim=-1)
        i, f, o, a = self.pre_activations(h, projected)
        i, f = torch.exp(capped(i)[0]), torch.sigmoid(capped(f)[0])
        after = f * n + i
        s = (f * n * s + i * self.activation(a)) / after
        return torch.cat((torch.sigmoid(o) * s, s, after), dim=-1)

    def factors(self, states: Tensor, x: Tensor) -> dict[str, OuterProductFactor]:
        h = previous(states)[..., self.output]
        return self.gate_factors(x, dict.fromkeys(self.names, h))

    def derivatives(self, states: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        """Return those of s', n' and h' that `vjp` names, ``i/n' (1 - g^2)`` and a."""
        h, s, n = previous(states).chunk(3, dim=-1)
        _, mean, after = states.chunk(3, dim=-1)
        i, f, o, a = self.pre_activations(h, self.input_projection(x))
        (i, by_i), (f, by_f) = capped(i), capped(f)
        i, f, o = torch.exp(i), torch.sigmoid(f), torch.sigmoid(o)
        g = self.activation(a)
        n_by_i, n_by_f = i * by_i, n * f * (1 - f) * by_f
        return (
            f * n / after,
            o,
            n_by_i * (g - mean) / after,
            n_by_f * (s - mean) / after,
            mean * o * (1 - o),
            f * (s - mean) / after,
            f,
            n_by_i,
            n_by_f,
            i / after * (1 - g**2),
            a,
        )

    def vjp(self, adjoint: Tensor, local: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``U^T p`` on h, ``f n/n' m`` on s, ``f (s - s')/n' m + f l_n`` on n.

        ``m = l_s + o l_h``; ``p_i = i ((g - s') m/n' + l_n)``, ``p_f = n f' ((s - s')
        m/n' + l_n)``, both times the cap's derivative; ``p_o = s' o' l_h``, ``p_g =
        LN^T(i/n' (1 - g^2) m)``.
        """
        keep, o, by_i, by_f, by_o, by_n, f, n_by_i, n_by_f, by_g, *xhat = local.unbind(
            dim=-2
        )
        on_h, on_s, on_n = adjoint.chunk(3, dim=-1)
        m = on_s + o * on_h
        p_i, p_f = by_i * m + n_by_i * on_n, by_f * m + n_by_f * on_n
        p_g = normalise_vjp(by_g * m, xhat)
        p = torch.cat((p_i, p_f, by_o * on_h, p_g), dim=-1)
        back = p @ self.recurrent_weight(), keep * m, by_n * m + f * on_n
        return torch.cat(back, dim=-1), p

    def diagonal_jacobian(self, states: Tensor, x: Tensor) -> Steps:
        """Return leak ``f n/n'``, correction ``k_t o_{t-1}`` and exit o.

        ``k_t = ds_t/dh_{t-1}``, the sum of what reaches s' by U_i, U_f and U_g, and
        ``o_{-1} = 0``.
        """
        keep, o, by_i, by_f, *_, by_g, a = self.derivatives(states, x)
        own = self.own_derivative(a, self.U_g.diagonal(), lambda y: y @ self.U_g)
        k = by_f * self.U_f.diagonal() + by_i * self.U_i.diagonal() + by_g * own
        return Steps(leak=keep, correction=k * previous(o), exit=o)


@final
class MLSTM(Matrix, Scan):
    """An LSTM whose memory is a matrix of values by keys; its state is (y, C, n).

    ``q, k, v = W x + b``, ``i = exp(cap(W_i x + b_i))``, ``f = sigmoid(cap(W_f x +
    b_f))``, one i and one f for all units, ``o = sigmoid(W_o x + b_o)``; ``C' = f C + i
    v k'``, ``n' = f n + i k``, ``y' = o C' q / max(|n'.q|, 1)``, q over the root of
    its width. The publication's stabiliser m, which no y depends on, is replaced by
    ``cap(a) = 15 tanh(a/15)``. One head; gains lead from each C[q, j] to y[q].

    Args:
        inputs: their number, D.
        units: their number, H, the length of values.
        width: the length of keys.
        f0: the forget gate's value at the start, with ``init="published"``.
        options: ``init`` and ``seed``; see `Options`.

    Raises:
        ValueError: if f0 is not between 0 and 1, a size is below 1, or LayerNorm is
            asked for.

    Example:
        >>> MLSTM(3, 4, width=2).state_size
        14

    Source: Beck et al. 2024, section 2.3 (arXiv 2405.04517).
    """

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        width: int = 8,
        f0: float = 0.95,
        **options: Unpack[Options],
    ) -> None:
        self._start = before_cap(f0)
        super().__init__(inputs, units, width=width, **options)

    def open_gate(self, generator: torch.Generator) -> None:
        self._fix("f", self._start)
        self._fix("i", 0.0)

    @property
    def state_size(self) -> int:
        return self.units * (1 + self.width) + self.width

    def sections(self) -> tuple[Section, ...]:
        key, own, one = (self.width,), (self.units,), (1,)
        shapes = {"q": key, "k": key, "v": own, "i": one, "f": one, "o": own}
        return tuple(Section(name, shape) for name, shape in shapes.items())

    def memory(self, state: Tensor) -> Tensor:
        return state[..., self.units :]

    def parted(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return C and n."""
        own = self.units * self.width
        return self.rows(memory[..., :own]), memory[..., own:]

    def coefficients(self, projected: Tensor) -> tuple[Tensor, Tensor]:
        _, k, v, i, f, _ = self.parts(projected)
        i, f = torch.exp(capped(i)[0]), torch.sigmoid(capped(f)[0])
        added = torch.cat((outer(v, k).flatten(-2), k), dim=-1)
        return f.expand_as(added), i * added

    def read(self, memory: Tensor, projected: Tensor) -> tuple[Tensor, ...]:
        """Return o, q, ``n.q``, what divides, and the quotient."""
        q, *_, o = self.parts(projected)
        c, n = self.parted(memory)
        q = q / self.width**0.5
        found = (n * q).sum(dim=-1, keepdim=True)
        size = found.abs().clamp(min=1)
        return torch.sigmoid(o), q, found, size, times(c, q) / size

    def shown(self, memory: Tensor, projected: Tensor) -> Tensor:
        o, *_, quotient = self.read(memory, projected)
        return torch.cat((o * quotient, memory), dim=-1)

    def diagonal_jacobian(self, states: Tensor, x: Tensor) -> Steps:
        """Return the leak f, no correction, and ``e[q, j] = o[q] q[j] / max(..)``."""
        projected = self.input_projection(x)
        f = torch.sigmoid(capped(self.parts(projected)[4])[0])
        o, q, _, size, _ = self.read(self.memory(states), projected)
        exit_ = outer(o, q / size).flatten(-2)
        leak = f.expand_as(exit_)
        return Steps(leak, torch.zeros_like(leak), exit_)

    def pulled(
        self, adjoint: Tensor, before: Tensor, projected: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return ``f G`` on C, ``f g`` on n and nothing on y.

        With z the quotient, d what divides, ``e = l_y o/d``, ``w = -e.z sign(n'.q)``
        where ``|n'.q| > 1``: ``G = l_C + e q'``, ``g = l_n + w q``; ``p_q = C'' e + w
        n'``, ``p_v = i G k``, ``p_k = i (G' v + g)``, ``p_i = i (v.G k + g.k)``,
        ``p_f = f (1 - f) (<G, C> + g.n)``, both times the cap's derivative, ``p_o =
        l_y z o'``.
        """
        _, k, v, i, f, _ = self.parts(projected)
        (i, by_i), (f, by_f) = capped(i), capped(f)
        i, f = torch.exp(i), torch.sigmoid(f)
        a, b = self.coefficients(projected)
        memory = self.memory(before)
        o, q, found, size, quotient = self.read(a * memory + b, projected)
        (c, n), (last, past) = self.parted(a * memory + b), self.parted(memory)
        on_y = adjoint[..., : self.units]
        on_c, on_n = self.parted(self.memory(adjoint))
        e = on_y * o / size
        through = found.sign() * (found.abs() >= 1)
        w = -(e * quotient).sum(dim=-1, keepdim=True) * through
        by_c, by_key = on_c + outer(e, q), on_n + w * q
        read = times(by_c, k)
        told = (v * read).sum(-1, keepdim=True) + (by_key * k).sum(-1, keepdim=True)
        kept = (by_c * last).sum((-2, -1))[..., None]
        kept = kept + (by_key * past).sum(-1, keepdim=True)
        p = (
            (times_from_left(e, c) + w * n) / self.width**0.5,
            i * (times_from_left(v, by_c) + by_key),
            i * read,
            i * by_i * told,
            f * (1 - f) * by_f * kept,
            on_y * quotient * o * (1 - o),
        )
        on_memory = torch.cat((by_c.flatten(-2), by_key), dim=-1)
        state = torch.cat((torch.zeros_like(on_y), f * on_memory), dim=-1)
        return state, torch.cat(p, dim=-1)
