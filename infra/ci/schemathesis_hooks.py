"""What a caller does and no schema says: each request has an Idempotency-Key of its own."""

import itertools

import schemathesis

_numbers = itertools.count(1)


@schemathesis.hook
def before_call(context, case, kwargs):
    name = next((name for name in case.headers or {} if name.lower() == "idempotency-key"), None)
    # A malformed one is what is being tried.
    if name is not None and case.headers[name] and case.headers[name].isascii() and case.headers[name].isprintable():
        case.headers[name] = f"schemathesis-{next(_numbers)}"
