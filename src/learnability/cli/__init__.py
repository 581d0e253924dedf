"""The command line: parse, one call, print; a module a command."""

from . import calibrate, claims, results, study, theory
from .app import app
from .main import main

__all__ = ["app", "calibrate", "claims", "main", "results", "study", "theory"]
