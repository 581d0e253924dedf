"""Measure how far back in time a recurrent network can learn."""
