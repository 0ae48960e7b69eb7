"""A toy modality, to prove that one more touches nothing of the core: waves of 16 numbers, a line each."""
