#!/usr/bin/env bash
# Time of an upload over the Unix socket, with its SHA-256, beside `openssl sha256` and `cp` of the same file.
#
# Benchmarks/upload.sh [MIB] [TURNS]; needs a release build, curl and openssl, and room for three such files.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mib=${1:-1024} turns=${2:-3}
folder=$(mktemp -d)
.build/release/stadion serve --socket "$folder/s" --data "$folder/data" 2>"$folder/log" &
host=$!
trap 'kill $host; wait $host || true; rm -rf "$folder"' EXIT
until curl -sf --unix-socket "$folder/s" http://host/v2/health/ready >/dev/null; do kill -0 $host; done
head -c "${mib}M" /dev/urandom >"$folder/file"
now() { date +%s%N; }

for ((turn = 1; turn <= turns; turn++)); do
  began=$(now)
  openssl sha256 "$folder/file" >"$folder/digest"
  cp "$folder/file" "$folder/copy"
  reference=$(($(now) - began))
  rm "$folder/copy"
  digest=$(sed 's/.*= //' "$folder/digest")
  id=$(curl -sf --unix-socket "$folder/s" -d "{\"bytes\":$((mib << 20)),\"sha256\":\"$digest\"}" \
    http://host/v1/uploads | sed 's/.*"id":"\([^"]*\)".*/\1/')
  began=$(now)
  # The answer to the last byte says that the digest is right. As with cp, the disk may still be at it.
  curl -sf --unix-socket "$folder/s" -T "$folder/file" "http://host/v1/uploads/$id?offset=0" >/dev/null
  upload=$(($(now) - began))
  curl -sf --unix-socket "$folder/s" -X DELETE "http://host/v1/uploads/$id" >/dev/null
  echo "$turn: upload $((upload / 1000000)) ms, openssl and cp $((reference / 1000000)) ms," \
    "rate $((reference * 100 / upload)) % (80 is wanted); host's memory $(awk '/VmHWM/ {print $2 / 1024}' /proc/$host/status) MiB"
done
