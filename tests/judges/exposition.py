"""Parses a page of metrics from standard input, and prints it as JSON.

The parser is Prometheus' Python client.

Usage: exposition.py text|openmetrics [gzip]
"""

import gzip
import json
import sys

from prometheus_client import parser
from prometheus_client.openmetrics import parser as strict

PARSERS = {"text": parser, "openmetrics": strict}


def sample(found):
    exemplar = found.exemplar and {
        "labels": found.exemplar.labels,
        "value": str(found.exemplar.value),
        "timestamp": str(found.exemplar.timestamp),
    }
    return {"name": found.name, "labels": found.labels, "value": str(found.value), "exemplar": exemplar}


def main():
    page = sys.stdin.buffer.read()
    if "gzip" in sys.argv[2:]:
        page = gzip.decompress(page)
    found = PARSERS[sys.argv[1]].text_string_to_metric_families(page.decode("utf-8"))
    families = [
        {
            "name": family.name,
            "type": family.type,
            "unit": family.unit,
            "help": family.documentation,
            "samples": [sample(s) for s in family.samples],
        }
        for family in found
    ]
    json.dump(families, sys.stdout)


main()
