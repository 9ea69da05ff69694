"""Spans, sent by OTLP."""
