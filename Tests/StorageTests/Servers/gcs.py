"""Google Cloud Storage's XML interface: moto's S3, whose protocol it has, behind Google's names and a judge.

HMAC keys are judged by botocore, as Google takes AWS's signatures; service accounts by google-auth; tokens by having
been given out. A body without a right MD5 or signature is refused.

gcs.py KEY_ID SECRET BUCKET FOLDER: writes account.json, a service account's key, into FOLDER.
"""
import base64
import datetime
import hashlib
import json
import sys

import google.auth._helpers
import google.auth.jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from front import Answer, Front
from s3 import Bucket

EMAIL = "tests@stadion.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
# What metadata.py gives out.
METADATA_TOKEN = "metadata-token"


class Google:
    def __init__(self, key_id, secret, bucket, folder):
        self.bucket = Bucket(key_id, secret, "auto", bucket)
        self.folder = folder
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.public = self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.tokens = {METADATA_TOKEN}
        self.given = 0

    def write_account(self, port):
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.token_uri = f"http://127.0.0.1:{port}/token"
        with open(f"{self.folder}/account.json", "w") as file:
            json.dump({"type": "service_account", "client_email": EMAIL, "private_key": pem.decode(),
                       "private_key_id": "key-1", "token_uri": self.token_uri}, file)

    def judge(self, request):
        if request.path == "/token":
            return None
        authorization = request.headers.get("Authorization", "")
        if not authorization.startswith("Bearer "):
            return self.bucket.judge(request, front.now())
        if authorization.removeprefix("Bearer ") not in self.tokens:
            return Answer.error(401, "AuthenticationRequired", "Authentication required.")
        if any(name.lower().startswith("x-amz-") for name in request.headers):
            return Answer.error(400, "InvalidArgument", "headers of AWS")
        if request.method == "PUT":
            digest = base64.b64encode(hashlib.md5(request.body).digest()).decode()
            if request.headers.get("content-md5") != digest:
                return Answer.error(400, "BadDigest", "The MD5 did not match.")
        return None

    def serve(self, request):
        if request.path == "/token":
            return self.give_token(request)
        if request.headers.get("Authorization", "").startswith("AWS4"):
            return self.bucket.serve(request)
        answer = self.bucket.serve(request, lambda name: name.lower().replace("x-goog-", "x-amz-"))
        answer.headers = {name.lower().replace("x-amz-", "x-goog-"): value for name, value in answer.headers.items()}
        return answer

    def give_token(self, request):
        from urllib.parse import parse_qs
        form = parse_qs(request.body.decode())
        if form.get("grant_type") != ["urn:ietf:params:oauth:grant-type:jwt-bearer"]:
            return Answer(400, {}, b'{"error": "unsupported_grant_type"}')
        google.auth._helpers.utcnow = lambda: datetime.datetime.utcfromtimestamp(front.now())
        try:
            claims = google.auth.jwt.decode(
                form["assertion"][0], certs={"key-1": self.public}, audience=self.token_uri)
        except Exception as error:
            return Answer(400, {}, json.dumps({"error": "invalid_grant", "error_description": str(error)}).encode())
        if claims["iss"] != EMAIL or claims["scope"] != SCOPE or claims["exp"] - claims["iat"] > 3600:
            return Answer(400, {}, b'{"error": "invalid_scope"}')
        self.given += 1
        token = f"token-{self.given}"
        # Only the newest is good, so that a test can have the one before refused.
        self.tokens = {METADATA_TOKEN, token}
        return Answer(200, {}, json.dumps({"access_token": token, "expires_in": 3599}).encode())


if __name__ == "__main__":
    google_ = Google(*sys.argv[1:])
    front = Front(google_.judge, google_.serve)
    front.run(ready=google_.write_account)
