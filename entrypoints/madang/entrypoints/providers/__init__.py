"""Providers in this process: which serves what, guarded and counted."""
