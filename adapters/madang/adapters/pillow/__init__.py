"""Photos and renditions with the library Pillow."""
