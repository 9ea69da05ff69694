"""Types of files by their content."""
