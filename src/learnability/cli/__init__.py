"""The command line: parse, one call, print; a module a command."""

from . import study, theory
from .app import app
from .main import main

__all__ = ["app", "main", "study", "theory"]
