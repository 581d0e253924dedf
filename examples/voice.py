"""The LSTM of a voice-activity detector: how far back does it listen?

Needs the weights in the silero-vad wheel: ``pip install --no-deps silero-vad`` (nothing
of the package is imported), and for the speech Debian's espeak-ng: ``apt-get install
espeak-ng``. Run ``python examples/voice.py``; it takes about a minute and writes
voice.png.
"""

import importlib.util
import shutil
import subprocess
import wave
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from safetensors.torch import load_file
from scipy.signal import resample_poly
from torch import Tensor, nn
from torch.nn import functional

import learnability as lw
from learnability.plots import draw, rendered
from learnability.summaries import summed

RATE, CHUNK, CONTEXT = 16_000, 512, 64  # samples a second, of a chunk, kept before it
CHUNKS, SOUNDS, SAYINGS = 96, 192, 120  # sounds of 3 s, made of so many sayings
WORDS = (
    "seven rivers carry little boats over quiet water while early morning birds sing "
    "about bread summer gardens winter stories and nobody remembers yesterday"
)


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


def spoken(random: np.random.Generator, folder: Path) -> np.ndarray:
    """Let espeak-ng say some words in some voice; 16,000 samples a second."""
    words = " ".join(random.choice(WORDS.split(), size=random.integers(2, 7)))
    voice = f"en+{random.choice(['m1', 'm3', 'm5', 'm7', 'f1', 'f2', 'f4'])}"
    pitch, speed = random.integers(25, 75), random.integers(130, 200)
    options = ["-v", voice, "-p", str(pitch), "-s", str(speed), "-w", folder / "said"]
    subprocess.run(["espeak-ng", *options, words], check=True, capture_output=True)
    with wave.open(str(folder / "said")) as file:
        rate = file.getframerate()
        said = np.frombuffer(file.readframes(file.getnframes()), np.int16) / 2**15
    return resample_poly(said, RATE, rate)


def sounds(random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Make speech with pauses in noise; and, for every chunk, whether there is any.

    Speech is where the clean sound's power, over 64 ms, is above a thousandth of that
    of the loudest place.
    """
    length = CHUNKS * CHUNK
    clean = np.zeros((SOUNDS, length))
    with TemporaryDirectory() as name:
        said = [spoken(random, Path(name)) for _ in range(SAYINGS)]
    for row in clean:
        at = int(random.exponential(0.4) * RATE)
        while at < length:
            one = said[random.integers(len(said))][: length - at]
            row[at : at + len(one)] = one
            at += len(one) + int(random.exponential(0.5) * RATE) + RATE // 10
    window = np.ones(2 * CHUNK) / (2 * CHUNK)
    power = np.stack([np.convolve(row**2, window, mode="same") for row in clean])
    there = power > power.max(axis=1, keepdims=True) / 1000
    by_chunk = there.reshape(SOUNDS, CHUNKS, CHUNK).mean(axis=-1) > 0.5
    sound = 0.5 * clean + 0.005 * random.normal(size=clean.shape)
    return (
        torch.tensor(sound, dtype=torch.float32),
        torch.tensor(by_chunk, dtype=torch.float32),
    )


def main() -> None:
    """Load, diagnose, draw."""
    model = Detector()
    model.load_state_dict(weights())
    if shutil.which("espeak-ng") is None:
        raise SystemExit("install the speaker: apt-get install espeak-ng")
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
    print(found.summary(full=True)[["envelope", "samples_needed", "samples_upper"]])
    print(*found.advice(), sep="\n")
    layers = summed({name: [one.tree] for name, one in found.items()})
    Path("voice.png").write_bytes(rendered(draw("envelope", layers), dpi=150))
    print("voice.png")


if __name__ == "__main__":
    main()
