"""The command line: parse, one call, print; a module a command."""

from . import diagnose, results, study, theory
from .app import app
from .main import call, main

__all__ = [
    "app",
    "call",
    "diagnose",
    "main",
    "results",
    "study",
    "theory",
]
