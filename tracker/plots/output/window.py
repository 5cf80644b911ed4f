"""Showing a picture in a window."""

from matplotlib.figure import Figure

from tracker.errors import InvalidError


def show_figure(figure: Figure) -> None:
    """Opens a window, and returns when it is closed.

    InvalidError where matplotlib has no way to open one: no screen, or no toolkit.
    """
    import matplotlib as mpl  # noqa: PLC0415 - with pyplot, which only windows need
    from matplotlib import pyplot as plt  # noqa: PLC0415 - as above
    from matplotlib.backends.registry import BackendFilter, backend_registry  # noqa: PLC0415 - as above

    backend = plt.get_backend()
    silent = backend_registry.list_builtin(BackendFilter.NON_INTERACTIVE)  # type: ignore[no-untyped-call]
    if backend.lower() in map(str.lower, silent):
        raise InvalidError(
            f"No window can be opened here: matplotlib draws with {backend!r}. "
            "Write the picture into a file: -o FILE."
        )
    window = plt.figure(figsize=figure.get_size_inches())
    # The window's canvas takes our figure; pyplot keeps the window.
    canvas = window.canvas
    canvas.figure = figure
    figure.set_canvas(canvas)
    with mpl.rc_context():
        plt.show(block=True)
    plt.close(window)
