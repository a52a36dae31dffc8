"""The frame of every command: global options, commands loaded when they are called, errors in three lines."""
from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from harvester_hpc.cli.exits import Exit, exit_code_of
from harvester_hpc.cli.instance import Instance
from harvester_hpc.errors import ConfigurationError, HarvesterError, PluginMissing, did_you_mean

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

PROGRAM = "harvester-hpc"

#: {command: what it does}, in the order of the help; each has a module of its name in this package.
COMMANDS: Mapping[str, str] = {
    "init": "Make a new instance: its folder, harvester.json and state folder.",
    "run": "Run the instance in this terminal; --once does one bounded round.",
    "start": "Start the instance in the background.",
    "stop": "Stop the instance, from any login node; batch jobs go on.",
    "status": "Tell what there is, what goes on and what does not work.",
    "submit": "Hand in jobs.",
    "jobs": "List jobs, or show one.",
    "workers": "List workers, or show one.",
    "transfers": "List batches of files on their way, or show one.",
    "logs": "Show the logs of a worker or a job.",
    "commands": "List what the instance was told to do.",
    "dialogs": "List what an operator far away is told.",
    "explain": "Tell the arithmetic of a queue, or what a job or a worker waits for.",
    "kill": "Kill jobs or workers.",
    "retry": "Make new attempts of jobs that ended without success.",
    "credentials": "List credentials with the time that is left, or renew some.",
    "config": "Check or show the configuration.",
    "site": "List, show, find, check or make the files that describe computing centres.",
    "store": "Check, copy, bring up to date or shrink the store.",
    "demo": "Run real jobs through the whole pipeline in a fresh folder.",
    "completion": "Print the completion script of a shell.",
    "version": "Print the version.",
}


#: Entry points of commands that plugins bring; each is a click command, and its context object is an Instance.
GROUP = "harvester_hpc.cli"


def brought() -> Mapping[str, EntryPoint]:
    """Return the commands that plugins bring, by name; reads the disk, and imports none of them."""
    from harvester_hpc.plugin_classes import installed

    found = {one.name: one for one in installed() if one.group == GROUP and one.name not in COMMANDS}
    return dict(sorted(found.items()))


def _loaded(entry_point: EntryPoint) -> click.Command:
    try:
        command: click.Command = entry_point.load()
    except Exception as error:  # a module may raise anything while it is imported
        why = f"{type(error).__name__}: {error}"
        raise PluginMissing(f"the command {entry_point.name!r} cannot be imported", why=why) from error
    return command


class Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help."""
        return [*COMMANDS, *brought()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; None if there is no such one."""
        if cmd_name not in COMMANDS:
            entry_point = brought().get(cmd_name)
            return None if entry_point is None else _loaded(entry_point)
        command: click.Command = import_module(f"harvester_hpc.cli.{cmd_name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant; an unknown one is answered with the nearest."""
        word = args[0]
        if word not in COMMANDS and not word.startswith("-"):
            known = brought()
            if word not in known:
                raise click.UsageError(f"no command {word!r}{did_you_mean(word, [*COMMANDS, *known])}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands; of ours none is imported."""
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items(), *((name, _about(one)) for name, one in brought().items())])


def _about(entry_point: EntryPoint) -> str:
    try:
        return _loaded(entry_point).get_short_help_str(100)
    except PluginMissing as error:
        return f"({error.why})"


_NO_SPACE, _NO_PERMISSION = "free some space or quota there", "look at the permissions of the file and its folder"
#: {errno: what to do} for a file that cannot be used.
REMEDIES: Mapping[int, str] = {
    errno.EROFS: "its file system is mounted read-only: look at the disk, or move the instance to another one",
    errno.ENOSPC: _NO_SPACE,
    errno.EDQUOT: _NO_SPACE,
    errno.EACCES: _NO_PERMISSION,
    errno.EPERM: _NO_PERMISSION,
    errno.ESTALE: "the file server has forgotten the folder: leave it, enter it again and try once more",
    errno.EIO: "look at the disk or the file server; `harvester-hpc store check` tries the state folder",
}

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 120}
HOME = "Folder of the instance; by default $HARVESTER_HPC_HOME, the nearest harvester.json, ~/.harvester_hpc."


@click.group(cls=Commands, context_settings=SETTINGS, epilog="Exit codes: docs/operations.md.")
@click.option("--home", metavar="DIR", help=HOME)
@click.option("--debug", is_flag=True, help="Show where an error comes from.")
@click.pass_context
def program(context: click.Context, home: str | None, debug: bool) -> None:
    """Edge job manager for supercomputers: from the workload management system through the batch system and back."""
    context.obj = Instance(home_option=home, environ=os.environ)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; return the exit code. Never raises but for a defect under ``--debug``."""
    debug = "--debug" in _global_options(arguments)
    try:
        answer: Any = program.main(list(arguments), prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return Exit.USAGE
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # whoever read has had enough (head, less): what is still buffered goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except HarvesterError as error:
        return _told(error, debug)
    except OSError as error:
        what = f"{error.filename or 'the system'}: {error.strerror or error}"
        return _told(HarvesterError(what, remedy=REMEDIES.get(error.errno or 0, "")), debug)
    except Exception as error:
        if debug:
            raise
        defect = HarvesterError(
            f"{type(error).__name__}: {error}", why="this is a defect of harvester_hpc",
            remedy=f"run it again as `{PROGRAM} --debug ...` and report the trace",
        )
        return _told(defect, debug)
    return int(answer or 0)


def _global_options(arguments: Sequence[str]) -> Sequence[str]:
    """Return what stands before the command."""
    for number, word in enumerate(arguments):
        if word in COMMANDS:
            return arguments[:number]
    return arguments


def _told(error: HarvesterError, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exception(error)
    _say(f"error: {error.what or error}")
    problems = error.problems if isinstance(error, ConfigurationError) else ()
    for line in problems or ([error.why] if error.why else []):
        _say(f"  {line}" if problems else f"why: {line}")
    if error.remedy:
        _say(f"what to do: {error.remedy}")
    return exit_code_of(error)


def _say(line: str) -> None:
    click.echo(line, err=True)
