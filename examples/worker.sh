#!/bin/sh
# A worker in 40 lines: `worker.sh QUEUE COMMAND…` runs the command for each job, with the job's JSON as standard
# input. Status 0 completes the job, and the output is its result. SIGTERM gives the job back. It needs curl, python3
# and the variables KYROS_URL, KYROS_USERNAME and KYROS_PASSWORD; LEASE_SECONDS is 60 unless set.
queue=$1 lease=${LEASE_SECONDS:-60} name=$(hostname)-$$ pause=1 stopping='' command='' auth=$(mktemp) output=$(mktemp); shift
trap 'rm -f "$auth" "$output"' EXIT
trap 'stopping=yes; [ -z "$command" ] || kill "$command"' TERM INT
py() ( trap '' TERM INT; exec python3 -c "import json, os, random, sys; print($1)" )  # Ctrl-C reaches all programs: ignore it
call() (  # PATH OPTION…, the body as standard input; no secret is an argument, which others could see
  trap '' TERM INT; path=$1; shift
  exec curl -sS --fail --max-time 30 -H "@$auth" -H 'Content-Type: application/json' -d @- "$@" "$KYROS_URL$path" )
login() {
  : >"$auth"; py 'json.dumps({n: os.environ[f"KYROS_{n.upper()}"] for n in ("username", "password")})' | call /auth/login/ |
    py '"Authorization: Bearer " + json.loads(sys.stdin.read() or sys.exit(1))["access_token"]' >"$auth"; }
heartbeats() {  # ends the command when the job is no longer this worker's
  trap 'kill $!; exit' TERM
  while sleep $((lease / 3)) & wait $!; do
    case $(printf '{"lease_token": "%s", "lease_seconds": %d}' "$token" "$lease" |
      call "/api/v1/jobs/$id/heartbeat/" -o /dev/null -w '%{http_code}' 2>/dev/null) in 401) login ;; 404|409) kill "$command" ;; esac
  done; }
login
until [ "$stopping" ]; do
  claimed=$(printf '{"worker": "%s", "queues": ["%s"], "lease_seconds": %d}' "$name" "$queue" "$lease" | call /api/v1/jobs/claim/ |
    py '*[text for j in json.loads(sys.stdin.read() or sys.exit(1))["jobs"] for text in (j["id"], j["lease_token"], json.dumps(j))]') || login
  if [ -z "$claimed" ]; then  # nothing to do, or no connection: wait, longer each time, with jitter
    pause=$((pause < 16 ? pause * 2 : 16))
    [ "$stopping" ] || { sleep "$(py "random.uniform(0, $pause)")" & command=$!; wait "$command"; command=''; }
    continue
  fi
  id=${claimed%% *} job=${claimed#* * } token=${claimed#* } token=${token%% *} pause=1 code=none
  [ "$stopping" ] || {
    printf %s "$job" | "$@" >"$output" & command=$!
    heartbeats & beats=$!
    wait "$command"; code=$?; command=''; kill "$beats" 2>/dev/null; }
  if [ "$stopping" ]; then report='"status": "pending", "reason": "The worker was stopped"'
  elif [ $code = 0 ]; then report="\"status\": \"completed\", \"result\": {\"output\": $(py 'json.dumps(sys.stdin.buffer.read()[-9999:].decode(errors="replace").replace("\0", "\ufffd"))' <"$output")}"
  else report="\"status\": \"failed\", \"reason\": \"Exit status $code\""; fi
  printf '{"lease_token": "%s", %s}' "$token" "$report" | call "/api/v1/jobs/$id/status/" -X PUT --retry 5 --retry-connrefused -o /dev/null
  echo "$id: Exit status $code, reported $? at $(date +%H:%M:%S)" >&2
done
