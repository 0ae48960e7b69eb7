"""What a trained model is for, one file a use."""
