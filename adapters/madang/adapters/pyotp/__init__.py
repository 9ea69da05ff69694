"""Codes by time for the second factor, and the picture that an authenticator reads; on pyotp and segno."""
