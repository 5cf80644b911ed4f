"""Every code block in README.md and docs/ runs, in order, in an empty directory of its page.

```python               runs; the blocks of a page share their names
```text output          is what the block above it prints, where `...` stands for any text;
                        so is ```mermaid output, which readers see as a diagram
```console              each `$ command` runs; output below it, if given, must match,
                        where `...` stands for any text
```yaml title=mlp.yaml  is written to that file; so is any block with a title
```text, ```mermaid     are not code
"""

import contextlib
import contextvars
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from engine.context import ExperimentContext

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(?P<info>[^\n`]+)\n(?P<body>.*?)^```\s*$", re.MULTILINE | re.DOTALL)
MATCH = doctest.OutputChecker().check_output
LOOSELY = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Block(NamedTuple):
    language: str
    title: str | None
    is_output: bool
    body: str
    line: int


def blocks(page):
    text = page.read_text()
    for fence in FENCE.finditer(text):
        language, _, rest = fence["info"].strip().partition(" ")
        title = re.fullmatch(r"title=(\S+)", rest.strip())
        line = text.count("\n", 0, fence.start()) + 2
        is_output = rest.strip() == "output"
        yield Block(language, title and title[1], is_output, fence["body"], line)


def run_python(block, page, names):
    """Runs the block; what it printed."""
    # Blank lines before it make the page's own line numbers appear in a traceback.
    source = "\n" * (block.line - 1) + block.body
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(source, str(page), "exec"), names)  # noqa: S102 - the page's code is ours
    return printed.getvalue()


def run_console(block, page):
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "120",
        "OMP_NUM_THREADS": "1",
    }
    for number, part in enumerate(re.split(r"^\$ ", block.body, flags=re.MULTILINE)):
        if number == 0:
            assert not part.strip(), f"{page}:{block.line}: output without a `$ command`"
            continue
        command, _, expected = part.partition("\n")
        done = subprocess.run(
            shlex.split(command, comments=True),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        place = f"{page.name}:{block.line}: $ {command}\n{done.stdout}{done.stderr}"
        refusal = expected.startswith("Error: ")
        assert done.returncode == (1 if refusal else 0), place
        if expected.strip():
            shown = done.stderr if refusal else done.stdout
            assert MATCH(expected, shown, LOOSELY), f"{place}\nexpected:\n{expected}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    names = {"__name__": "__main__"}
    # A reader begins each page in a new process, where no label is taken.
    ExperimentContext().make_active()
    context = contextvars.copy_context()
    printed = ""

    for block in blocks(page):
        if block.title:
            Path(block.title).write_text(block.body)
        elif block.is_output:
            place = f"{page.name}:{block.line}: the block above printed\n{printed}"
            assert MATCH(block.body, printed, LOOSELY), f"{place}\nexpected:\n{block.body}"
        elif block.language == "python":
            printed = context.run(run_python, block, page, names)
        elif block.language == "console":
            run_console(block, page)
        else:
            place = f"{page.name}:{block.line}"
            assert block.language in {"text", "mermaid"}, f"{place}: how does {block} run?"


LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(?:#([^)\s]+))?\)")


def anchors(page):
    """What the headings of a page are called in links, as GitHub makes it of them."""
    prose = FENCE.sub("", page.read_text())
    titles = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    plain = [re.sub(r"\[(.*?)\]\(.*?\)", r"\1", title).strip().lower() for title in titles]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    lost = []
    for link, anchor in LINK.findall(FENCE.sub("", page.read_text())):
        target = page.parent / link if link else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(f"{link}#{anchor}" if anchor else link)

    assert lost == []


def test_a_heading_is_linked_by_its_words(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A `title`: of *one*\n\n## Stop-and-go\n\n```python\n# no heading\n```\n")

    assert anchors(page) == {"a-title-of-one", "stop-and-go"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_page_is_reached(page):
    """Nobody finds a page that no other one leads to."""
    leading = [
        (other.parent / link).resolve()
        for other in PAGES
        if other != page
        for link, _ in LINK.findall(other.read_text())
        if link
    ]

    assert page == ROOT / "README.md" or page in leading
