"""Models of every supported kind, and batches for them."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import learnability as lw

STEPS, INPUTS, UNITS = 9, 3, 4


class Sequential(nn.Module):
    """A recurrent layer with a head at every step, or at the last."""

    def __init__(self, rnn, *, outputs=2, last=False, packed=False, final=False):
        super().__init__()
        self.rnn = rnn
        ways = 2 if rnn.bidirectional else 1
        self.head = nn.Linear(ways * rnn.hidden_size, outputs)
        self.last, self.packed, self.final = last, packed, final

    def forward(self, x, lengths=None):
        if self.packed:
            x = pack_padded_sequence(
                x, lengths, batch_first=self.rnn.batch_first, enforce_sorted=False
            )
        out, state = self.rnn(x)
        if self.final:
            h = state[0] if isinstance(state, tuple) else state
            return self.head(
                torch.cat([h[-1], h[0]], dim=-1)[:, : self.head.in_features]
            )
        if self.packed:
            out, _ = pad_packed_sequence(out, batch_first=self.rnn.batch_first)
        if self.last:
            out = out[:, -1] if self.rnn.batch_first else out[-1]
        return self.head(torch.tanh(out))


class Looped(nn.Module):
    """One or two cells called step by step."""

    def __init__(self, kind, layers=2, last=False):
        super().__init__()
        sizes = [INPUTS, *[UNITS] * layers]
        self.cells = nn.ModuleList(kind(a, b) for a, b in pairwise(sizes))
        self.head, self.last = nn.Linear(UNITS, 2), last

    def forward(self, x):
        states = [None] * len(self.cells)
        outputs = []
        for t in range(x.shape[1]):
            h = x[:, t]
            for k, cell in enumerate(self.cells):
                states[k] = cell(h, states[k])
                h = states[k][0] if isinstance(states[k], tuple) else states[k]
            outputs.append(torch.tanh(h))
        z = self.head(torch.stack(outputs, dim=1))
        return z[:, -1] if self.last else z


class Unrolled(nn.Module):
    """A cell of this package with a head of the model's own."""

    def __init__(self, cell):
        super().__init__()
        self.cell, self.head = cell, nn.Linear(cell.units, 2)

    def forward(self, x):
        states = lw.unroll(self.cell, x)
        return self.head(torch.tanh(states[..., self.cell.output]))


def weighted(model, seed=0, dtype=torch.float64):
    """Draw a model's weights anew, from a generator of its own."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(0.6 * torch.randn(p.shape, generator=generator))
    return model.to(dtype)


def draw(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
