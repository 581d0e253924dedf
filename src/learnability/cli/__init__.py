"""The command line: parse, one call, print; a module a command."""

from . import calibrate, claims, diagnose, results, study, theory
from .app import app
from .main import main

__all__ = [
    "app",
    "calibrate",
    "claims",
    "diagnose",
    "main",
    "results",
    "study",
    "theory",
]
