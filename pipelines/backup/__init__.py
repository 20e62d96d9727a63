"""Backup of a running cluster's ledger and store, and its restoration somewhere else.

A backup is itself a blob store, in a folder or a bucket:

    backup.json              `manifest.Manifest`; written last: without it there is no backup
    ledger/<table>.jsonl     a line that names the columns, then a line for each row
    index.jsonl              a line for each blob: `manifest.CopiedBlob`
    store/<key>              the blobs
"""
