"""One change to an example: at a place of nested data, or to its bytes. The draws come from whoever asks."""

DROP = object()
OPERATIONS = ("set", "set", "set", "drop", "rename", "insert", "copy", "wrap", "grow", "nudge")
BYTE_OPERATIONS = ("flip", "set", "drop", "repeat", "insert", "cut", "number", "splice")


def places(value, limit=4000):
    """Paths of everything in nested data, the whole first."""
    found, waiting = [], [()]
    values = {(): value}
    while waiting and len(found) < limit:
        path = waiting.pop()
        found.append(path)
        item = values.pop(path)
        inner = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list | tuple) else ()
        for key, child in inner:
            values[(*path, key)] = child
            waiting.append((*path, key))
    return found


def changed(value, path, operation, odd, other=()):
    """The value with one change at a path; only what leads there is copied. `other` is the path of `copy`."""
    if not path:
        return odd if operation == "set" else [value] if operation == "wrap" else value
    try:
        return _changed(value, path, operation, odd, _at(value, other) if operation == "copy" else None)
    except (LookupError, TypeError):  # an earlier change took the place away
        return value


def _at(value, path):
    for key in path:
        value = value[key]
    return value


def _changed(value, path, operation, odd, copied):
    head, rest = path[0], path[1:]
    made = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        made[head] = _changed(value[head], rest, operation, odd, copied)
    elif operation in ("set", "copy"):
        made[head] = odd if operation == "set" else copied
    elif operation == "drop":
        del made[head]
    elif operation == "wrap":
        made[head] = [made[head]]
    elif operation == "rename" and isinstance(made, dict):
        made = {(str(odd)[:400] if key == head else key): item for key, item in made.items()}
    elif operation == "insert":
        if isinstance(made, dict):
            made[str(odd)[:400]] = made[head]
        else:
            made.insert(head, odd)
    elif operation == "grow":
        made[head] = _grown(made[head])
    else:
        made[head] = _nudged(made[head])
    return tuple(made) if isinstance(value, tuple) else made


def _grown(item):
    if isinstance(item, str):
        return item * 50
    if isinstance(item, list | tuple):
        return [*item] * 50
    return item * 10**6 if isinstance(item, int | float) else item


def _nudged(item):
    if isinstance(item, bool):
        return not item
    if isinstance(item, int | float):
        return item + 1
    return item[:-1] if isinstance(item, str | list | tuple) else item


def changed_bytes(data, operation, start, length, odd, other=b""):
    """Bytes with one change at a place given as any number."""
    start %= len(data) + 1
    stop = min(start + length, len(data))
    if operation == "flip" and start < len(data):
        return data[:start] + bytes([data[start] ^ (1 << length % 8)]) + data[start + 1 :]
    if operation == "set":
        return data[:start] + odd[: stop - start] + data[start + len(odd[: stop - start]) :]
    if operation == "drop":
        return data[:start] + data[stop:]
    if operation == "repeat":
        return data[:stop] + data[start:stop] * 3 + data[stop:]
    if operation == "cut":
        return data[:start]
    if operation == "number":
        return data[:start] + length.to_bytes(4, "little") + data[start + 4 :]
    if operation == "splice":
        return data[:start] + other[start % (len(other) + 1) :]
    return data[:start] + odd + data[start:]
