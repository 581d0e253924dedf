"""The type checker that runs along with the tests: an int is a float here.

Only functions of arrays have axes whose names must agree; what else is called is spared
the search for them, and what is defined anew at every call is spared all checks.
"""

import inspect
from dataclasses import is_dataclass
from typing import get_type_hints

import jaxtyping
from beartype import BeartypeConf, beartype


class WrongTypeError(TypeError):
    """What a function was given or gave is not what its annotations say."""


check = beartype(conf=BeartypeConf(is_pep484_tower=True, violation_type=WrongTypeError))
jaxtyped = jaxtyping.jaxtyped


def sparing(*, typechecker):
    """Return a decorator that checks what `jaxtyping.jaxtyped` does, for less."""

    def checked(made):
        if isinstance(made, type):
            if is_dataclass(made):
                made.__init__ = checked(made.__init__)
            return made
        try:
            hints = get_type_hints(made)
        except NameError:  # imported only where types are checked before running
            hints = None
        if hints is None or inspect.isgeneratorfunction(made):
            return jaxtyped(made, typechecker=typechecker)
        if "jaxtyping." in repr(hints):
            # Arguments and what is returned in one call; the other way needs two.
            return jaxtyped(typechecker(made), typechecker=None)
        return made if "<locals>" in made.__qualname__ else typechecker(made)

    return checked
