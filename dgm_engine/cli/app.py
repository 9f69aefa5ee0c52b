"""The program ``dgm``: its commands in the order in which its help lists them, and how a command line ends."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from dgm_engine import __version__
from dgm_engine.cli import export, labelling, projects, reproduction, results, serving, training
from dgm_engine.errors import DgmError, in_words

app = typer.Typer(
    help="Turn a pile of mostly unlabelled images into named classes and a trained classifier.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"dgm {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


_COMMANDS = (
    *(projects.new, projects.info),
    *(training.train, training.runs, training.use),
    *(labelling.clusters, labelling.name, labelling.label, labelling.labels, labelling.suggest),
    *(results.evaluate, results.figures),
    *(export.export, export.predict),
    reproduction.reproduce,
)
app.command("app")(serving.open_app)
for _command in _COMMANDS:
    app.command()(_command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command line and exits: 0 after success, 2 with one line on stderr where something cannot be done."""
    try:
        given = sys.argv[1:] if arguments is None else list(arguments)
        code = app(given or ["--help"], prog_name="dgm", standalone_mode=False)
    except BrokenPipeError:  # whoever read our output has had enough: "dgm ... | head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (DgmError, OSError) as error:
        _fail(in_words(error))
    except typer.TyperException as error:
        _fail(_usage(error))
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    sys.exit(code or 0)


def _fail(message: str) -> NoReturn:
    typer.echo(f"dgm: {' '.join(message.split())}", err=True)
    sys.exit(2)


def _usage(error: typer.TyperException) -> str:
    """What was wrong with the command line, and where to read what it takes."""
    context = getattr(error, "ctx", None)
    return error.format_message().rstrip(".") + f"; see {context.command_path if context else 'dgm'} --help"
