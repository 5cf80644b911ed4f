"""How the parts of this room tell each other what is wrong, before the path is known."""


class UnreadableError(Exception):
    """Bytes that nobody wrote who followed the format. `read_file` adds the path."""


class UntrustedError(UnreadableError):
    """An estimator that may only be rebuilt from a file that is trusted."""
