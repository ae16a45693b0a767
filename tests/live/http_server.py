#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""An HTTP server for events: http_server.py FILE PORTFILE CODES

Appends what it takes to FILE. CODES, with commas between, are what it answers
one request after the other; the last one holds for all further ones.
"""
import gzip
import http.server
import os
import sys

out, portfile, codes = sys.argv[1], sys.argv[2], [int(c) for c in sys.argv[3].split(",")]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        code = codes[0] if len(codes) == 1 else codes.pop(0)
        if code == 200:
            with open(out, "ab") as f:
                f.write(body)
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(portfile + ".new", "w") as f:
    f.write(str(server.server_address[1]))
os.rename(portfile + ".new", portfile)
server.serve_forever()
