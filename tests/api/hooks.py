"""Leads requests to objects that are there, and keeps these there."""

import re
import zlib

import schemathesis

# Of the store as tests/api/run seeds it.
THERE = {"project": "default", "environment": "development", "variation": "on", "segment": "beta-testers"}
FEATURE, CANARY = "feature.new-dashboard", "canary.new-payment-processor"
# What the examples create, to be deleted again.
MADE = {"project": "shop", "environment": "qa", "key": "page.size"}

KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def there(name, path):
    if name in ("flag", "key") and "/targets/" not in path:
        return CANARY if "/canary" in path else FEATURE
    return THERE.get(name)


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    if not path_parameters:
        return path_parameters
    operation = context.operation
    mapped = dict(path_parameters)
    for name, value in path_parameters.items():
        # What is no key at all stays: it has to be refused.
        if not isinstance(value, str) or not KEY.fullmatch(value):
            continue
        # One key of eight stays too: it names nothing.
        if there(name, operation.path) and zlib.crc32(value.encode()) % 8:
            mapped[name] = there(name, operation.path)
    last = operation.path.rsplit("/", 1)[-1].strip("{}")
    if operation.method.upper() == "DELETE" and last in MADE and mapped.get(last) in (
        "default", "development", "staging", "production", FEATURE, CANARY,
    ):
        mapped[last] = MADE[last]
    return mapped


@schemathesis.hook
def map_headers(context, headers):
    # Other requests have changed the version since.
    if headers and str(headers.get("If-Match", "")).startswith('"'):
        return {**headers, "If-Match": "*"}
    return headers
