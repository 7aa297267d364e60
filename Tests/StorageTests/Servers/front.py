"""An HTTP server in front of a store: judges each request, remembers it, and does what goes wrong on the way.

Control, beside the store's own paths:
  PUT /_faults    a JSON list; each fault is met by the next requests that it fits
  PUT /_clock     seconds by which this server's clock is ahead
  GET /_requests  what was asked, with the judge's verdict

A fault: {"method", "path" (regular expression), "skip" requests, "count" requests, "kind", ...}
  status    answers "status" with "code", and "retry_after", instead of asking the store
  reset     breaks the connection after "bytes" of the body
  truncate  ends the connection in order, but early
  corrupt   changes the byte at "bytes" of the body
  lose      asks the store and breaks the connection instead of answering
  slow      sends "bytes" a second
  late      takes up the request "seconds" after it has come
  stall     says nothing until the client goes away
"""
import email.utils
import json
import os
import re
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body
        parts = urlsplit(target)
        self.raw_path, self.raw_query = parts.path, parts.query
        self.path = unquote(parts.path)
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))


class Answer:
    def __init__(self, status, headers=None, body=b""):
        self.status, self.headers, self.body = status, dict(headers or {}), body

    @staticmethod
    def error(status, code, message="", headers=None):
        text = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
        return Answer(status, {"Content-Type": "application/xml", "x-ms-error-code": code, **(headers or {})},
                      text.encode())


class Front:
    """`judge` returns an Answer that refuses, or None; `serve` asks the store."""

    def __init__(self, judge, serve):
        self.judge, self.serve = judge, serve
        self.lock = threading.Lock()
        self.faults, self.requests, self.clock = [], [], 0

    def now(self):
        return time.time() + self.clock

    def fault_of(self, request):
        with self.lock:
            for fault in self.faults:
                if fault["count"] == 0 or fault.get("method", request.method) != request.method:
                    continue
                if not re.search(fault.get("path", ""), unquote(request.target)):
                    continue
                if fault.get("skip", 0) > 0:
                    fault["skip"] -= 1
                    continue
                fault["count"] -= 1
                return fault
        return None

    def control(self, request):
        if request.path == "/_faults":
            self.faults = [{"count": 1, **fault} for fault in json.loads(request.body)]
        elif request.path == "/_clock":
            self.clock = int(request.body)
        elif request.path == "/_requests":
            with self.lock:
                return Answer(200, {}, json.dumps(self.requests).encode())
        else:
            return None
        return Answer(200)

    def answer(self, request):
        """The answer and the fault that its way back meets."""
        fault = self.fault_of(request)
        if fault and fault["kind"] == "late":
            time.sleep(fault["seconds"])
        verdict = self.judge(request)
        with self.lock:
            self.requests.append({
                "method": request.method, "target": request.target, "headers": dict(request.headers.items()),
                "byteCount": len(request.body), "refusal": verdict.body.decode() if verdict else None,
                "fault": fault["kind"] if fault else None})
        if fault and fault["kind"] == "status":
            headers = {"Retry-After": str(fault["retry_after"])} if "retry_after" in fault else {}
            return Answer.error(fault["status"], fault.get("code", "Error"), headers=headers), None
        return verdict or self.serve(request), fault

    def run(self, ready=lambda port: None, tls=None):
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 64 * 1024

            def date_time_string(self, timestamp=None):
                return email.utils.formatdate(front.now(), usegmt=True)

            def handle_expect_100(self):
                result = super().handle_expect_100()
                # Else it would wait for the answer, and the client for it.
                self.wfile.flush()
                return result

            def log_message(self, *arguments):
                pass

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = Request(self.command, self.path, self.headers, body)
                answer, fault = front.control(request), None
                if answer is None:
                    answer, fault = front.answer(request)
                self.send(request, answer, fault or {"kind": None})

            def send(self, request, answer, fault):
                if fault["kind"] == "stall":
                    self.rfile.read(1)
                    self.close_connection = True
                    return
                if fault["kind"] == "lose":
                    return self.break_off()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    if name.lower() not in ("date", "server", "connection", "content-length", "transfer-encoding"):
                        self.send_header(name, value)
                named = {name.lower(): value for name, value in answer.headers.items()}
                length = named.get("content-length") if request.method == "HEAD" else None
                self.send_header("Content-Length", length or str(len(answer.body)))
                self.end_headers()
                body = b"" if request.method == "HEAD" else answer.body
                count = int(fault.get("bytes", 0))
                if fault["kind"] == "corrupt" and count < len(body):
                    body = body[:count] + bytes([body[count] ^ 1]) + body[count + 1:]
                if fault["kind"] in ("reset", "truncate"):
                    self.wfile.write(body[:count])
                    self.wfile.flush()
                    if fault["kind"] == "reset":
                        return self.break_off()
                    self.close_connection = True
                    return
                if fault["kind"] == "slow":
                    for start in range(0, len(body), max(count // 10, 1)):
                        self.wfile.write(body[start:start + max(count // 10, 1)])
                        self.wfile.flush()
                        time.sleep(0.1)
                    return
                self.wfile.write(body)

            def break_off(self):
                # Lets what was written arrive; the end is a reset.
                if sys.platform == "linux":
                    end = time.monotonic() + 1
                    while time.monotonic() < end and unsent(self.connection):
                        time.sleep(0.001)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                os.close(self.connection.detach())

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request, address):
                # A client that goes away is no news; anything else is.
                if not isinstance(sys.exc_info()[1], (ConnectionError, OSError, ValueError)):
                    super().handle_error(request, address)

            def shutdown_request(self, request):
                if request.fileno() >= 0:
                    super().shutdown_request(request)

        server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
        ready(server.server_address[1])
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        print(f"ADDRESS {'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()


def unsent(connection):
    import fcntl
    import termios
    return struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0\0\0\0"))[0]


def end_with(parent):
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)
