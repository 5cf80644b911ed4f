"""`tag`, `note`, `rename`, `mark`, `unmark`: words on pipelines and runs, one or many at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from tracker.cli.choosing import Change, Meant, carry_out, several_options
from tracker.cli.completion import complete_names
from tracker.cli.options import examples

if TYPE_CHECKING:
    from tracker.cli.app import App

_NAMES = click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_names)


@examples(
    "labkeeper tag mlp baseline paper",
    "labkeeper tag mlp paper --remove",
    'labkeeper tag --runs "best(val_loss) < 0.1" good --dry-run',
)
@click.command()
@click.argument(
    "words", nargs=-1, required=True, metavar="[NAME] TAG...", shell_complete=complete_names
)
@click.option("--remove", is_flag=True, help="Take the tags off.")
@several_options
@click.pass_obj
def tag(app: "App", /, words: tuple[str, ...], *, remove: bool, **options: Any) -> None:
    """Put tags on a pipeline or a run, or on all that a filter describes."""
    from tracker.registry.labelling import tag as put_tags
    from tracker.registry.labelling import tags_of

    meant, tags = _split(words, least="NAME and TAG", **options)
    add, gone = ((), tags) if remove else (tags, ())

    def plan(session: Any, owners: Any) -> Sequence[list[str]]:
        return [sorted({*had, *add} - set(gone)) for had in tags_of(session, owners)]

    verb = "Take tags off" if remove else "Tag"
    change = Change(
        verb, "tags", plan, lambda session, owners: put_tags(session, owners, add, gone)
    )
    carry_out(app, meant, change)


@examples(
    'labkeeper note mlp "the baseline of the paper"',
    'labkeeper note mlp ""',
    'labkeeper note --runs "status == \'failed\'" "ran out of memory"',
)
@click.command()
@click.argument(
    "words", nargs=-1, required=True, metavar="[NAME] TEXT", shell_complete=complete_names
)
@several_options
@click.pass_obj
def note(app: "App", /, words: tuple[str, ...], **options: Any) -> None:
    """Replace the note on a pipeline or a run; an empty one takes it away."""
    from tracker.registry.labelling import write_note

    meant, (text, *more) = _split(words, least="NAME and TEXT", **options)
    if more:
        raise click.UsageError("The text of a note is one argument; put it in quotes.")
    change = Change(
        "Replace the note of",
        "note",
        lambda _, owners: [text or None] * len(owners),
        lambda _, owners: write_note(owners, text),
    )
    carry_out(app, meant, change)


@examples(
    "labkeeper rename mlp baseline",
    'labkeeper rename --runs "experiment == \'digits\'" "mlp-{lr}-{seed}" --dry-run',
)
@click.command()
@click.argument(
    "words", nargs=-1, required=True, metavar="[NAME] NEW", shell_complete=complete_names
)
@several_options
@click.pass_obj
def rename(app: "App", /, words: tuple[str, ...], **options: Any) -> None:
    """Give a pipeline or a run another name.

    Of several, chosen by a filter, NEW has in braces what tells them apart: a parameter, a column
    or any expression, as in mlp-{lr}. A pipeline that is running keeps its name.
    """
    from tracker.registry.labelling import new_names
    from tracker.registry.labelling import rename as give_names

    meant, (new, *more) = _split(words, least="NAME and NEW", **options)
    if more:
        raise click.UsageError("One new name at a time; choose several by a filter.")

    def names(session: Any, owners: Any) -> list[str]:
        return [new] if meant.names else new_names(session, owners, new)

    change = Change(
        "Rename",
        "new name",
        names,
        lambda session, owners: give_names(session, owners, names(session, owners)),
    )
    carry_out(app, meant, change)


@examples("labkeeper mark mlp", "labkeeper runs \"'favourite' in tags\"")
@click.command()
@_NAMES
@several_options
@click.pass_obj
def mark(app: "App", /, names: tuple[str, ...], **options: Any) -> None:
    """Mark pipelines or runs as favourites: with the tag `favourite`."""
    _mark(app, names, favourite=True, **options)


@examples("labkeeper unmark mlp", 'labkeeper unmark --pipelines "archived is None" --yes')
@click.command()
@_NAMES
@several_options
@click.pass_obj
def unmark(app: "App", /, names: tuple[str, ...], **options: Any) -> None:
    """Take pipelines or runs out of the favourites."""
    _mark(app, names, favourite=False, **options)


def _mark(app: "App", names: Sequence[str], *, favourite: bool, **options: Any) -> None:
    from tracker.registry.labelling import FAVOURITE
    from tracker.registry.labelling import tag as put_tags

    add, gone = ([FAVOURITE], []) if favourite else ([], [FAVOURITE])
    change = Change(
        "Mark" if favourite else "Unmark",
        "favourite",
        lambda _, owners: [favourite] * len(owners),
        lambda session, owners: put_tags(session, owners, add, gone),
    )
    carry_out(app, _meant(names, **options), change)


def _split(words: Sequence[str], *, least: str, **options: Any) -> tuple[Meant, Sequence[str]]:
    """The first word is a name, unless a filter says which are meant."""
    if options["pipelines"] is not None or options["runs"] is not None:
        return _meant((), **options), words
    if len(words) < 2:
        raise click.UsageError(f"{least} are needed, or --runs FILTER in place of the name.")
    return _meant(words[:1], **options), words[1:]


def _meant(names: Sequence[str], **options: Any) -> Meant:
    if not names and options["pipelines"] is None and options["runs"] is None:
        raise click.UsageError("Name pipelines or runs, or describe them: --pipelines, --runs.")
    return Meant(names, **options)
