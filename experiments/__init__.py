"""Evidence about the product, beside the wheel: claims and calibration."""
