"""Solapi (CoolSMS): text messages within Korea and abroad."""
