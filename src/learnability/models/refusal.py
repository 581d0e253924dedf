"""What a model or its data have that cannot be diagnosed."""


class Refusal(ValueError):
    """One sentence that names what is wrong and what to do about it."""
