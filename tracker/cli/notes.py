"""`tag`, `note`: words on pipelines and runs."""

from typing import TYPE_CHECKING

import click

from tracker.cli.completion import complete_names
from tracker.cli.options import examples

if TYPE_CHECKING:
    from tracker.cli.app import App


@examples("labkeeper tag mlp baseline paper", "labkeeper tag mlp paper --remove")
@click.command()
@click.argument("name", shell_complete=complete_names)
@click.argument("tags", nargs=-1, required=True)
@click.option("--remove", is_flag=True, help="Take the tags off.")
@click.pass_obj
def tag(app: "App", name: str, tags: tuple[str, ...], *, remove: bool) -> None:
    """Put tags on a pipeline or a run."""
    from tracker.registry.details import find_named, tag_owner
    from tracker.registry.tags import add_tags, remove_tags

    change = remove_tags if remove else add_tags
    with app.lab.database.write() as session:
        change(session, tags, **tag_owner(find_named(session, name)))


@examples('labkeeper note mlp "the baseline of the paper"', 'labkeeper note mlp ""')
@click.command()
@click.argument("name", shell_complete=complete_names)
@click.argument("text")
@click.pass_obj
def note(app: "App", name: str, text: str) -> None:
    """Replace the note on a pipeline or a run; an empty one takes it away."""
    from tracker.registry.details import find_named

    with app.lab.database.write() as session:
        find_named(session, name).note = text or None
