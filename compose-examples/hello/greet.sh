#!/bin/sh
# Makes greetings.txt of names.txt, inside the container.
set -eu

while read -r name; do
    echo "Hello, $name!"
done </www/names.txt >/www/greetings.new
mv /www/greetings.new /www/greetings.txt
