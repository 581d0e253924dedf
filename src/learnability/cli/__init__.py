"""The command line: parse, one call, print; a module a command."""

from .app import app, call, main

__all__ = ["app", "call", "main"]
