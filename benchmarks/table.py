"""The README's speed table, made of latest.json."""

from collections.abc import Mapping
from typing import Any

SIZES = ((64, 64), (64, 128), (512, 128))
CELLS = ("ConstGate", "SharedGate", "DiagGate", "GRU", "LSTM")
TITLES = {
    **{
        f"train-{cell}-{b}-{h}": (
            f"{cell}, forward and backward, B {b}, H {h}",
            "reference engine",
        )
        for cell in CELLS
        for b, h in SIZES
    },
    **{
        f"layer-{cell}-64-{h}": (f"{cell} without LayerNorm, B 64, H {h}", f"`{layer}`")
        for cell, layer in (("TorchGRU", "torch.nn.GRU"), ("LSTM", "torch.nn.LSTM"))
        for h in (64, 128)
    },
    **{
        f"tangent-{cell}-64-64": (f"{cell}, tangent, B 64, H 64", "`torch.func.jvp`")
        for cell in ("DiagGate", "GRU")
    },
    "sweep": (
        "exact sweep, 256 sequences x 4 anchors x 256 lags, GRU H 128",
        "largest product rate",
    ),
}


def markdown(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Give the table of the rows in latest.json, by name."""
    lines = [
        "| work (float32, T 512, D 16) | here | other side | which | ratio | untuned |",
        "|---|---|---|---|---|---|",
    ]
    for name, (work, other) in TITLES.items():
        row = rows[name]
        sides = (f"{row[side]:.4g} {row['unit']}" for side in ("ours", "theirs"))
        ours, theirs = sides
        ratio, untuned = row["ratio"], row.get("untuned")
        plain = "" if untuned is None else f"{untuned:.3g}"
        lines.append(
            f"| {work} | {ours} | {theirs} | {other} | {ratio:.3g} | {plain} |"
        )
    return "\n".join(lines)
