"""Azure Blob Storage in memory, behind a judge: azure-storage-blob, Azure's own client, signs again and compares.

azure_blobs.py ACCOUNT KEY CONTAINER FOLDER: writes sas, a shared access signature, into FOLDER.
"""
import base64
import datetime
import hashlib
import sys
import uuid
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.rest import HttpRequest
from azure.storage.blob import generate_container_sas
from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy

from front import Answer, Front

# What metadata.py gives out.
METADATA_TOKEN = "metadata-token"


class Blob:
    def __init__(self, content, meta):
        self.content, self.meta, self.tag = content, meta, f'"{uuid.uuid4()}"'


class Azure:
    def __init__(self, account, key, container, folder):
        self.account, self.key, self.container = account, key, container
        self.blobs, self.blocks = {}, {}
        expiry = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
        sas = generate_container_sas(account, container, account_key=key, permission="racwdl", expiry=expiry)
        self.sas = dict(parse_qsl(sas))
        with open(f"{folder}/sas", "w") as file:
            file.write(sas)

    def judge(self, request):
        if not request.headers.get("x-ms-version"):
            return Answer.error(400, "MissingRequiredHeader")
        digest = base64.b64encode(hashlib.md5(request.body).digest()).decode()
        if request.headers.get("content-md5", digest) != digest:
            return Answer.error(400, "Md5Mismatch")
        authorization = request.headers.get("Authorization", "")
        if "sig" in request.query:
            fits = all(request.query.get(name) == value for name, value in self.sas.items())
            return None if fits else Answer.error(403, "AuthenticationFailed", "Signature did not match.")
        if authorization.startswith("Bearer "):
            fits = authorization == f"Bearer {METADATA_TOKEN}"
            return None if fits else Answer.error(401, "InvalidAuthenticationInfo")
        date = request.headers.get("x-ms-date")
        if not date or abs(parsedate_to_datetime(date).timestamp() - front.now()) > 15 * 60:
            return Answer.error(403, "AuthenticationFailed", "Request date header too old.")
        if any(name.lower() == "range" for name in request.headers):
            return Answer.error(400, "UnsupportedHeader", "The judge signs no plain range.")
        names = [name for name in request.headers if name.lower() not in ("authorization", "host", "expect", "accept")]
        again = HttpRequest(request.method, f"http://{request.headers['Host']}{request.target}",
                            headers={name.lower(): request.headers[name] for name in names})
        SharedKeyCredentialPolicy(self.account, self.key).on_request(PipelineRequest(again, PipelineContext(None)))
        if again.headers["Authorization"] != authorization:
            return Answer.error(403, "AuthenticationFailed", "The MAC signature is not the same.")
        return None

    def serve(self, request):
        path = request.path.removeprefix(f"/{self.account}/{self.container}")
        if path == "" and request.query.get("comp") == "list":
            return self.list(request.query)
        name = path.removeprefix("/")
        return getattr(self, request.method.lower())(request, name)

    def put(self, request, name):
        comp = request.query.get("comp")
        meta = {key.lower(): value for key, value in request.headers.items() if key.lower().startswith("x-ms-meta-")}
        if comp == "block":
            self.blocks[name, request.query["blockid"]] = request.body
        elif comp == "blocklist":
            ids = [element.text for element in ElementTree.fromstring(request.body)]
            if any((name, id) not in self.blocks for id in ids):
                return Answer.error(400, "InvalidBlockList")
            self.blobs[name] = Blob(b"".join(self.blocks[name, id] for id in ids), meta)
            # They are committed now; sent again, the list still names them.
        elif request.headers.get("x-ms-blob-type") == "BlockBlob":
            self.blobs[name] = Blob(request.body, meta)
        else:
            return Answer.error(400, "MissingRequiredHeader")
        return Answer(201)

    def get(self, request, name):
        blob = self.blobs.get(name)
        if not blob:
            return Answer.error(404, "BlobNotFound")
        if request.headers.get("if-match", blob.tag) != blob.tag:
            return Answer.error(412, "ConditionNotMet")
        headers = {"ETag": blob.tag, **blob.meta}
        wanted = request.headers.get("x-ms-range") or request.headers.get("range")
        if not wanted:
            return Answer(200, headers, blob.content)
        first, last = wanted.removeprefix("bytes=").split("-")
        content = blob.content[int(first):int(last) + 1 if last else None]
        if not content:
            return Answer.error(416, "InvalidRange")
        headers["Content-Range"] = f"bytes {first}-{int(first) + len(content) - 1}/{len(blob.content)}"
        return Answer(206, headers, content)

    def head(self, request, name):
        blob = self.blobs.get(name)
        if not blob:
            return Answer(404, {"x-ms-error-code": "BlobNotFound"})
        return Answer(200, {"ETag": blob.tag, "Content-Length": str(len(blob.content)), **blob.meta})

    def delete(self, request, name):
        return Answer(202) if self.blobs.pop(name, None) else Answer.error(404, "BlobNotFound")

    def list(self, query):
        names = sorted(name for name in self.blobs if name.startswith(query["prefix"]))
        start = int(query.get("marker") or 0)
        page = names[start:start + 3]
        rows = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><Content-Length>{len(self.blobs[name].content)}"
            "</Content-Length></Properties></Blob>" for name in page)
        marker = str(start + 3) if len(names) > start + 3 else ""
        body = ('<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="x">'
                f"<Blobs>{rows}</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>")
        return Answer(200, {"Content-Type": "application/xml"}, body.encode())


if __name__ == "__main__":
    azure = Azure(*sys.argv[1:])
    front = Front(azure.judge, azure.serve)
    front.run()
