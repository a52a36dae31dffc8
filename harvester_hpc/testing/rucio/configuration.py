"""The configuration files of a server."""
from __future__ import annotations

import secrets
from pathlib import Path

from harvester_hpc.testing.rucio.layout import ROOT, Layout

CLIENT = """\
[client]
rucio_host = {url}
auth_host = {url}
auth_type = userpass
username = root
password = {password}
account = root
auth_token_file_path = {folder}/tokens/root
[policy]
permission = generic
schema = generic
lfn2pfn_algorithm_default = hash
support = none
support_rucio = none
[common]
logdir = {folder}/log
loglevel = INFO
mailtemplatedir = {environment}/rucio/etc/mail_templates
"""

# Empty identities: with none given, the server makes some that are publicly known, for root.
SERVER = """\
[database]
default = {database}
[bootstrap]
userpass_identity = root
userpass_pwd = {password}
userpass_email = root@localhost
x509_identity =
x509_email =
gss_identity =
gss_email =
ssh_identity =
ssh_email =
[alembic]
cfg = {folder}/etc/alembic.ini
[cache]
url = 127.0.0.1:1
[conveyor]
scheme = file
transfertool = mock
"""

# The sections on logging have to be there: the making of the tables reads them.
ALEMBIC = """\
[alembic]
script_location = {migrations}
sqlalchemy.url = {database}
[loggers]
keys = root
[handlers]
keys = console
[formatters]
keys = plain
[logger_root]
level = WARN
handlers = console
[handler_console]
class = StreamHandler
args = (sys.stderr,)
formatter = plain
[formatter_plain]
format = %(levelname)s %(name)s %(message)s
"""

FOLDERS = ("etc", "log", "run", "disks", "scratch", "tokens")


def write_files(layout: Layout, environment: Path) -> None:
    """Write what the server and its first client read; passwords are made once."""
    layout.folder.chmod(0o700)
    for name in FOLDERS:
        (layout.folder / name).mkdir(exist_ok=True)
    for name in (ROOT, *layout.accounts):
        file = layout.account(name).password_file
        if not file.exists():
            file.touch(0o600)
            file.write_text(secrets.token_hex(16))
    migrations = next(environment.glob("lib/python3*/site-packages/rucio/db/sqla/migrate_repo"))
    words = {
        "url": layout.url, "folder": layout.folder, "environment": environment, "database": layout.database, "migrations": migrations,
        "password": layout.account(ROOT).password_file.read_text(),
    }
    _write(layout.client_file, CLIENT.format(**words))
    _write(layout.server_file, (CLIENT + SERVER).format(**words))
    _write(layout.folder / "etc/alembic.ini", ALEMBIC.format(**words))


def _write(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text)
