"""What happens to a text before an engine reads it: tidied, checked, put into words, cut."""
