"""The services that give a machine or container its credentials: AWS's, Azure's and Google's.

metadata.py KEY_ID SECRET [TOKEN]: the keys that AWS's give out, until an hour from now, the first with TOKEN.
"""
import datetime
import json
import sys

from front import Answer, Front

TOKEN = "imds-token"


def credentials():
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    return Answer(200, {}, json.dumps({
        "Code": "Success", "AccessKeyId": key_id, "SecretAccessKey": secret,
        "Token": tokens.pop() if tokens else "session-token",
        "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ")}).encode())


def serve(request):
    headers, path = request.headers, request.path
    if path == "/latest/api/token":
        known = request.method == "PUT" and headers.get("x-aws-ec2-metadata-token-ttl-seconds")
        return Answer(200, {}, TOKEN.encode()) if known else Answer(400)
    if path.startswith("/latest/meta-data/iam/security-credentials/"):
        if headers.get("x-aws-ec2-metadata-token") != TOKEN:
            return Answer(401)
        return credentials() if path.endswith("/role-1") else Answer(200, {}, b"role-1")
    if path == "/container":
        return credentials() if headers.get("authorization") == "container-token" else Answer(403)
    if path == "/metadata/identity/oauth2/token":
        asked = request.query
        if headers.get("metadata") != "true" or asked.get("resource") != "https://storage.azure.com/":
            return Answer(400)
        return Answer(200, {}, b'{"access_token": "metadata-token", "expires_in": "3599"}')
    if path == "/computeMetadata/v1/instance/service-accounts/default/token":
        if headers.get("metadata-flavor") != "Google":
            return Answer(403)
        return Answer(200, {}, b'{"access_token": "metadata-token", "expires_in": 3599}')
    return Answer(404)


if __name__ == "__main__":
    key_id, secret, *tokens = sys.argv[1:]
    Front(lambda request: None, serve).run()
