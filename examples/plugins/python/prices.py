#!/usr/bin/env python3
"""A plug-in of lifeboat: says what another program writes into a text file.

Each line of the file is a series, its value and, if it is known, its time:

    ESZ6 5023.25 2026-11-28T08:00:00Z

Replace follow() by whatever the private source wants; the rest is the protocol
of docs/plugins.md and needs nothing but Python 3.8.
"""
import json
import sys
import threading
import time

HEARTBEAT = 15  # seconds; lifeboat starts a plug-in again that is silent for 60

speaking = threading.Lock()


def say(message):
    """One message is one line, and nothing else is ever printed."""
    with speaking:
        sys.stdout.write(json.dumps(message, separators=(",", ":")) + "\n")
        sys.stdout.flush()


def follow(path, series, stopped):
    """Says the file's lines about the series as they are written."""
    asked, place, part = set(series), 0, ""
    while not stopped.is_set():
        try:
            with open(path, encoding="utf-8") as file:
                file.seek(place)
                part += file.read()
                place = file.tell()
        except OSError as error:
            say({"error": {"message": f"the file cannot be read: {error.strerror}"}})
        *lines, part = part.split("\n")
        for line in lines:
            words = line.split()
            if len(words) < 2 or words[0] not in asked:
                continue
            reading = {"series": words[0], "value": words[1]}
            if len(words) > 2:
                reading["time"] = words[2]
            say({"reading": reading})
        stopped.wait(0.2)


def main(path):
    stopped = threading.Event()
    for line in sys.stdin:
        message = json.loads(line)
        if message["op"] == "hello":
            say({"hello": {"protocol": 1, "name": "prices.py", "version": "1"}})
        elif message["op"] == "subscribe":
            threading.Thread(target=follow, args=(path, message["series"], stopped), daemon=True).start()
            threading.Thread(target=beat, args=(stopped,), daemon=True).start()
        elif message["op"] == "stop":
            break
    stopped.set()  # also when lifeboat is gone, and nothing more comes


def beat(stopped):
    while not stopped.wait(HEARTBEAT):
        say({"heartbeat": {}})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: prices.py FILE", file=sys.stderr)
        sys.exit(2)
    main(sys.argv[1])
