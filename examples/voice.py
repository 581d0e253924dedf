"""The LSTM of a voice-activity detector: how far back does it listen?

Needs the weights in the silero-vad wheel: ``pip install --no-deps silero-vad`` (nothing
of the package is imported). There is no speech to be had offline, so the sounds are
synthetic: voiced bursts, harmonics of a gliding pitch in syllables, with pauses between
them, in noise. Run ``python examples/voice.py``; it takes about a minute and writes
voice.png.
"""

import importlib.util
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

import learnability as lw
from learnability.plots import draw_all

RATE, CHUNK, CONTEXT = 16_000, 512, 64  # samples a second, of a chunk, kept before it
CHUNKS, SOUNDS = 96, 192  # 3 s each


class Detector(nn.Module):
    """The detector's network: a spectrum, four convolutions, an LSTM, a logit."""

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 258, 256, stride=128, bias=False)
        self.conv1 = nn.Conv1d(129, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, 128, 3, padding=1)
        self.lstm_cell = nn.LSTMCell(128, 128)
        self.final_conv = nn.Conv1d(128, 1, 1)

    def features(self, sound: Tensor) -> Tensor:
        """Give the LSTM's input of every chunk; (sequence, chunk, feature)."""
        padded = functional.pad(sound, (CONTEXT, 0))
        chunks = padded.unfold(1, CHUNK + CONTEXT, CHUNK)
        flat = functional.pad(chunks.flatten(0, 1)[:, None], (0, 64), "reflect")
        spectrum = self.stft_conv(flat)
        h = torch.sqrt(spectrum[:, :129] ** 2 + spectrum[:, 129:] ** 2)
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            h = torch.relu(conv(h))
        return h[..., 0].unflatten(0, (len(sound), -1))

    def forward(self, sound: Tensor) -> Tensor:
        state, logits = None, []
        for x in self.features(sound).unbind(dim=1):
            state = self.lstm_cell(x, state)
            h = torch.relu(state[0])[..., None]
            logits.append(self.final_conv(h)[:, 0, 0])
        return torch.stack(logits, dim=1)


def weights() -> dict[str, Tensor]:
    """Find the weights in the installed wheel, without importing it."""
    found = importlib.util.find_spec("silero_vad")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("install the weights: pip install --no-deps silero-vad")
    folder = Path(found.submodule_search_locations[0])
    return load_file(folder / "data" / "silero_vad_16k.safetensors")


def sounds(random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Make sounds and, for every chunk, whether most of it is voiced."""
    length = CHUNKS * CHUNK
    time = np.arange(length) / RATE
    sound = 0.01 * random.normal(size=(SOUNDS, length))
    voiced = np.zeros((SOUNDS, length))
    for n in range(SOUNDS):
        at = int(random.exponential(0.4) * RATE)
        while at < length:
            stop = min(length, at + int(random.uniform(0.3, 1.2) * RATE))
            voiced[n, at:stop] = 1
            at = stop + int(random.exponential(0.5) * RATE) + RATE // 10
        pitch = random.uniform(90, 220) * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * time))
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        syllables = 0.55 + 0.45 * np.sin(2 * np.pi * random.uniform(3, 5) * time)
        formants = random.uniform([400, 1000, 2200], [800, 1700, 2900])
        tone = np.zeros(length)
        for k in range(1, 25):
            peak = np.exp(-(((k * pitch.mean() - formants) / 180) ** 2)).sum()
            tone += (peak + 0.02) * np.sin(k * phase)
        sound[n] += 0.15 * voiced[n] * syllables * tone / np.abs(tone).max()
    by_chunk = voiced.reshape(SOUNDS, CHUNKS, CHUNK).mean(axis=-1) > 0.5
    return (
        torch.tensor(sound, dtype=torch.float32),
        torch.tensor(by_chunk, dtype=torch.float32),
    )


def main() -> None:
    """Load, diagnose, draw."""
    model = Detector()
    model.load_state_dict(weights())
    sound, voiced = sounds(np.random.default_rng(0))
    with torch.no_grad():
        right = ((model(sound) > 0).float() == voiced).float().mean()
    print(f"{right:.1%} of {voiced.numel()} chunks of 32 ms are told rightly")
    lags = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]
    found = lw.diagnose(
        model,
        (sound, voiced),
        functional.binary_cross_entropy_with_logits,
        lags,
        seed=0,
    )
    print(found.summary()[["envelope", "samples_needed", "samples_upper"]])
    print(*found.advice(), sep="\n")
    for name, figure in draw_all(found):
        if name == "envelope":
            figure.savefig("voice.png")
    print("voice.png")


if __name__ == "__main__":
    main()
