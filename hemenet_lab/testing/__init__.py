"""Tests shipped to users: symmetry checks of encoders, and golden numbers of published layers."""
