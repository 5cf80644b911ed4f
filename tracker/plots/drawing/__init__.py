"""What every kind of picture is drawn with: panels, places along axes, looks, styles."""
