"""Text: sentences or running text in any language, learned as words, characters or bytes."""
