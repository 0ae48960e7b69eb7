"""Series: channels of numbers over time, cut into windows."""
