"""Do noise and heavy-tailed lags spread the time scales of a trained network?"""
