"""The type checker that runs along with the tests: an int is a float here.

Only functions of arrays have axes whose names must agree; what else is called is spared
the search for them, and what is defined anew at every call is spared all other checks.
"""

import functools
import inspect
from dataclasses import is_dataclass
from types import CodeType
from typing import get_type_hints

import jaxtyping
from beartype import BeartypeConf, beartype


class WrongTypeError(TypeError):
    """What a function was given or gave is not what its annotations say."""


check = beartype(conf=BeartypeConf(is_pep484_tower=True, violation_type=WrongTypeError))
jaxtyped = jaxtyping.jaxtyped
own_axes = jaxtyped("context")  # in it names of axes have sizes of their own
_known: dict[tuple[str, str, CodeType], str | None] = {}


def sparing(*, typechecker):
    """Return a decorator that checks what `jaxtyping.jaxtyped` does, for less."""

    def checked(made):
        if isinstance(made, type):
            if is_dataclass(made):
                made.__init__ = checked(made.__init__)
            return made
        local = "<locals>" in made.__qualname__
        hints = _known_hints(made) if local else _hints(made)
        if hints is not None and "jaxtyping." not in hints:
            return made if local else typechecker(made)
        if hints is None or inspect.isgeneratorfunction(made):
            return jaxtyped(made, typechecker=typechecker)
        # Arguments and what is returned in one call; the other way needs two, and binds
        # arguments to their names, from which no axis here is computed.
        within = typechecker(made)

        @functools.wraps(made)
        def together(*args, **kwargs):
            with own_axes:
                return within(*args, **kwargs)

        return together

    return checked


def _hints(made) -> str | None:
    """Return a function's annotations as text; None where one cannot be read.

    That is so where it is imported only while types are checked before running.
    """
    try:
        return repr(get_type_hints(made))
    except NameError:
        return None


def _known_hints(made) -> str | None:
    """Return those of what is defined anew at every call, read only once."""
    key = made.__module__, made.__qualname__, made.__code__
    if key not in _known:
        _known[key] = _hints(made)
    return _known[key]
