/**
 * The script that a guest runs at its first start, and what starts it. POSIX sh, as dash, bash and busybox have it.
 * It is bounded: a count of starts that is written down before anything is run, and a time for each task.
 */
export const home = '/var/lib/vmferry/first-boot';
export const log = '/var/log/vmferry-first-boot.log';
export const unitPath = '/etc/systemd/system/vmferry-first-boot.service';
export const localPath = '/etc/local.d/vmferry-first-boot.start';
export const initPath = '/etc/init.d/vmferry-first-boot';

const maxStarts = 3;
const taskSeconds = 900;

/** `hooks`: what starts it, taken away in the end. */
export const runner = (hooks: readonly string[]): string => `#!/bin/sh
# Tasks that were asked for when this machine was carried here. Each is run until it has ended well, at ${maxStarts}
# starts at most and for ${taskSeconds} seconds at most; then what starts this script is removed.
root="\${VMFERRY_ROOT-}"
home="$root${home}"
log="$root${log}"
limit="\${VMFERRY_LIMIT-${taskSeconds}}"
PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
export PATH

say() { echo "$(date '+%Y-%m-%d %H:%M:%S') $*" >>"$log"; }

# A start that can't be counted is none: without the count this would go on for ever.
count() {
  starts="$(cat "$home/starts" 2>/dev/null)"
  [ -n "$starts" ] || [ -e "$home/starts" ] || starts=0
  case "$starts" in '' | *[!0-9]*) starts=${maxStarts} ;; esac
  starts=$((starts + 1))
  echo "$starts" >"$home/starts.new" && mv "$home/starts.new" "$home/starts" && sync
}

# One task in a session of its own, ended as a whole when its time is over.
bounded() {
  if command -v setsid >/dev/null 2>&1; then new=setsid group=-; else new= group=; fi
  $new "$@" </dev/null >>"$log" 2>&1 &
  task=$!
  $new sh -c "sleep $limit; echo 'its time is over' >>'$log'; kill -TERM $group$task; sleep 5; kill -KILL $group$task" </dev/null >/dev/null 2>&1 &
  watch=$!
  wait "$task" 2>/dev/null
  result=$?
  # It may not have its session yet.
  kill -KILL "$group$watch" 2>/dev/null
  kill -KILL "$watch" 2>/dev/null
  wait "$watch" 2>/dev/null
  return "$result"
}

one() {
  if head -c 2 "$1" | grep -q '#!' && chmod 700 "$1"; then bounded "$1"; else bounded sh "$1"; fi
}

remove_hooks() {
${hooks.map((hook) => `  rm -f "$root${hook}"`).join('\n')}
}

main() {
  umask 022
  count || return 0
  if [ "$starts" -gt ${maxStarts} ]; then
    remove_hooks
    return 0
  fi
  say "start $starts of at most ${maxStarts}"
  failed=0
  for task_file in "$home"/tasks/*; do
    [ -f "$task_file" ] || continue
    name="\${task_file##*/}"
    [ -e "$home/done/$name" ] && continue
    say "$name begins"
    if one "$task_file"; then
      say "$name is done"
      mkdir -p "$home/done" && : >"$home/done/$name"
    else
      say "$name has failed with $?"
      failed=1
    fi
  done
  if [ "$failed" = 0 ]; then
    say 'all is done'
    remove_hooks
    rm -rf "$home"
  elif [ "$starts" -ge ${maxStarts} ]; then
    say "gave up; the tasks are in $home"
    remove_hooks
  else
    say 'what has failed is tried again at the next start'
  fi
  return 0
}

main
exit 0
`;

export const unit = `[Unit]
Description=Tasks of the first start after this machine was carried here
Wants=network-online.target
After=network-online.target local-fs.target
ConditionPathExists=${home}/run.sh

[Service]
Type=oneshot
ExecStart=/bin/sh ${home}/run.sh
TimeoutStartSec=0

[Install]
WantedBy=multi-user.target
`;

/** In the background: nothing waits for it, the login least of all. */
const start = `/bin/sh ${home}/run.sh </dev/null >/dev/null 2>&1 &`;

export const localStart = `#!/bin/sh
[ ! -e ${home}/run.sh ] || ${start}
`;

/** The head is that of the Linux Standard Base, and of chkconfig. */
export const initScript = `#!/bin/sh
# chkconfig: 2345 99 01
# description: Tasks of the first start after this machine was carried here
### BEGIN INIT INFO
# Provides:          vmferry-first-boot
# Required-Start:    $remote_fs $network $syslog
# Required-Stop:
# Default-Start:     2 3 5
# Default-Stop:
# Short-Description: Tasks of the first start
### END INIT INFO
[ "$1" = start ] || exit 0
[ ! -e ${home}/run.sh ] || ${start}
exit 0
`;
