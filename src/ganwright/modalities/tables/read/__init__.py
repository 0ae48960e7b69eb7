"""Files and frames to Arrow tables."""
