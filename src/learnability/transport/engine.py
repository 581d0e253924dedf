"""Which of the two ways a computation goes."""

from typing import Literal

Engine = Literal["auto", "reference", "compiled"]
"""``reference`` is PyTorch on any device; ``compiled`` a CPU in float32 or float64.

``auto`` takes the compiled one where it can do what is asked.
"""
