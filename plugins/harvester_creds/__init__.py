"""Credentials: VOMS proxies, OIDC tokens, and files that others keep fresh."""
