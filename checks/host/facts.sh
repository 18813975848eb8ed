# What this host is and how it fares. Sections begin with "@@ name", every line in them with a blank.
# Arguments: seconds to watch, the server's pid or -, and kind=path for each path asked about.
# For bash, dash and busybox, with tools that busybox has; it asks, and changes nothing.
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
seconds=$1 pid=$2
shift 2

section() { printf '\n@@ %s\n' "$1"; }
found() { sed 's/^/ /'; }
unread() {
  section unread
  printf ' %s\n' "$*"
}
has() { command -v "$1" >/dev/null 2>&1; }
file() {
  if [ -r "$2" ]; then
    section "$1"
    found <"$2"
  elif [ -e "$2" ]; then
    unread "$2: no right to read it"
  fi
}
settings() {
  if [ -r "$1" ]; then
    section "boot $1"
    grep -vE '^[[:space:]]*([#;]|$)' "$1" | found
  else
    unread "$1: no right to read it"
  fi
}
sample() {
  file "time $1" /proc/uptime
  section "cpu $1"
  grep '^cpu ' /proc/stat | found
  file "io $1" /proc/diskstats
}
limited=
if has timeout && timeout 1 true 2>/dev/null; then limited='timeout 5'; fi
uid=$(id -u)

# The system and what it runs on
section kernel
uname -sr | found
if [ -r /etc/os-release ]; then file os /etc/os-release; else file os /usr/lib/os-release; fi
section cores
{ nproc 2>/dev/null || grep -c '^processor' /proc/cpuinfo; } | found
section cpuinfo
grep -m 1 '^model name' /proc/cpuinfo | found
grep -m 1 -ow hypervisor /proc/cpuinfo | found
section virtual
{
  if has systemd-detect-virt; then $limited systemd-detect-virt --vm; fi
  grep -hs '' /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name
} | found
section container
for sign in /.dockerenv /run/.containerenv /run/systemd/container; do
  if [ -e "$sign" ]; then echo " $sign"; fi
done
grep -sE 'docker|kubepods|containerd|libpod|lxc' /proc/1/cgroup | found
section init
if [ -d /run/systemd/system ]; then echo ' systemd'; fi

