"""The book's figures, in one style."""
