#!/bin/sh
# Any builder will do, as long as an image named $EXPECTED_REF is there in the end.
set -eu

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
cp -R site "$context/www"
date >"$context/www/built.txt"
cat >"$context/Dockerfile" <<'END'
FROM busybox:1.37
COPY www /www
CMD ["httpd", "-f", "-p", "8080", "-h", "/www"]
END
docker build --tag "$EXPECTED_REF" "$context"
