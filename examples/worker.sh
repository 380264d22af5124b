#!/bin/sh
# A worker in 50 lines: `worker.sh QUEUE COMMAND…` runs the command for each job, with the job's JSON as standard
# input. Status 0 completes the job, and the output is its result. SIGTERM gives the job back. It needs curl, python3
# and the variables KYROS_URL, KYROS_USERNAME and KYROS_PASSWORD; LEASE_SECONDS is 60 unless set.
queue=$1 lease=${LEASE_SECONDS:-60} name=$(hostname)-$$ pause=1 stopping='' command='' auth=$(mktemp) output=$(mktemp)
shift
trap 'rm -f "$auth" "$output"' EXIT
trap 'stopping=yes; [ -z "$command" ] || kill "$command"' TERM INT

# Ctrl-C reaches every program in the terminal: requests and what reads their responses ignore it.
py() ( trap '' TERM INT; exec python3 -c "import json, os, random, sys; print($1)" )
log() { echo "$(date +%H:%M:%S) $*" >&2; }
call() (  # METHOD PATH OPTION…, the body as standard input; no secret is an argument, which others could see
  trap '' TERM INT
  method=$1 path=$2; shift 2
  exec curl -sS --fail --max-time 30 -X "$method" -H "@$auth" -H 'Content-Type: application/json' -d @- "$@" "$KYROS_URL$path"
)
login() {
  : >"$auth"
  tokens=$(py 'json.dumps({n: os.environ[f"KYROS_{n.upper()}"] for n in ("username", "password")})' | call POST /auth/login/) &&
    printf 'Authorization: Bearer %s' "$(printf %s "$tokens" | py 'json.load(sys.stdin)["access_token"]')" >"$auth"
}
heartbeats() {  # ends the command when the job is no longer this worker's
  trap 'kill $!; exit' TERM
  while sleep $((lease / 3)) & wait $!; do
    code=$(printf '{"lease_token": "%s", "lease_seconds": %d}' "$token" "$lease" |
      call POST "/api/v1/jobs/$id/heartbeat/" -o /dev/null -w '%{http_code}' 2>/dev/null)
    case $code in 401) login ;; 409) kill "$command" ;; esac
  done
}
login
until [ "$stopping" ]; do
  jobs=$(printf '{"worker": "%s", "queues": ["%s"], "lease_seconds": %d}' "$name" "$queue" "$lease" | call POST /api/v1/jobs/claim/) || login
  job=$(printf %s "${jobs:-{\}}" | py 'json.dumps(*json.load(sys.stdin).get("jobs") or [""])')
  if [ "$job" = '""' ]; then  # nothing to do, or no connection: wait, longer each time, with jitter
    [ -z "$stopping" ] || break
    pause=$((pause < 16 ? pause * 2 : 16))
    sleep "$(py "random.uniform(0, $pause)")" & command=$!
    wait "$command"; command=''
    continue
  fi
  id=$(printf %s "$job" | py 'json.load(sys.stdin)["id"]') token=$(printf %s "$job" | py 'json.load(sys.stdin)["lease_token"]') pause=1
  if [ -z "$stopping" ]; then
    printf %s "$job" | "$@" >"$output" & command=$!
    heartbeats & beats=$!
    wait "$command"; code=$?
    kill "$beats" 2>/dev/null; command=''
  else code=none; fi
  if [ "$stopping" ]; then report='"status": "pending", "reason": "The worker was stopped"'
  elif [ $code = 0 ]; then report="\"status\": \"completed\", \"result\": {\"output\": $(py 'json.dumps(sys.stdin.read()[-9999:])' <"$output")}"
  else report="\"status\": \"failed\", \"reason\": \"Exit status $code\""; fi
  printf '{"lease_token": "%s", %s}' "$token" "$report" | call PUT "/api/v1/jobs/$id/status/" --retry 5 --retry-connrefused -o /dev/null
  log "$id: Exit status $code, reported $?"
done
