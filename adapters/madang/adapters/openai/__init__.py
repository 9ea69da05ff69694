"""Text and pictures through OpenAI's API, and text through any server that speaks it."""
