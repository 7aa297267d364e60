"""moto's S3 behind a judge: botocore, AWS's own client, signs each request again and compares.

s3.py KEY_ID SECRET REGION BUCKET [FOLDER]: with FOLDER it speaks TLS, and writes there whom to trust, ca.pem.
"""
import datetime
import hashlib
import http.client
import ipaddress
import logging
import re
import ssl
import sys
import time
from calendar import timegm

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from moto.server import ThreadedMotoServer

from front import Answer, Front

HEADER = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request,\s*"
    r"SignedHeaders=([^,]+),\s*Signature=([0-9a-f]{64})")


class Bucket:
    def __init__(self, key_id, secret, region, bucket):
        self.key_id, self.secret, self.region = key_id, secret, region
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        moto.start()
        self.port = moto.get_host_and_port()[1]
        made = http.client.HTTPConnection("127.0.0.1", self.port)
        made.request("PUT", f"/{bucket}")
        assert made.getresponse().status == 200

    def judge(self, request, now):
        match = HEADER.fullmatch(request.headers.get("Authorization", ""))
        if not match:
            return Answer.error(403, "AccessDenied", "no signature")
        key, day, signed_region, names, signature = match.groups()
        if key != self.key_id:
            return Answer.error(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist.")
        date = request.headers.get("x-amz-date", "")
        if abs(timegm(time.strptime(date, "%Y%m%dT%H%M%SZ")) - now) > 15 * 60:
            return Answer.error(403, "RequestTimeTooSkewed", "The difference between the request time and the "
                                "current time is too large.")
        if request.headers.get("x-amz-security-token") == "expired":
            return Answer.error(400, "ExpiredToken", "The provided token has expired.")
        if signed_region != self.region:
            return Answer.error(400, "AuthorizationHeaderMalformed", f"expecting '{self.region}'")
        names = names.split(";")
        unsigned = [name for name in map(str.lower, request.headers)
                    if name.startswith("x-amz-") and name not in names]
        if unsigned or "host" not in names:
            return Answer.error(403, "AccessDenied", f"headers without signature: {unsigned}")
        if request.headers["x-amz-content-sha256"] != hashlib.sha256(request.body).hexdigest():
            return Answer.error(400, "XAmzContentSHA256Mismatch", "The body is another.")

        # A token is signed as one of the headers; given to botocore, it would be added twice.
        auth = S3SigV4Auth(Credentials(self.key_id, self.secret), "s3", self.region)
        url = f"http://{request.headers['Host']}{request.target}"
        again = AWSRequest(request.method, url, {name: request.headers[name] for name in names})
        again.context["timestamp"] = date
        wanted = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
        if wanted != signature:
            return Answer.error(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        return None

    def serve(self, request, rename=lambda name: name):
        # Short pages, so that lists have several.
        target = request.target + ("&max-keys=3" if "list-type" in request.query else "")
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            if name.lower() not in ("connection", "expect"):
                connection.putheader(rename(name), value)
        connection.endheaders(request.body)
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheaders(), answer.read())


def make_tls(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True).sign(key, hashes.SHA256()))
    with open(f"{folder}/ca.pem", "wb") as file:
        file.write(certificate.public_bytes(serialization.Encoding.PEM))
    with open(f"{folder}/key.pem", "wb") as file:
        file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                     serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/ca.pem", f"{folder}/key.pem")
    return context


if __name__ == "__main__":
    bucket = Bucket(*sys.argv[1:5])
    front = Front(lambda request: bucket.judge(request, front.now()), bucket.serve)
    front.run(tls=make_tls(sys.argv[5]) if len(sys.argv) > 5 else None)
