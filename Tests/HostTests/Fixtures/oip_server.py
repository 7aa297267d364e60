"""A server of the Open Inference Protocol in its plain form alone, as small as one can be: y = x + 1.

Prints its port, then serves until it is ended. Refuses the binary extension, as servers without it do.
"""
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, *_):
        pass

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def do_GET(self):
        tensor = {"datatype": "FP32", "shape": [-1, 4]}
        if self.path == "/v2/health/ready":
            self.answer(200, {})
        elif self.path == "/v2/models/plus":
            self.answer(200, {"name": "plus", "platform": "python", "inputs": [tensor | {"name": "x"}],
                              "outputs": [tensor | {"name": "y"}]})
        else:
            self.answer(404, {"error": "not here"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if "Inference-Header-Content-Length" in self.headers:
            return self.answer(400, {"error": "no binary data"})
        [x] = json.loads(body)["inputs"]
        y = x | {"name": "y", "data": [value + 1 for value in x["data"]]}
        self.answer(200, {"model_name": "plus", "outputs": [y]})


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
