"""Makes the catalogue of a new server. Run by the interpreter of the server's own environment, with RUCIO_CONFIG set."""
from __future__ import annotations


def main() -> None:
    """Make the tables, the virtual organisation and the account root, each only where it is missing."""
    from rucio.db.sqla import models, util
    from rucio.db.sqla.session import get_engine, get_session
    from sqlalchemy import inspect, select

    if not inspect(get_engine()).has_table("alembic_version"):
        util.build_database()
    session = get_session()
    with session() as rows:
        organisation = rows.execute(select(models.VO)).first()
        account = rows.execute(select(models.Account)).first()
    if not organisation:
        util.create_base_vo()
    if not account:
        util.create_root_account()


if __name__ == "__main__":
    main()
