"""`transfer`: pipelines, runs and sweeps from lab to lab."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracker.cli.asking import confirm
from tracker.cli.cells import counted
from tracker.cli.completion import complete_names
from tracker.cli.options import examples, form_options, one_of, record_option

if TYPE_CHECKING:
    from tracker.cli.app import App
    from tracker.cli.output import Form
    from tracker.lab.transferring import Rule

_FILE = click.Path(path_type=Path)


_RULES = {
    "rename": "Give what is taken another name: mlp-2.",
    "skip": "Leave what is taken out.",
    "replace": "Put what has the name here into the trash.",
}


def _harmless(text: str) -> str:
    """The text without what a terminal would obey."""
    return "".join(
        letter if letter in "\n\t" or letter.isprintable() else repr(letter)[1:-1]
        for letter in text
    )


@click.group()
def transfer() -> None:
    """Take pipelines, runs and sweeps from lab to lab, in one file."""


@examples(
    "labkeeper transfer export mlp cnn -o digits.bundle",
    'labkeeper transfer export --pipelines "best(val_loss) < 0.3" -o good.bundle',
    "labkeeper transfer export --all --move -o everything.bundle",
)
@transfer.command("export")
@click.argument("names", nargs=-1, shell_complete=complete_names)
@click.option("-o", "--output", required=True, type=_FILE, help="The file to write; a new one.")
@click.option("--pipelines", metavar="FILTER", help="Every pipeline that it describes.")
@click.option("--runs", metavar="FILTER", help="Every run that it describes.")
@click.option("--all", "everything", is_flag=True, help="Everything that is not in the trash.")
@click.option("--no-checkpoints", is_flag=True, help="Leave the checkpoints behind.")
@click.option("--sources", is_flag=True, help="With the source files of the components.")
@click.option("--move", is_flag=True, help="Delete the originals once the file is known whole.")
@click.option("--yes", is_flag=True, help="Do not ask before deleting.")
@click.pass_obj
def export(
    app: "App",
    /,
    names: tuple[str, ...],
    output: Path,
    *,
    no_checkpoints: bool,
    move: bool,
    yes: bool,
    **choice: Any,
) -> None:
    """Write pipelines, runs and sweeps, with all that belongs to them, into one file.

    A pipeline comes with its runs, a run with its pipeline, a sweep with the runs of its trials;
    each with its history, checkpoints, artifacts, and the record of environment and data.
    """
    if move:
        confirm("This would delete the originals once the file is written.", yes=yes)
    done = app.lab.export_bundle(
        output, *names, checkpoints=not no_checkpoints, move=move, **choice
    )
    held = done.contents
    parts = [
        counted(len(held.pipelines), "pipeline"),
        counted(held.runs, "run"),
        counted(len(held.sweeps), "sweep"),
        counted(done.files, "file"),
    ]
    moved = " The originals are deleted." if move else ""
    click.echo(f"Wrote {', '.join(parts)} ({done.bytes / 1e6:.1f} MB) to {done.path}.{moved}")


@examples(
    "labkeeper transfer import digits.bundle",
    "labkeeper transfer import digits.bundle --rename --trust",
)
@transfer.command("import")
@click.argument("bundle", type=_FILE)
@one_of("rule", _RULES)
@click.option("--trust", is_flag=True, help="Load scikit-learn estimators of any type from it.")
@click.option("--sources", "directory", type=_FILE, help="Write the components' source here.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@form_options
@click.pass_obj
def import_(
    app: "App",
    bundle: Path,
    rule: "Rule | None",
    directory: Path | None,
    *,
    trust: bool,
    dry_run: bool,
    form: "Form | None",
) -> None:
    """Take in everything in BUNDLE that is not here yet, or nothing.

    The same bundle twice changes nothing. A name that is taken by something else is refused,
    unless one of --rename, --skip and --replace says what to do. Nothing in a bundle is executed.
    """
    from tracker.cli.output import Table, write_table

    done = app.lab.import_bundle(bundle, taken=rule or "refuse", trust=trust, dry_run=dry_run)
    rows = [(change.kind, change.name, change.fate.value, change.here) for change in done.changes]
    write_table(Table(["kind", "name", "fate", "here"], rows), form, empty="It holds nothing.")
    from tracker.cli.app import say

    if dry_run:
        say("Nothing was changed.")
    elif directory is not None:
        from tracker.transfer.components import unpack_sources

        written = unpack_sources(app.lab.look_inside_bundle(bundle).sources, directory)
        say(f"Wrote {counted(len(written), 'source file')} to {directory}.")


@examples(
    "labkeeper transfer show digits.bundle", "labkeeper transfer show digits.bundle --sources"
)
@transfer.command()
@click.argument("bundle", type=_FILE)
@click.option("--files", is_flag=True, help="List every entry, with size and hash.")
@click.option("--sources", is_flag=True, help="Show the components' source.")
@record_option
def show(bundle: Path, *, files: bool, sources: bool, as_json: bool) -> None:
    """Look inside BUNDLE, and compare every entry with its hash. Nothing is taken in."""
    from tracker.cli.output import Table, write_pairs, write_record, write_table
    from tracker.transfer import look_inside

    inside = look_inside(bundle)
    facts = {"bundle": inside.path, "schema": inside.schema, **inside.contents._asdict()}
    facts["entries"] = len(inside.entries)
    facts["bytes"] = sum(entry.bytes for entry in inside.entries)
    if as_json:
        write_record(facts | {"files": [entry._asdict() for entry in inside.entries]})
        return
    for place, text in inside.sources.items() if sources else ():
        click.echo(f"# {place}\n{_harmless(text)}")
    if files:
        write_table(Table(["name", "bytes", "sha256"], inside.entries))
    if not files and not sources:
        write_pairs(facts)


@examples("labkeeper transfer trust mlp")
@transfer.command()
@click.argument("names", nargs=-1, required=True, shell_complete=complete_names)
@click.pass_obj
def trust(app: "App", names: tuple[str, ...]) -> None:
    """Load scikit-learn estimators of any type from what came in bundles under these names.

    Rebuilding such an estimator can run code of whoever wrote the bundle.
    """
    click.echo(f"Trusted {counted(app.lab.trust(*names), 'file')} more.")
