"""A guest book on Flask: an app, which opens its own port, unlike a function."""
import os
import signal
import sys

from flask import Flask, jsonify, request
from waitress import serve

app = Flask(__name__)
guests = []


@app.get("/")
def index():
    return "Guests: %s\n" % (", ".join(guests) or "nobody yet")


@app.post("/guests")
def add():
    guests.append(request.get_json()["name"])
    return jsonify(guests=guests), 201


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    serve(app, host="0.0.0.0", port=int(os.environ["PORT"]))
