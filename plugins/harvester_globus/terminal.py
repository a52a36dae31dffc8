"""A login at a terminal that needs no browser of this machine. Imports the SDK."""
from __future__ import annotations

import click
from globus_sdk.login_flows import CommandLineLoginFlowManager


class TerminalFlow(CommandLineLoginFlowManager):
    """Shows an address, and reads the code that Globus shows to whoever opens it."""

    def print_authorize_url(self, authorize_url: str) -> None:
        """Show the address."""
        click.echo(f"Open this address in a browser, on any machine, and log in:\n\n{authorize_url}\n")

    def prompt_for_code(self) -> str:
        """Read the code."""
        code: str = click.prompt("Code that Globus shows then", hide_input=False)
        return code.strip()