# Memory, and what the control group allows of it
file memory /proc/meminfo
file transparent /sys/kernel/mm/transparent_hugepage/enabled
of=self
if [ -r "/proc/$pid/cgroup" ]; then of=$pid; fi
group=$(sed -n 's/^0:://p' "/proc/$of/cgroup" 2>/dev/null)
section allowed
while :; do
  grep -s '' "/sys/fs/cgroup$group/memory.max" | found
  if [ -z "$group" ]; then break; fi
  group=${group%/*}
done
grep -s '' /sys/fs/cgroup/memory/memory.limit_in_bytes | found

# Kernel parameters: as they are, and what sets them at boot
section sysctl
cd /proc/sys && grep -s '' /dev/null \
  vm/swappiness vm/overcommit_memory vm/overcommit_ratio vm/overcommit_kbytes \
  vm/dirty_ratio vm/dirty_background_ratio vm/dirty_bytes vm/dirty_background_bytes \
  vm/dirty_expire_centisecs vm/dirty_writeback_centisecs vm/nr_hugepages \
  vm/nr_overcommit_hugepages vm/zone_reclaim_mode vm/min_free_kbytes vm/max_map_count \
  net/core/somaxconn net/core/netdev_max_backlog net/core/default_qdisc \
  net/core/rmem_default net/core/rmem_max net/core/wmem_default net/core/wmem_max \
  net/ipv4/tcp_rmem net/ipv4/tcp_wmem net/ipv4/tcp_mem net/ipv4/tcp_congestion_control \
  net/ipv4/tcp_available_congestion_control net/ipv4/tcp_window_scaling \
  net/ipv4/tcp_moderate_rcvbuf net/ipv4/tcp_slow_start_after_idle net/ipv4/tcp_mtu_probing \
  net/ipv4/tcp_keepalive_time net/ipv4/tcp_keepalive_intvl net/ipv4/tcp_keepalive_probes \
  net/ipv4/tcp_retries2 net/ipv4/tcp_fin_timeout net/ipv4/tcp_max_syn_backlog \
  net/ipv4/ip_local_port_range fs/file-max fs/nr_open fs/aio-max-nr \
  kernel/shmmax kernel/shmall kernel/sem kernel/threads-max kernel/pid_max \
  kernel/numa_balancing kernel/sched_autogroup_enabled | found
cd / || exit
for folder in /etc /run /usr/local/lib /usr/lib /lib; do
  for lines in "$folder"/sysctl.d/*.conf; do
    if [ -e "$lines" ]; then settings "$lines"; fi
  done
done
if [ -e /etc/sysctl.conf ]; then settings /etc/sysctl.conf; fi

# The clock
file clocksource /sys/devices/system/clocksource/clocksource0/current_clocksource
section keepers
cat /proc/[0-9]*/comm 2>/dev/null | grep -xE 'chronyd|ntpd|openntpd|systemd-timesyn' | found
section chrony
if has chronyc; then $limited chronyc -n -c tracking | found; fi
section timedatectl
if has timedatectl; then $limited timedatectl show -p NTPSynchronized 2>/dev/null | found; fi
section adjtimex
{
  if has busybox; then $limited busybox adjtimex; elif has adjtimex; then $limited adjtimex; fi
} 2>/dev/null | grep 'return value.*(clock' | found

# Disks, filesystems and the paths asked about
section block
grep -s '' /dev/null /sys/block/*/dev /sys/block/*/size /sys/block/*/queue/rotational \
  /sys/block/*/queue/scheduler /sys/block/*/queue/write_cache /sys/block/*/device/vendor \
  /sys/block/*/device/model /sys/block/*/*/partition /sys/block/*/*/dev | found
section slaves
ls -d /sys/block/*/slaves/* 2>/dev/null | found
file mounts /proc/self/mountinfo
number=0
for asked in "$@"; do
  number=$((number + 1)) path=${asked#*=}
  section "place $number"
  printf ' kind %s\n path %s\n' "${asked%%=*}" "$path"
  if [ -e "$path" ]; then
    $limited df -kP "$path" 2>/dev/null | sed '1d; s/^/ df /'
    $limited df -iP "$path" 2>/dev/null | sed '1d; s/^/ inodes /'
  else
    unread "$path: not there, or no right to see it"
  fi
done

# The server's process, and who would start it again
if [ "$pid" != - ]; then
  if [ -r "/proc/$pid/limits" ]; then
    file process "/proc/$pid/comm"
    file limits "/proc/$pid/limits"
    section server
    of=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$pid/status")
    printf ' pid %s\n user %s\n' "$pid" "$(stat -c %U "/proc/$pid")"
    printf ' parent %s %s\n' "$of" "$(cat "/proc/$of/comm" 2>/dev/null)"
    printf ' program %s\n' "$(readlink "/proc/$pid/exe")"
    messages=$(readlink "/proc/$pid/fd/2")
    if [ -f "$messages" ]; then printf ' messages %s\n' "$messages"; fi
    group=$(sed -n 's/^0:://p; s/^[0-9]*:name=systemd://p' "/proc/$pid/cgroup" | grep -m 1 service)
    while [ -n "$group" ]; do
      unit=${group##*/}
      case $unit in *.service)
        printf ' unit %s\n' "$unit"
        if has systemctl; then $limited systemctl show -p MainPID "$unit" 2>/dev/null | found; fi
        break
        ;;
      esac
      group=${group%/*}
    done
  else
    unread "limits of process $pid: it is not there, or no right to see them"
  fi
fi

# Names, doors and tools
file resolv /etc/resolv.conf
section listen
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep ' 0A ' | found
if [ ! -r /proc/net/tcp ]; then unread '/proc/net/tcp: nothing to read'; fi
section tools
for tool in python3 psql pg_dump pg_restore pg_test_fsync mysql mysqldump mariadb rsync zstd lz4 \
  pigz nc socat curl fio sudo systemctl sysctl setsid iptables nft ufw firewall-cmd chronyc; do
  command -v "$tool"
done | found
if [ "$uid" = 0 ]; then
  section ufw
  if grep -qs '^ENABLED=yes' /etc/ufw/ufw.conf && has ufw; then
    $limited ufw status 2>/dev/null | head -n 1 | found
  fi
  section firewalld
  if has firewall-cmd; then $limited firewall-cmd --state 2>/dev/null | found; fi
  if has nft; then
    if rules=$($limited nft list ruleset 2>&1); then
      section nftables
      printf '%s\n' "$rules" | sed -n '/^table/p; /^[[:space:]]*chain/h
        /hook input/{ x; p; x; }; /hook input/,/}/p' | found
    else
      unread "firewall: nft list ruleset: $(printf '%s\n' "$rules" | head -n 1)"
    fi
  else
    unread 'firewall: there is no nft to ask'
  fi
else
  unread 'firewall: only root may ask'
fi

# How the time goes by
sample before
sleep "$seconds"
sample after
section end
