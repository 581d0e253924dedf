"""PyTorch models as they are: what each layer does, and what the loss asks of it."""
