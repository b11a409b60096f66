"""Serves one text."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def serve(text: str, port: int = 8000) -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Requests are not worth a line."""

    print(f"listening on port {port}")
    ThreadingHTTPServer(("", port), Page).serve_forever()
