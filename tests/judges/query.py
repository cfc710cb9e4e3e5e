"""Runs the statements on standard input, a JSON list, with DuckDB in this folder, and prints the rows of each as JSON."""

import json
import sys

import duckdb

connection = duckdb.connect()
for statement in json.load(sys.stdin):
    print(json.dumps(connection.execute(statement).fetchall(), default=str))
