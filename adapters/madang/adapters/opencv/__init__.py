"""Faces found by OpenCV, on this machine."""
