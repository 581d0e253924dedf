"""Does what a verdict advises help? Trainings, and the same with one thing changed."""
