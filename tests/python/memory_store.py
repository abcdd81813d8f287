"""A store that threads share, as processes share theirs."""

from __future__ import annotations

import threading


class MemoryStore:
    """Keys and texts in memory, which threads share."""

    def __init__(self):
        self.texts = {}
        self._change = threading.Condition()

    def put(self, key, text):
        assert text.isascii(), "no store has to support more than ASCII"
        with self._change:
            self._change.notify_all()
            return self.texts.setdefault(key, text)

    def get(self, key, seconds):
        with self._change:
            self._change.wait_for(lambda: key in self.texts, timeout=seconds)
            return self.texts.get(key)

    def delete(self, folder, names):
        with self._change:
            for name in names:
                self.texts.pop(f"{folder}/{name}", None)
