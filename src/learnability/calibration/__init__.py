"""How far to trust each window: predicted against realised ones."""
