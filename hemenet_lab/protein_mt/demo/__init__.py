"""The embedded default data: small synthetic proteins in the public raw formats."""
