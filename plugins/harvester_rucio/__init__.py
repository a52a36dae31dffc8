"""Staging over Rucio: replicas are downloaded, outputs uploaded or registered, rules waited for."""
