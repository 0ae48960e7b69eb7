"""What an image is to a measure."""
