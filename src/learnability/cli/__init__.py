"""The command line: parse, one call, print; a module a command."""

from . import claims, diagnose, study, theory
from .app import app
from .main import main

__all__ = ["app", "claims", "diagnose", "main", "study", "theory"]
