"""Where pictures go: files, animations, a terminal, a window, and the numbers as CSV."""
