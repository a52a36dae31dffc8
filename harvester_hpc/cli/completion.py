"""``completion``: the completion script of a shell."""
from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the completion script of SHELL (bash, zsh or fish).

    For bash: harvester-hpc completion bash > ~/.local/share/bash-completion/completions/harvester-hpc
    """
    from click.shell_completion import get_completion_class

    from harvester_hpc.cli.frame import PROGRAM, program

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(program, {}, PROGRAM, "_HARVESTER_HPC_COMPLETE").source())
