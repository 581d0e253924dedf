"""What N(l) needs of a `Network` with squared loss, from lags or other features."""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from learnability.evidence.inputs import input_probes, shifted
from learnability.evidence.probe import ProbeStatistics, probe_gradients, summed_up
from learnability.evidence.sample import Sample
from learnability.grid import checked_lags
from learnability.tasks import Sequences
from learnability.unroll import Network


def network_sample(network: Network, data: Sequences) -> Sample:
    """Return a network on some sequences, its loss ``(1/2T) sum_t (yhat_t - y_t)^2``.

    Args:
        network: cell and read-out.
        data: inputs and targets.
    """
    x, cell = data.x, network.cell
    with torch.no_grad():
        states = network.states(x)
        axis = states.new_zeros(cell.state_size)
        axis[cell.output] = network.w_out
        error = (network.read(states) - data.y) / x.shape[1]
        asked = -_apart(data.y) / x.shape[1]
    lengths = torch.full((len(x),), x.shape[1])
    delta, target = error[..., None] * axis, asked[..., None] * axis
    every = torch.ones(x.shape[:2], dtype=torch.bool)
    one = torch.arange(len(x))
    return Sample(cell, x, states, lengths, delta, target, every, one, axis)


def _apart(y: Float[Tensor, "sequence step"]) -> Float[Tensor, "sequence step"]:
    """Return what targets are beyond what all others have at the step."""
    return (y - y.mean(dim=0)) * (len(y) / max(1, len(y) - 1))


def probe_statistics(
    network: Network,
    data: Sequences,
    lags: Iterable[int],
    *,
    direction: Float[Tensor, "input"] | None = None,
    compiled: bool = True,
) -> ProbeStatistics:
    """Return what N(l) needs of a network with squared loss, at some lags.

    Args:
        network: the network, at the weights of interest.
        data: inputs and targets.
        lags: lags in steps, from 1.
        direction: u of the probe; None averages over the axes of the whitened inputs.
        compiled: whether to use the compiled engine where it knows the cell.

    Raises:
        ValueError: if a lag does not fit or there are fewer than 4 sequences.
    """
    chosen = checked_lags(lags, data.x.shape[1])
    every = torch.ones(data.x.shape[:2], dtype=torch.bool)
    signals = input_probes([(data.x, every)], direction).signals(data.x)
    past = torch.cat([shifted(signals, lag) for lag in chosen])
    target = torch.stack(
        [
            (shifted(signals, lag) * _apart(data.y)).sum(dim=-1)
            / (data.x.shape[1] - lag)
            for lag in chosen
        ]
    )
    return _of_features(network, data, past, chosen, target, compiled)


def feature_statistics(
    network: Network,
    data: Sequences,
    features: Float[Tensor, "feature sequence step"],
) -> ProbeStatistics:
    """Return what N needs for any features of the past in place of lags.

    Args:
        network: the network, at the weights of interest.
        data: inputs and targets.
        features: ``phi_k(t)``, each in place of ``u . x_{t-l}``.

    Raises:
        ValueError: if there are fewer than 4 sequences.
    """
    target = (features * _apart(data.y)).mean(dim=-1)[:, None]
    places = list(range(len(features)))
    return _of_features(network, data, features, places, target, True)


def _of_features(
    network: Network,
    data: Sequences,
    features: Float[Tensor, "row sequence step"],
    lags: Sequence[int],
    target: Tensor,
    compiled: bool,
) -> ProbeStatistics:
    if len(data) < 4:
        raise ValueError(f"{len(data)} sequences are too few to split; give at least 4")
    sample = network_sample(network, data)
    assert sample.read_out is not None  # a network has one

    def weights(own: Sample, place: slice, rows: slice) -> Tensor:
        return features[rows, place].movedim(0, 1) / data.x.shape[1]

    kinds = [0] * len(features)
    found = probe_gradients(
        lambda: [sample],
        len(data),
        weights,
        sample.read_out[None],
        kinds,
        compiled=compiled,
    )
    return summed_up(found, lags, target.double().numpy())
