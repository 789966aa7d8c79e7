#!/bin/sh
# The user list from the secret, for pgbouncer alone to read.
set -eu
umask 077
printf '"app" "%s"\n' "$(cat /run/secrets/app_password)" > /tmp/userlist.txt
chown postgres /tmp/userlist.txt
exec pgbouncer /etc/pgbouncer/pgbouncer.ini
