"""Files of an existing PanDA Harvester, and what becomes of them here."""
