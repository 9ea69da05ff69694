"""Sentences that people read, by code, in Korean and English."""
