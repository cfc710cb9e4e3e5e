"""Runs SQL statements with DuckDB, and prints the rows of each as JSON.

The statements are a JSON list on standard input.
"""

import json
import sys

import duckdb

connection = duckdb.connect()
for statement in json.load(sys.stdin):
    print(json.dumps(connection.execute(statement).fetchall(), default=str))
