"""A server on this machine that speaks the chat part of the OpenAI API, with its faults."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = str | int | Callable[[dict[str, Any]], str]


@dataclass
class ChatServer:
    """Replies in turn: a text, a status (429, 500, …), ``broken`` JSON; then ``always``."""

    url: str = ""
    replies: list[Reply] = field(default_factory=list)
    always: Reply = '{"pKd": 6.0}'
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    tokens: tuple[int, int] = (100, 10)


@contextmanager
def chatting() -> Iterator[ChatServer]:
    """A running server; it is stopped at the end, whatever happens."""
    state = ChatServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.requests.append(json.loads(body))
            state.headers.append(dict(self.headers))
            reply = state.replies.pop(0) if state.replies else state.always
            if isinstance(reply, int):
                words = "maximum context length is 10 tokens" if reply == 400 else "no"
                self._send(reply, json.dumps({"error": {"message": words}}).encode())
                return
            text = reply if isinstance(reply, str) else reply(state.requests[-1])
            if text == "broken":
                self._send(200, b'{"choices": [')
                return
            content = {
                "id": "1",
                "object": "chat.completion",
                "created": 0,
                "model": state.requests[-1]["model"],
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "stop",
                        "message": {"role": "assistant", "content": text},
                    }
                ],
                "usage": {
                    "prompt_tokens": state.tokens[0],
                    "completion_tokens": state.tokens[1],
                    "total_tokens": sum(state.tokens),
                },
            }
            self._send(200, json.dumps(content).encode())

        def _send(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if status in (429, 500):
                self.send_header("retry-after-ms", "1")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
