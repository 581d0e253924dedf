"""Say before the training what will be learnt: the third round stated in advance."""
