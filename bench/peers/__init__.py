"""The same read and the same jobs, written by other means."""
