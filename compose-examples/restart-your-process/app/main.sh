#!/bin/sh
# The program: reads what it says once, at its start.
GREETING='Hello, world!'

echo "$GREETING"
exec sleep infinity
