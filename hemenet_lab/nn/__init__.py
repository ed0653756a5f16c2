"""Small building blocks that several encoders share."""
