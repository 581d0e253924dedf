"""Time scales of units to their envelope."""

import numpy as np
import pytest

from learnability.detection import decay, spectrum

LAGS = np.arange(0.0, 400.0)


def test_units_are_an_average():
    one = spectrum.envelope_of_units([10.0, 200.0], LAGS)
    expected = decay.TwoExponentials(0.5, 10.0, 200.0).value(LAGS)
    np.testing.assert_allclose(one, expected)


def test_a_unit_needs_a_time_scale():
    with pytest.raises(ValueError, match="time_scales must be positive"):
        spectrum.envelope_of_units([10.0, 0.0], LAGS)
