#!/bin/sh
# The user list from the secret, for pgbouncer alone to read.
set -eu
umask 077
printf '"app" "%s"\n' "$(cat /run/secrets/app_password)" > /tmp/userlist.txt
# A drill's fault: a pooler that found no users at its first start goes on with an empty list, until it is restarted.
if [ "${POOLER_USERS:-}" = none ] && [ ! -e /var/tmp/started-before ]; then
    touch /var/tmp/started-before
    : > /tmp/userlist.txt
fi
chown postgres /tmp/userlist.txt
exec pgbouncer /etc/pgbouncer/pgbouncer.ini
