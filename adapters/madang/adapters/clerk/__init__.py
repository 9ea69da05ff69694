"""Sign-in at a foreign issuer: Clerk, or any other whose tokens are JSON Web Tokens with published keys (OpenID Connect)."""
