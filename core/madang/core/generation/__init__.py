"""Prompts, structured output and the use of AI models."""
