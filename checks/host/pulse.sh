# A line of counters every so many seconds, for as long as it may: how long the host is up, what its
# processors did, and what one disk did. Arguments: seconds, and the disk's name or -.
# Nothing but the shell itself runs each time, and sleep; it ends when who started it has ended.
seconds=$1 disk=$2
while kill -s 0 "$PPID" 2>/dev/null; do
  did=
  read -r up rest </proc/uptime
  read -r cpu </proc/stat
  while read -r major minor name counters; do
    if [ "$name" = "$disk" ]; then
      did=$counters
      break
    fi
  done </proc/diskstats
  printf '@@ %s|%s|%s\n' "$up" "$cpu" "$did" || exit
  sleep "$seconds" || exit
done
