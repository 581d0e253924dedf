"""Diagnosing PyTorch models as they are."""
