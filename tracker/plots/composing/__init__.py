"""Putting panels together: their grid, their axes, one legend."""
