"""What a model or its data have that cannot be diagnosed."""


class Refusal(ValueError):
    """One sentence that names what is wrong and what to do about it."""


class LayerRefusal(Refusal):
    """What one module has that its equation does not say.

    The model can be diagnosed without knowing it: see `modules`.

    Args:
        path: the module's name.
        sentence: what is wrong and what to do about it.
    """

    def __init__(self, path: str, sentence: str) -> None:
        super().__init__(sentence)
        self.path = path
