"""What zxcvbn knows of common passwords."""
