"""The command that opens the app."""

from typing import Annotated

import typer

from dgm_engine import serving


def open_app(
    example: Annotated[bool, typer.Option("--example", help="Open on the example, 1,797 handwritten digits.")] = False,
    port: Annotated[
        int | None,
        typer.Option(metavar="P", min=1, max=65535, help="Where it answers; the first free port from 8501 without it."),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Leave it to you to open the address.")] = False,
) -> None:
    """Open the app in the browser. Ctrl-C stops it; trainings at work go on."""
    serving.serve(port=port, example=example, browser=not no_browser)
