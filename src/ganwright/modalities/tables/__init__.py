"""Tables: files and frames to columns, columns to choices, and back."""
