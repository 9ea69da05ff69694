"""What the plugin is called."""

from typing import Final

NAME: Final = "gemini"
