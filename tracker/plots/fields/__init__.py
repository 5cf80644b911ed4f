"""Fields: what tells runs apart, where it stands in a picture, and what becomes of the rest."""
