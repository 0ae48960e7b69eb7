"""What the discriminator sees of few images: each in a new guise."""
