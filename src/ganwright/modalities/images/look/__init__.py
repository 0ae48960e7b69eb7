"""Images in a report."""
