"""Counts: wide sparse matrices of whole numbers, such as how often each word is in a document."""
