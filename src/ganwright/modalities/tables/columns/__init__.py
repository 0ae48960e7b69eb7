"""What a column is: its kind, its axis, how its values are written."""
