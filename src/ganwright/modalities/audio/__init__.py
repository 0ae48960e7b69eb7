"""Sounds: recordings read, learned as spectrograms, and written as .wav."""
